"""``gtvautoseg rtstruct``: masks of any origin to a DICOM structure set or a DICOM segmentation."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ..errors import InputError
from ..images.masks.structure import ALGORITHMS
from ..system.names import counted
from .options import add_contours

if TYPE_CHECKING:
    from ..images.masks.structure import Structure
    from ..images.volume import Volume
    from ..report.record.edits import Edit

SEG_SUFFIX = ".seg.dcm"

T = TypeVar("T")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("ct", metavar="CT", type=Path, help="folder with the DICOM series the masks belong to")
    parser.add_argument(
        "masks",
        metavar="MASK",
        nargs="+",
        type=Path,
        help=".nii, .nii.gz, .nrrd, .nhdr, .mha, .mhd, or .seg.nrrd with one or several segments, on the CT's grid",
    )
    parser.add_argument(
        "--output", required=True, type=Path, help="file to write: .dcm (RTSTRUCT) or .seg.dcm (DICOM SEG)"
    )
    parser.add_argument(
        "--add-to",
        type=Path,
        metavar="RS.dcm",
        help="a structure set of this CT; the output then holds its regions, as they are, and the new ones",
    )
    parser.add_argument("--series", metavar="UID", help="which series, when the folder holds several")
    parser.add_argument(
        "--name", nargs="+", action="extend", metavar="NAME", help="of the region; one for each of several"
    )
    parser.add_argument(
        "--type",
        nargs="+",
        action="extend",
        metavar="TYPE",
        type=str.upper,
        help="RT ROI Interpreted Type: GTV, CTV, PTV, ORGAN, EXTERNAL, AVOIDANCE, ...; by default what name and "
        "segment say",
    )
    parser.add_argument(
        "--color", nargs="+", action="extend", metavar="COLOR", type=color, help="#RRGGBB or R,G,B from 0 to 255"
    )
    parser.add_argument(
        "--label",
        nargs="+",
        action="extend",
        metavar="1=NAME",
        type=label,
        help="the labels of a label map that are wanted, and their names; of a .seg.nrrd also by the segment's name",
    )
    parser.add_argument(
        "--algorithm",
        choices=[one for one in ALGORITHMS if one],
        help="who drew it; by default what a result of a model tells, otherwise left empty",
    )
    add_contours(parser)
    parser.add_argument("--allow-overlap", action="store_true", help="also where two regions of one type share voxels")


def run(arguments: argparse.Namespace) -> None:
    """Read, check, write, and say what was written."""
    from ..images.dicom.segmentation import make_dicom_seg
    from ..images.dicom.source import read_source
    from ..images.dicom.structures.writer import check_not_base, write_rtstruct
    from ..images.read import read_volume
    from ..images.write import check_outputs
    from ..report.record.edits import edit_of
    from ..system.files import whole_file

    is_seg = _is_seg(arguments)
    volume = read_volume(arguments.ct, series=arguments.series)
    check_outputs([arguments.output], volume)
    check_not_base(arguments.output, arguments.add_to)
    structures = read_all(arguments, volume)
    if is_seg:
        data = make_dicom_seg(structures, read_source(volume, arguments.output))
        with whole_file(arguments.output) as temporary:
            data.save_as(temporary, enforce_file_format=True)
    else:
        write_rtstruct(structures, volume, arguments.output, base=arguments.add_to, checked=True)
    edits = [edit_of(one, volume) for one in structures]
    _say(arguments, structures, volume, edits)
    _note(arguments, structures, volume, edits)


def _note(
    arguments: argparse.Namespace, structures: list[Structure], volume: Volume, edits: Sequence[Edit | None]
) -> None:
    """Add the export to the audit trail of the folder it goes to or comes from, where there is one."""
    from ..images.dicom.scanner import scanner_of
    from ..report.record.audit import EXPORT, append, trail_of
    from ..report.record.figures import region_figures

    trail = next((one for path in (arguments.output, *arguments.masks) if (one := trail_of(path))), None)
    if trail is not None:
        regions = [region_figures(one, volume, edit) for one, edit in zip(structures, edits)]
        append(trail, EXPORT, {"file": arguments.output.name, "scanner": scanner_of(volume), "regions": regions})


def _is_seg(arguments: argparse.Namespace) -> bool:
    from ..images.write import mask_format

    suffix, chosen = mask_format(arguments.output)
    if not chosen.needs_dicom:
        raise InputError(f"{arguments.output} ends in {suffix}; expected .dcm (RTSTRUCT) or .seg.dcm (DICOM SEG)")
    if suffix == SEG_SUFFIX and arguments.add_to is not None:
        raise InputError(f"--add-to adds to an RTSTRUCT, and {arguments.output} is a DICOM SEG; expected a .dcm")
    chosen.check_installed(arguments.output)
    return suffix == SEG_SUFFIX


def read_all(arguments: argparse.Namespace, volume: Volume) -> list[Structure]:
    """The regions of all masks, called, typed and coloured as asked for, after the checks of a planning system."""
    from ..batch.approving import approval_of
    from ..images.dicom.structures.writer import check_name
    from ..images.masks.files import read_structures
    from ..images.probability import following_tags

    labels = _labels(arguments)
    found = []
    for path in arguments.masks:
        structures = [following_tags(one, one.segment.tags) for one in read_structures(path, volume, labels)]
        approval, lapsed = approval_of(path)
        if lapsed:
            print(f"warning: {lapsed}", file=sys.stderr)
        found += [replace(one, review=approval.review if approval else one.review) for one in structures]
    described = [_described(arguments, number, one, len(found)) for number, one in enumerate(found)]
    for one in described:
        check_name(one.segment.name)
    _check_apart(described, arguments.allow_overlap)
    return described


def _labels(arguments: argparse.Namespace) -> dict[str, str] | None:
    if arguments.label is None:
        return None
    if len(arguments.masks) > 1:
        raise InputError("--label names the labels of one mask, and several are given; expected one mask")
    if arguments.name is not None:
        raise InputError("--label and --name both say what regions are called; expected one of them")
    return dict(arguments.label)


def _described(arguments: argparse.Namespace, number: int, structure: Structure, count: int) -> Structure:
    from ..images.masks.terms import TYPES, describe, kind_of

    name = _nth(arguments.name, number, count, "--name")
    kind = _nth(arguments.type, number, count, "--type")
    shown = _nth(arguments.color, number, count, "--color")
    if kind is not None and kind not in TYPES:
        raise InputError(f"--type is '{kind}'; expected one of {', '.join(TYPES)}")
    segment = structure.segment
    if name is not None or kind is not None:
        given = describe(name or segment.name, kind or "", segment.color if name is None else None, number)
        segment = replace(given, tags=segment.tags)
    if shown is not None:
        segment = replace(segment, color=shown)
    return replace(
        structure,
        segment=segment,
        interpreted_type=kind or kind_of(segment.terminology),
        algorithm=arguments.algorithm or structure.algorithm,
        contours=arguments.contours,
    )


def _nth(values: Sequence[T] | None, number: int, count: int, option: str) -> T | None:
    """The value of an option for one of several regions: its own, or the only one there is."""
    if values is None:
        return None
    if len(values) == count:
        return values[number]
    if len(values) == 1 and option != "--name":
        return values[0]
    raise InputError(f"{option} is given {len(values)} times for {count} regions; expected one for each")


def _check_apart(structures: list[Structure], allowed: bool) -> None:
    """Raise InputError where names are given twice, or regions of one type overlap without leave."""
    from itertools import combinations

    import numpy as np

    for one, other in combinations(structures, 2):
        if one.segment.name == other.segment.name:
            raise InputError(f"two regions are called '{one.segment.name}'; expected names of their own, see --name")
        shared = int(np.count_nonzero((one.mask > 0) & (other.mask > 0)))
        if shared and one.interpreted_type == other.interpreted_type and not allowed:
            raise InputError(
                f"'{one.segment.name}' and '{other.segment.name}' share {counted(shared, 'voxel')}; expected regions "
                "of one type apart from each other, so erase them from one, or add --allow-overlap"
            )


def label(text: str) -> tuple[str, str]:
    """Parse ``1=GTVp``."""
    key, equals, name = text.partition("=")
    if not (key.strip() and equals and name.strip()):
        raise argparse.ArgumentTypeError(f"'{text}' does not name a label, expected for instance 1=GTVp")
    return key.strip(), name.strip()


def color(text: str) -> tuple[float, float, float]:
    """Parse ``#RRGGBB`` or ``R,G,B``; each part of the result is from 0 to 1."""
    parts: list[int] = []
    if match := re.fullmatch(r"#?([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})", text):
        parts = [int(part, 16) for part in match.groups()]
    elif re.fullmatch(r"\d{1,3}(,\d{1,3}){2}", text):
        parts = [int(part) for part in text.split(",")]
    if not parts or max(parts) > 255:
        raise argparse.ArgumentTypeError(f"'{text}' is not a colour, expected #RRGGBB or R,G,B from 0 to 255")
    red, green, blue = (part / 255 for part in parts)
    return red, green, blue


