"""What a completion found, in plain values for JSON, and as a sentence."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...images.placement import extent_mm, tumour_slices, volume_ml
from ...images.segment_info import SegmentInfo
from ...images.volume import Volume
from ...system import tags
from ...system.settings import as_json
from ..result import InputRecord, ModelRecord, versions
from .complete import COMPLETER, Completion


@dataclass(frozen=True)
class CompletionRecord:
    """A completion in plain values; the fields are the keys in JSON. Slices are counted as in `Completion`.

    Attributes:
        input: the CT.
        volume_ml: volume, mL.
        tumour_slices: slices with tumour.
        extent_mm: the tumour's size along the axial x, y and z axes, mm.
        drawn: the drawn slices.
        first: first slice of the completed range.
        last: its last one.
        found: which of "first" and "last" were not named and had to be found.
        method: "completer" or "interpolation".
        completer: the network; None without one.
        warnings: sentences for the user.
        mask_sha256: of the mask's bytes (z, y, x).
        timings: seconds by step, "total" among them.
        versions: of the software, by name.
    """

    input: InputRecord
    volume_ml: float
    tumour_slices: tuple[int, ...]
    extent_mm: tuple[float, ...]
    drawn: tuple[int, ...]
    first: int
    last: int
    found: tuple[str, ...]
    method: str
    completer: ModelRecord | None
    warnings: tuple[str, ...]
    mask_sha256: str
    timings: dict[str, float]
    versions: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """The record as JSON-ready values."""
        content: dict[str, Any] = as_json(self)
        return content

    @property
    def sentence(self) -> str:
        """What was completed, in one line."""
        slices = "1 drawn slice" if len(self.drawn) == 1 else f"{len(self.drawn)} drawn slices"
        how = "by the completer" if self.method == COMPLETER else "by shape interpolation"
        count = self.last - self.first + 1
        found = {0: "", 1: "; the {} one was found, check it", 2: "; both ends were found, check them"}[len(self.found)]
        return (
            f"Completed from {slices} {how}: {self.volume_ml:.1f} mL on {count} slices ({self.first} to {self.last})"
            f"{found.format(*self.found)}"
        )


def summarise_completion(result: Completion, volume: Volume) -> CompletionRecord:
    """Measure a completion on its CT."""
    return CompletionRecord(
        input=InputRecord(volume.source, volume.array.shape[::-1], tuple(volume.spacing)),
        volume_ml=volume_ml(result.mask, volume),
        tumour_slices=tuple(np.flatnonzero(tumour_slices(result.mask, volume)).tolist()),
        extent_mm=tuple(extent_mm(result.mask, volume)),
        drawn=result.drawn,
        first=result.first,
        last=result.last,
        found=result.found,
        method=result.method,
        completer=None if result.completer is None else ModelRecord(**result.completer),
        warnings=result.warnings,
        mask_sha256=hashlib.sha256(np.ascontiguousarray(result.mask).data).hexdigest(),
        timings={step: round(seconds, 4) for step, seconds in result.timings.items()},
        versions=versions(),
    )


def completed_segment(result: Completion, drawn: SegmentInfo | None = None) -> SegmentInfo:
    """The segment that a completion makes: called and shown as what was drawn, whose slices are a person's."""
    origin = {tags.MINE_TAG: tags.mine_text(result.drawn), tags.COMPLETION_TAG: result.method}
    if result.completer is not None:
        origin[tags.COMPLETER_TAG] = f"{result.completer['id']} {result.completer['version']}"
        origin[tags.COMPLETER_DIGEST_TAG] = result.completer["digest"]
    return replace(drawn or SegmentInfo(), tags=origin)
