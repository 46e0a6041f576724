"""``gtvautoseg collect``: a corrected outline and its CT become a case of a data set to train on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..options import add_ct

if TYPE_CHECKING:
    from ...images.masks.structure import Structure
    from ...images.volume import Volume
    from ...training.data.collected.case import Provenance


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_ct(parser)
    parser.add_argument("mask", metavar="MASK", type=Path, help="approved outline on the CT's grid")
    parser.add_argument("dataset", metavar="DATASET", type=Path, help="folder of the data set, made if need be")
    parser.add_argument("--region", metavar="NAME", help="which segment, where MASK holds several")
    parser.add_argument("--accept", action="store_true", help="take the outline although nobody has approved it")
    parser.epilog = (
        "Of the patient, voxels, geometry and hashes are kept; no name, number, date or UID. The region's name, who "
        "approved it, who collected it and when are kept as well. A face can still be seen on a CT of the head. A CT "
        "is taken once: a newer outline of it replaces the older one, which is kept in DATASET/.earlier."
    )


def run(arguments: argparse.Namespace) -> None:
    """Collect the case, and say what became of it."""
    from ...errors import InputError
    from ...images.masks.files import read_structures
    from ...images.read import read_volume
    from ...training.data.collected.collect import collect

    volume = read_volume(arguments.ct, series=arguments.series)
    wanted = None if arguments.region is None else {arguments.region: arguments.region}
    structures = read_structures(arguments.mask, volume, wanted, empty=True)
    if len(structures) != 1:
        names = ", ".join(one.segment.name for one in structures)
        raise InputError(f"{arguments.mask} holds {len(structures)} regions ({names}); say which with --region")
    origin = provenance(arguments.mask, structures[0], volume, accept=arguments.accept)
    if not structures[0].mask.any() and not origin.approved_by:
        raise InputError(
            f"{arguments.mask} is empty; expected an outline, or somebody's word that there is no tumour, so approve "
            "it with 'gtvautoseg approve'"
        )
    found = collect(volume, structures[0].mask, arguments.dataset, origin)
    said = {
        "added": "added",
        "replaced": f"replaces an earlier outline, which is kept in {arguments.dataset / '.earlier'}",
        "there": "was there already, with the same outline",
    }
    print(f"{found.folder}: {said[found.what]}")


def provenance(path: Path, structure: Structure, volume: Volume, *, accept: bool) -> Provenance:
    """What is known of an outline: from the folder of a batch's case that it lies in, its tags, and its approval.

    Raises:
        InputError: nobody has approved it, and ``accept`` is not given.
    """
    from ...batch.approving import approval_of
    from ...batch.earlier import record_beside
    from ...cascade.result import ModelRecord
    from ...errors import InputError
    from ...images.masks.files import SEGMENTATION
    from ...images.masks.structure import mask_sha256
    from ...system import tags
    from ...training.data.collected.case import EditFigures, Provenance
    from ...training.data.collected.request import edited_since

    approval, lapsed = approval_of(path)
    if approval is None and not accept:
        why = lapsed or f"nobody has approved {path}"
        raise InputError(f"{why}; approve it with 'gtvautoseg approve', or add --accept to take it as it is")
    own = structure.segment.tags
    model, edited = None, None
    if own.get(tags.MODEL_TAG):
        edited = edited_since(own.get(tags.AUTOMATIC_TAG, ""), structure.mask, volume)
        model = ModelRecord(own[tags.MODEL_TAG], own.get(tags.VERSION_TAG, ""), own.get(tags.DIGEST_TAG, ""))
    record = record_beside(path)
    # Figures of another outline than this one would be worse than none.
    if record is not None and record.current.result.mask_sha256 == mask_sha256(structure.mask):
        model = record.result.model
        if record.correction is not None:
            edited = EditFigures.of(record.correction.edit)
    return Provenance(
        # A label map's region is called after its file, and many a file is called after the patient.
        region=structure.segment.name if path.name.lower().endswith(SEGMENTATION) else "",
        model=model,
        edited=edited,
        approved_by=approval.reviewer if approval is not None else "",
        approved_at=approval.at if approval is not None else "",
    )
