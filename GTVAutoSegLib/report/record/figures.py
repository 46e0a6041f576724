"""What records of an audit trail tell of an outline, under the same names whoever writes them; `report.drift` reads it.

A record of a person's work (edit, approval, export) stands alone: it says what had been proposed, by which model, on a
CT of which scanner, and what became of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import InputError
from ...images.masks.files import read_structures, voxels_of
from ...images.masks.structure import Structure, mask_sha256
from ...images.placement import volume_ml
from ...images.volume import Volume
from ...system import tags as names
from .edits import Edit, edit_of

if TYPE_CHECKING:
    from ...cascade.result import ModelRecord, ResultRecord


def model_figures(model: ModelRecord | None) -> dict[str, Any]:
    """What had proposed the outline."""
    return {} if model is None else {"model": model.id, "version": model.version, "digest": model.digest}


def run_figures(result: ResultRecord) -> dict[str, Any]:
    """What a run found."""
    return {
        **model_figures(result.model),
        "threshold": result.threshold,
        "scanner": result.input.scanner,
        "volume_ml": round(result.volume_ml, 4),
        "mask_sha256": result.mask_sha256,
    }


def edit_figures(edit: Edit | None, unchanged_ml: float) -> dict[str, Any]:
    """What a person changed of an outline; an edit of None left it as it was, of ``unchanged_ml``."""
    return {
        "added_path_length_mm": edit.added_path_length_mm if edit else 0.0,
        "volume_before_ml": round(edit.volume_before_ml if edit else unchanged_ml, 4),
        "volume_after_ml": round(edit.volume_after_ml if edit else unchanged_ml, 4),
        "slices_changed": len(edit.slices) if edit else 0,
    }


def origin_figures(tags: Mapping[str, str]) -> dict[str, Any]:
    """What a segment's tags tell of the model that had proposed it; {} of one that none has."""
    if not tags.get(names.MODEL_TAG) or not tags.get(names.MASK_TAG):
        return {}
    wanted = ("model", "version", "digest", "proposed_sha256")
    return {key: tags.get(name, "") for key, name in zip(wanted, (*names.ORIGIN_TAGS, names.MASK_TAG))}


def region_figures(structure: Structure, volume: Volume, edit: Edit | None) -> dict[str, Any]:
    """A region that left for another system: who had proposed it, and what a person made of it, as far as is known.

    Args:
        structure: the region.
        volume: its CT.
        edit: from `edits.edit_of`.
    """
    found = {"name": structure.segment.name, "mask_sha256": mask_sha256(structure.mask)}
    found |= {"reviewer": structure.review.reviewer} if structure.review else {}
    origin = origin_figures(structure.segment.tags)
    if origin and (edit is not None or structure.algorithm == "AUTOMATIC"):
        origin |= edit_figures(edit, volume_ml(structure.mask, volume))
    return {**found, **origin}


def file_figures(path: Path) -> dict[str, Any]:
    """The same of a mask's file that holds one region of a model, which no CT is needed for; {} of any other."""
    try:
        grid = voxels_of(path)[0]
        found = [one for one in read_structures(path, grid, empty=True) if origin_figures(one.segment.tags)]
    except InputError:
        return {}
    return region_figures(found[0], grid, edit_of(found[0], grid)) if len(found) == 1 else {}
