"""``gtvautoseg segment``: one CT in, segmentation files out."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..cascade.completion.earlier import Earlier
from .options import (
    BOX_HELP,
    add_contours,
    add_ct,
    add_device,
    add_json,
    add_model,
    add_outputs,
    check_apart,
    check_json,
    json_file,
    mask_probability,
    probability,
    region_of,
    slice_list,
    slice_range,
    tell,
)

if TYPE_CHECKING:
    from ..cascade.result import ResultRecord


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_ct(parser)
    add_model(parser)
    add_outputs(parser)
    add_device(parser)
    parser.add_argument("--slices", type=slice_range, metavar="A:B", help="only look at slices A to B-1, from 0")
    parser.add_argument(
        "--threshold", type=probability, metavar="T", help="slice probability from which it is segmented"
    )
    add_contours(parser)
    parser.add_argument("--box", nargs="+", metavar="MM|FILE", help=BOX_HELP)
    parser.add_argument(
        "--mask-threshold",
        type=mask_probability,
        metavar="T",
        help="probability from which a voxel is tumour (the model's own)",
    )
    parser.add_argument(
        "--probability",
        type=Path,
        metavar="FILE",
        help="also write the probability behind the mask, 0 to 255, as .nrrd that lies on the CT",
    )
    parser.add_argument(
        "--into",
        type=Path,
        metavar="MASK",
        help="put the slices looked at into this earlier mask: its other slices stay, and those a person drew",
    )
    parser.add_argument(
        "--mine",
        type=slice_list,
        metavar="A,B,...",
        help="slices of MASK that a person drew (default: those its .seg.nrrd names)",
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> None:
    """Segment, write, and say what was found."""
    from ..cascade.load import load_model
    from ..cascade.result import describe_segment, sentence, summarise
    from ..images.masks.structure import Structure
    from ..images.probability import check_probability_file, following
    from ..images.read import read_volume
    from ..images.volume import check_ct
    from ..images.write import check_outputs, mask_format, write_structure
    from ..model.bundle import read_bundle
    from ..system.progress import progress_bar

    bundle = read_bundle(arguments.model)
    for path in arguments.output:
        # A mistyped suffix and a missing package are said at once, not after reading the CT.
        mask_format(path)[1].check_installed(path)
    region = region_of(arguments.box)
    volume = read_volume(arguments.ct, series=arguments.series)
    check_ct(volume)  # an unsuitable one is said before PyTorch is imported
    earlier = Earlier.read(arguments.into, arguments.mine, volume)
    kept = [] if earlier is None else [earlier.path]
    check_outputs(arguments.output, volume, kept)
    inputs = [Path(volume.source), *volume.dicom_files, *kept]
    check_json(arguments, inputs)
    if arguments.probability is not None:
        check_probability_file(arguments.probability)
        check_apart(arguments.probability, [*arguments.output, *json_file(arguments)], inputs, "--probability")
    model = load_model(bundle, device=arguments.device, precision=arguments.precision)
    with progress_bar() as progress:
        result = model.segment(
            volume,
            progress=progress,
            slices=arguments.slices,
            threshold=arguments.threshold,
            region=region,
            mask_threshold=arguments.mask_threshold,
        )
    if earlier is not None:
        result = earlier.with_run(result, volume, arguments.slices)
    record = summarise(result, volume, bundle)
    segment = describe_segment(bundle, record)
    if earlier is not None:
        segment = earlier.tagged(segment)
    algorithm = "AUTOMATIC" if earlier is None else "SEMIAUTOMATIC"
    structure = Structure(result.mask, segment, algorithm, contours=arguments.contours)
    structure = following(structure, result.probability, arguments.mask_threshold)
    for path in arguments.output:
        write_structure(structure, volume, path, checked=True)
    if arguments.probability is not None and result.probability is not None:
        result.probability.write(arguments.probability, volume)
    _note(arguments, record)
    tell(arguments, record, sentence(record))


def _note(arguments: argparse.Namespace, record: ResultRecord) -> None:
    """Add the run to the audit trail of the folder that the result goes to."""
    from ..report.record.audit import RUN, append, trail_for
    from ..report.record.figures import run_figures

    files = [path.name for path in arguments.output]
    append(trail_for(arguments.output[0]), RUN, {"files": files, **run_figures(record)})
