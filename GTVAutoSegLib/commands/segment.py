"""``gtvautoseg segment``: one CT in, segmentation files out."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..model.precision import PRECISIONS
from ..system.settings import check_threshold
from .contours import add_contours

if TYPE_CHECKING:
    from ..cascade.result import ResultRecord


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "ct", metavar="CT", help=".nii, .nii.gz, .nrrd, .nhdr, .mha, .mhd, or a folder with a DICOM series"
    )
    parser.add_argument("--model", required=True, help="id of a model (see 'model list'), or a bundle's path")
    parser.add_argument(
        "--output",
        required=True,
        action="append",
        type=Path,
        help="file to write, may be repeated; its suffix decides: .seg.nrrd, .nrrd, .nii.gz, .nii, .mha, and for a CT "
        "from DICOM .dcm (RTSTRUCT) and .seg.dcm (DICOM SEG)",
    )
    parser.add_argument("--series", metavar="UID", help="which series, when the DICOM folder holds several")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1 or mps")
    parser.add_argument(
        "--precision", choices=PRECISIONS, default="auto", help="numbers to compute in (auto); fp32 is the reference"
    )
    parser.add_argument("--slices", type=slice_range, metavar="A:B", help="only look at slices A to B-1, from 0")
    parser.add_argument(
        "--threshold", type=probability, metavar="T", help="slice probability from which it is segmented"
    )
    add_contours(parser)
    parser.add_argument("--json", metavar="FILE", help="also write what was found as JSON; - for standard output")


def run(arguments: argparse.Namespace) -> None:
    """Segment, write, and say what was found."""
    from ..cascade.load import load_model
    from ..cascade.result import describe_segment, summarise
    from ..images.masks.structure import Structure
    from ..images.read import read_volume
    from ..images.volume import check_ct
    from ..images.write import check_outputs, mask_format, write_structure
    from ..model.bundle import read_bundle
    from ..system.files import check_writable, write_text
    from ..system.progress import progress_bar

    bundle = read_bundle(arguments.model)
    for path in arguments.output:
        # A mistyped suffix and a missing package are said at once, not after reading the CT.
        mask_format(path)[1].check_installed(path)
    volume = read_volume(arguments.ct, series=arguments.series)
    check_ct(volume)  # an unsuitable one is said before PyTorch is imported
    check_outputs(arguments.output, volume)
    for path in json_file(arguments):
        check_writable(path)
        check_apart(path, arguments.output, [Path(volume.source), *volume.dicom_files])
    model = load_model(bundle.path, device=arguments.device, precision=arguments.precision)
    with progress_bar() as progress:
        result = model.segment(volume, progress=progress, slices=arguments.slices, threshold=arguments.threshold)
    record = summarise(result, volume, bundle)
    structure = Structure(result.mask, describe_segment(bundle, record), contours=arguments.contours)
    for path in arguments.output:
        write_structure(structure, volume, path)
    for path in json_file(arguments):
        write_text(path, json.dumps(record.to_json(), indent=2) + "\n")
    _say(record, arguments)


def slice_range(text: str) -> range:
    """Parse ``A:B`` as slices A to B-1."""
    match = re.fullmatch(r"(\d+):(\d+)", text)
    if match is None or int(match[1]) >= int(match[2]):
        raise argparse.ArgumentTypeError(f"'{text}' is not a range of slices, expected A:B with A < B")
    return range(int(match[1]), int(match[2]))


def probability(text: str) -> float:
    """Parse a number from 0 to 1."""
    try:
        check_threshold(float(text))
    except (ValueError, InputError) as error:
        raise argparse.ArgumentTypeError(f"'{text}' is not a probability, expected a number from 0 to 1") from error
    return float(text)


def json_file(arguments: argparse.Namespace) -> list[Path]:
    """Where the JSON goes: one file, or none."""
    return [Path(arguments.json)] if arguments.json not in (None, "-") else []


def check_apart(path: Path, outputs: list[Path], inputs: list[Path]) -> None:
    """Raise rather than write the JSON over a result or the CT."""
    if path.resolve() in {other.resolve() for other in (*outputs, *inputs)}:
        raise InputError(f"{path} is the CT or a result already; expected another file for --json")


def _say(record: ResultRecord, arguments: argparse.Namespace) -> None:
    from ..cascade.result import sentence

    for warning in record.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if arguments.json == "-":
        print(json.dumps(record.to_json(), indent=2))
        return
    print(sentence(record))
    for path in arguments.output:
        print(f"written: {path}")
