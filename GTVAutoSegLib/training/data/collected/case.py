"""What is kept of a collected case beside image and label: where its outline comes from, and who answers for it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ....cascade.result import ModelRecord
from ....errors import InputError
from ....report.record.edits import Edit
from ....system.json_text import read_json
from ....system.settings import parse_settings

RECORD = "collect.json"


@dataclass(frozen=True)
class EditFigures:
    """How much a person changed of what a model proposed; see `report.record.edits.Edit`."""

    added_path_length_mm: float
    dsc: float
    volume_before_ml: float
    volume_after_ml: float
    slices: int

    @classmethod
    def of(cls, edit: Edit) -> EditFigures:
        """The figures of an edit, without its single slices."""
        return cls(
            added_path_length_mm=edit.added_path_length_mm,
            dsc=edit.dsc,
            volume_before_ml=edit.volume_before_ml,
            volume_after_ml=edit.volume_after_ml,
            slices=len(edit.slices),
        )


@dataclass(frozen=True)
class Provenance:
    """Where an outline comes from.

    Attributes:
        region: its name; "" where its file names none.
        model: that proposed it; None where none did.
        edited: None where nobody knows.
        approved_by: the qualified person; "" where the outline was accepted without an approval.
        approved_at: ISO 8601; "" without an approval.
    """

    region: str
    model: ModelRecord | None = None
    edited: EditFigures | None = None
    approved_by: str = ""
    approved_at: str = ""


@dataclass(frozen=True)
class CollectedCase:
    """What is kept of a case beside image and label.

    Attributes:
        patient: a pseudonym; "" where the CT names no patient.
        ct_sha256: of its voxels and geometry.
        mask_sha256: of the outline's bytes (z, y, x).
        provenance: of the outline.
        collected_by: login.
        collected_at: ISO 8601.
        earlier: how many outlines of the same CT it has replaced; they lie in ``.earlier``.
    """

    patient: str
    ct_sha256: str
    mask_sha256: str
    provenance: Provenance
    collected_by: str
    collected_at: str
    earlier: int = 0


def read_collected(dataset: Path) -> dict[str, CollectedCase]:
    """The records of a data set's collected cases, by name of the case; those of others are not among them.

    Raises:
        InputError: one is damaged.
    """
    found = {}
    for path in (folder / RECORD for folder in sorted(dataset.glob("[!.]*"))):
        if not os.path.lexists(path):
            continue
        try:
            found[path.parent.name] = parse_settings(CollectedCase, read_json(path), path.name, others=True)
        except (OSError, ValueError) as error:
            raise InputError(
                f"{path} is damaged ({error}); put back a copy of it, or remove the folder and collect the case again"
            ) from error
    return found
