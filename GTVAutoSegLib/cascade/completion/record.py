"""What a completion found, in plain values for JSON, and as a sentence."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...images.segment_info import SegmentInfo
from ...images.volume import Volume
from ...system import tags
from ...system.names import counted, span
from ..result import MaskRecord, ModelRecord, measured
from .complete import COMPLETER, Completion


@dataclass(frozen=True)
class CompletionRecord(MaskRecord):
    """A completion in plain values; the fields, which are as in `Completion`, are the keys in JSON."""

    drawn: tuple[int, ...]
    first: int
    last: int
    found: tuple[str, ...]
    method: str
    completer: ModelRecord | None

    @property
    def sentence(self) -> str:
        """What was completed, in one line."""
        how = "by the completer" if self.method == COMPLETER else "by shape interpolation"
        found = {0: "", 1: "; the {} one was found, check it", 2: "; both ends were found, check them"}[len(self.found)]
        return (
            f"Completed from {counted(len(self.drawn), 'drawn slice')} {how}: {self.volume_ml:.1f} mL on "
            f"{span(range(self.first, self.last + 1))}{found.format(*self.found)}"
        )


def summarise_completion(result: Completion, volume: Volume) -> CompletionRecord:
    """Measure a completion on its CT."""
    return CompletionRecord(
        **measured(result.mask, volume, result.warnings, result.timings),
        drawn=result.drawn,
        first=result.first,
        last=result.last,
        found=result.found,
        method=result.method,
        completer=None if result.completer is None else ModelRecord(**result.completer),
    )


def completed_segment(result: Completion, drawn: SegmentInfo | None = None) -> SegmentInfo:
    """The segment that a completion makes: called and shown as what was drawn, whose slices are a person's."""
    origin = {tags.MINE_TAG: tags.mine_text(result.drawn), tags.COMPLETION_TAG: result.method}
    if result.completer is not None:
        origin[tags.COMPLETER_TAG] = f"{result.completer['id']} {result.completer['version']}"
        origin[tags.COMPLETER_DIGEST_TAG] = result.completer["digest"]
    return replace(drawn or SegmentInfo(), tags=origin)
