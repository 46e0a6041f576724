"""Options that several commands and the worker take: declared, parsed and checked in one place."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..images.masks.structure import CONTOURS, SMOOTH
from ..model.precision import PRECISIONS
from ..system.settings import check_threshold

if TYPE_CHECKING:
    from ..cascade.completion.record import CompletionRecord
    from ..cascade.result import ResultRecord
    from ..images.region import Region

SOME_FAILED = 1  # exit code
BOX_HELP = (
    "look only inside a box, and outline nothing beyond it: XMIN XMAX YMIN YMAX ZMIN ZMAX in patient coordinates "
    "(LPS, mm), or a Markups file (.mrk.json) with one ROI"
)


def add_ct(parser: argparse.ArgumentParser) -> None:
    """Declare the CT, and which series of a folder it is."""
    parser.add_argument(
        "ct", metavar="CT", help=".nii, .nii.gz, .nrrd, .nhdr, .mha, .mhd, or a folder with a DICOM series"
    )
    parser.add_argument("--series", metavar="UID", help="which series, when the DICOM folder holds several")


def add_model(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Declare the model and the numbers to compute in."""
    parser.add_argument("--model", required=required, help="id of a model (see 'model list'), or a bundle's path")
    parser.add_argument(
        "--precision", choices=PRECISIONS, default="auto", help="numbers to compute in (auto); fp32 is the reference"
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """Declare where networks run."""
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1 or mps")


def add_training(parser: argparse.ArgumentParser) -> None:
    """Declare where a training computes, in which numbers, and where it keeps its slices."""
    add_device(parser)
    parser.add_argument(
        "--precision",
        choices=("auto", "fp32", "bf16"),
        default="auto",
        help="bf16 is faster where the processor computes in it; auto (default) uses it on GPUs only",
    )
    parser.add_argument("--store", type=Path, metavar="DIR", help="folder of the prepared slices (default: OUT/slices)")


def add_outputs(parser: argparse.ArgumentParser) -> None:
    """Declare the files that a mask is written to, see `images.write.check_outputs`."""
    parser.add_argument(
        "--output",
        required=True,
        action="append",
        type=Path,
        help="file to write, may be repeated; its suffix decides: .seg.nrrd, .nrrd, .nii.gz, .nii, .mha, and for a CT "
        "from DICOM .dcm (RTSTRUCT) and .seg.dcm (DICOM SEG)",
    )


def add_dataset(parser: argparse.ArgumentParser, *, nargs: str | None = None) -> None:
    """Declare the data set and its structure, see `labelled`."""
    parser.add_argument(
        "dataset",
        metavar="DATASET",
        type=Path,
        nargs=nargs,
        help="folder with <case>/data and <case>/label, or a raw one of nnU-Net",
    )
    add_label(parser)


def add_label(parser: argparse.ArgumentParser) -> None:
    """Declare the structure of a data set of nnU-Net, see `labelled`."""
    parser.add_argument(
        "--label", metavar="NAME", help="of a raw folder of nnU-Net with several structures: name or value of one"
    )


def labelled(dataset: Path, label: str | None) -> Path:
    """What names a data set with one of its structures, see `training.data.imports.nnunet`.

    Raises:
        InputError: a label was given for a data set that is no raw folder of nnU-Net.
    """
    if label is None:
        return dataset
    from ..training.data.imports.nnunet import raw_folder

    if raw_folder(dataset) is None:
        raise InputError(
            f"--label was given for {dataset}, which is no raw folder of nnU-Net (dataset.json, imagesTr, labelsTr); "
            "leave it out"
        )
    return dataset / label


def add_json(parser: argparse.ArgumentParser) -> None:
    """Declare where the JSON goes, see `json_file`."""
    parser.add_argument("--json", metavar="FILE", help="also write what was found as JSON; - for standard output")


def add_contours(parser: argparse.ArgumentParser) -> None:
    """Declare how the outlines of an RTSTRUCT are drawn."""
    parser.add_argument(
        "--contours",
        choices=CONTOURS,
        default=SMOOTH,
        help="of an RTSTRUCT: smooth (default), or pixel: midway between pixels; both give the mask back voxel for "
        "voxel",
    )


def at_least(smallest: int) -> Callable[[str], int]:
    """A parser of whole numbers from ``smallest`` upwards, for argparse; it raises ArgumentTypeError for others."""

    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < smallest:
            raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from {smallest} upwards")
        return int(text)

    return parse


def slice_range(text: str) -> range:
    """Parse ``A:B`` as slices A to B-1."""
    match = re.fullmatch(r"(\d+):(\d+)", text)
    if match is None or int(match[1]) >= int(match[2]):
        raise argparse.ArgumentTypeError(f"'{text}' is not a range of slices, expected A:B with A < B")
    return range(int(match[1]), int(match[2]))


def slice_list(text: str) -> tuple[int, ...]:
    """Parse ``3,9,12`` as slices."""
    if re.fullmatch(r"\d+(,\d+)*", text) is None:
        raise argparse.ArgumentTypeError(f"'{text}' is no list of slices, expected numbers such as 3,9,12")
    return tuple(int(part) for part in text.split(","))


def probability(text: str) -> float:
    """Parse a number from 0 to 1."""
    return _checked(text, check_threshold, "a number from 0 to 1")


def mask_probability(text: str) -> float:
    """Parse a number above 0 and up to 1."""
    from ..images.probability import check_mask_threshold

    return _checked(text, check_mask_threshold, "a number above 0 and up to 1")


def region_of(values: Sequence[str] | None) -> Region | None:
    """The box of an option ``--box``: six numbers, or a Markups file.

    Raises:
        InputError: it is neither, or a box of no size.
    """
    if not values:
        return None
    from ..images.region import Region

    return Region.of_words(values)


def check_matplotlib() -> None:
    """Check before anything is computed that pictures of figures can be drawn.

    Raises:
        InputError: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise InputError("the picture needs matplotlib, which is not installed; run: pip install 'gtvautoseg[report]'")


def json_file(arguments: argparse.Namespace) -> list[Path]:
    """Where the JSON goes: one file, or none."""
    return [Path(arguments.json)] if arguments.json not in (None, "-") else []


def check_json(arguments: argparse.Namespace, inputs: Sequence[Path]) -> None:
    """Check before anything is computed that the JSON can be written, over no result and no input.

    Raises:
        InputError: it cannot.
    """
    from ..system.files import check_writable

    for path in json_file(arguments):
        check_writable(path)
        check_apart(path, arguments.output, inputs)


def tell(arguments: argparse.Namespace, record: ResultRecord | CompletionRecord, sentence: str) -> None:
    """Write what was found as JSON where that was asked for, and say it: warnings, a sentence, and the files."""
    from ..system.files import write_json

    for path in json_file(arguments):
        write_json(path, record.to_json())
    for warning in record.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if arguments.json == "-":
        print(json.dumps(record.to_json(), indent=2))
        return
    print(sentence)
    for path in arguments.output:
        print(f"written: {path}")


def check_apart(path: Path, outputs: Sequence[Path], inputs: Sequence[Path], option: str = "--json") -> None:
    """Raise InputError rather than write a further file over a result or an input."""
    if path.resolve() in {other.resolve() for other in (*outputs, *inputs)}:
        raise InputError(f"{path} is the CT, another input or a result already; expected another file for {option}")


def check_apart_from_data(output: Path, dataset: Path) -> None:
    """Raise InputError rather than put results into a data set, which is only read and would be none any more."""
    if output.resolve() == dataset.resolve():
        raise InputError(f"{output} is the data set itself, which is only read; expected another folder for results")


def check_drawn(arguments: argparse.Namespace, others: Mapping[str, object]) -> None:
    """Check that no option of a model is given where the completer is measured, ``--drawn``, nor the other way round.

    Args:
        arguments: with ``drawn`` and ``completer``.
        others: values of the options that belong to a model.

    Raises:
        InputError: one is given that would count for nothing.
    """
    if arguments.drawn:
        wrong = [word for word, value in others.items() if value]
        if wrong:
            raise InputError(f"{wrong[0]} was given with --drawn, which measures the completer; leave one of them out")
    elif arguments.completer is not None:
        raise InputError("--completer was given without --drawn; expected both, so say how many slices are drawn")


def _checked(text: str, check: Callable[[float], None], expected: str) -> float:
    try:
        value = float(text)
        check(value)
    except (ValueError, InputError) as error:
        raise argparse.ArgumentTypeError(f"'{text}' is not a probability, expected {expected}") from error
    return value
