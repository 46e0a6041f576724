"""``gtvautoseg complete``: a CT and some drawn slices in, the whole volume out."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from .options import add_ct, add_device, add_json, add_outputs, check_json, slice_list, tell

if TYPE_CHECKING:
    from ..cascade.completion.record import CompletionRecord


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_ct(parser)
    parser.add_argument(
        "drawn",
        metavar="DRAWN",
        type=Path,
        help="mask on the CT's grid with the drawn slices: .seg.nrrd, .nrrd, .nii.gz, .nii, .mha",
    )
    add_outputs(parser)
    parser.add_argument(
        "--slices",
        type=slice_list,
        metavar="A,B,...",
        help="which slices of DRAWN were drawn, from 0 (default: those its .seg.nrrd names, else all that are not "
        "empty); what is on others is done anew",
    )
    parser.add_argument("--first", type=int, metavar="N", help="the tumour's first slice (default: it is found)")
    parser.add_argument("--last", type=int, metavar="N", help="the tumour's last slice (default: it is found)")
    parser.add_argument("--model", help="id or path of a model whose classifier finds the ends, not the completer")
    parser.add_argument("--completer", type=Path, metavar="BUNDLE", help="a completer of your own, folder or .zip")
    add_device(parser)
    add_json(parser)
    parser.epilog = (
        "Drawn slices stay as they are, voxel for voxel. Without PyTorch the shapes are interpolated, and a warning "
        "says so."
    )


def run(arguments: argparse.Namespace) -> None:
    """Complete, write, and say what was made."""
    from ..cascade.completion.record import completed_segment, summarise_completion
    from ..cascade.completion.request import checked_request
    from ..cascade.completion.run import load_or_explain, run_completion
    from ..cascade.load import load_model
    from ..images.masks.single import read_single
    from ..images.masks.structure import Structure
    from ..images.read import read_volume
    from ..images.write import check_outputs, mask_format, write_structure
    from ..system.progress import progress_bar

    for path in arguments.output:
        mask_format(path)[1].check_installed(path)
    volume = read_volume(arguments.ct, series=arguments.series)
    drawn = read_single(arguments.drawn, volume)
    asked = {"drawn": arguments.slices or drawn.mine or None, "first": arguments.first, "last": arguments.last}
    checked_request(volume, drawn.mask, **asked)  # before PyTorch is imported
    check_outputs(arguments.output, volume, [arguments.drawn])
    check_json(arguments, [arguments.drawn, Path(volume.source), *volume.dicom_files])
    model = None if arguments.model is None else load_model(arguments.model, device=arguments.device)
    completer, without = load_or_explain(arguments.completer, arguments.device)
    with progress_bar() as progress:
        result = run_completion(
            volume, drawn.mask, **asked, completer=completer, without=without, model=model, progress=progress
        )
    structure = Structure(result.mask, completed_segment(result, drawn.segment), "SEMIAUTOMATIC")
    for path in arguments.output:
        write_structure(structure, volume, path)
    record = summarise_completion(result, volume)
    _note(arguments, record)
    tell(arguments, record, record.sentence)


def _note(arguments: argparse.Namespace, record: CompletionRecord) -> None:
    """Add the completion to the audit trail of the folder it goes to or comes from, or begin one."""
    from ..report.record.audit import COMPLETION, append, trail_for, trail_of

    told = record.to_json()
    kept = ("drawn", "first", "last", "found", "method", "completer", "volume_ml", "mask_sha256")
    files = [path.name for path in arguments.output]
    details = {"files": files, "scanner": record.input.scanner, **{name: told[name] for name in kept}}
    trail = next((one for path in (*arguments.output, arguments.drawn) if (one := trail_of(path))), None)
    append(trail or trail_for(arguments.output[0]), COMPLETION, details)