def _say(
    arguments: argparse.Namespace, structures: list[Structure], volume: Volume, edits: Sequence[Edit | None]
) -> None:
    import numpy as np

    from ..images.dicom.rtstruct import read_structure_set
    from ..images.placement import tumour_slices, volume_ml
    from ..report.record.edits import describe_edit

    rois = [] if arguments.output.name.lower().endswith(SEG_SUFFIX) else list(read_structure_set(arguments.output).rois)
    kept = rois[: len(rois) - len(structures)]
    names = [roi.name for roi in rois[len(kept) :]] or [one.segment.name for one in structures]
    for one, name, edit in zip(structures, names, edits):
        count = int(np.count_nonzero(tumour_slices(one.mask, volume)))
        taken = f" (called so because {one.segment.name} is there already)" if name != one.segment.name else ""
        how = f", {one.algorithm}" if one.algorithm else ""
        changed = f"; {describe_edit(edit)}" if edit else ""
        print(f"{name}{taken}: {volume_ml(one.mask, volume):.2f} mL on {counted(count, 'slice')}{how}{changed}")
    if kept:
        print(f"kept as they are: {', '.join(roi.name for roi in kept)}")
    size = arguments.output.stat().st_size / 1024
    points = sum(len(contour) for roi in rois[len(kept) :] for contour in roi.contours)
    checked = f"{points} contour points, read back voxel for voxel; {_approval(arguments.output)}; " if rois else ""
    print(f"written: {arguments.output} ({checked}{size:.0f} kB)")


def _approval(path: Path) -> str:
    """What a structure set says of its approval."""
    from ..images.dicom.dataset import open_dataset, reading

    with reading(path):
        data = open_dataset(path, ["ApprovalStatus", "ReviewerName"])
        status = "" if data is None else str(data.get("ApprovalStatus", ""))
        return f"{status} by {data.ReviewerName}" if data is not None and data.get("ReviewerName") else status
