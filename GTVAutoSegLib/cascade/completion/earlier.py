"""An earlier mask that a run on some slices is put into, and the slices of it that a person drew."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import InputError
from ...system.tags import MINE_TAG, mine_text

if TYPE_CHECKING:
    import numpy as np

    from ...images.segment_info import SegmentInfo
    from ...images.volume import Volume
    from ..result import CascadeResult


@dataclass(frozen=True)
class Earlier:
    """What was there before a run.

    Attributes:
        path: of its file.
        mask: bool (z, y, x) on the CT's grid.
        mine: slices that a person drew.
    """

    path: Path
    mask: np.ndarray
    mine: tuple[int, ...]

    @classmethod
    def read(cls, path: Path | None, mine: tuple[int, ...] | None, volume: Volume) -> Earlier | None:
        """Read the file of an option ``--into``; None where it was not given.

        Raises:
            InputError: it is no mask on the CT's grid, or there are a person's slices and no file, or slices that are
                not in the CT.
        """
        from ...images.masks.single import read_single
        from .merge import merge

        if path is None:
            if mine is not None:
                raise InputError("--mine was given without --into; expected the mask that the slices were drawn in")
            return None
        found = read_single(path, volume)
        mask, mine = found.mask, found.mine if mine is None else mine
        merge(mask, mask, volume, mine=mine)  # slices that do not exist are said before the run
        return cls(path, mask, mine)

    def with_run(self, result: CascadeResult, volume: Volume, slices: range | None) -> CascadeResult:
        """A run's result with everything of before that it was not to change."""
        from ...images.placement import range_warnings
        from .merge import merge

        mask = merge(self.mask, result.mask, volume, slices=slices, mine=self.mine)
        alone = range_warnings(result.mask, volume, slices)  # an end beside which the mask goes on is none
        warnings = [text for text in result.warnings if text not in alone] + range_warnings(mask, volume, slices)
        return replace(result, mask=mask, reason="" if mask.any() else result.reason, warnings=tuple(warnings))

    def tagged(self, segment: SegmentInfo) -> SegmentInfo:
        """A segment that says which of its slices a person drew."""
        return replace(segment, tags={**segment.tags, MINE_TAG: mine_text(self.mine)}) if self.mine else segment
