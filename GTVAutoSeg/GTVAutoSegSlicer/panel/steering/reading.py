"""What is known about the outline that is steered, read from the scene once and shown in several places."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from slicer.i18n import tr as _

from GTVAutoSegLib.errors import GTVAutoSegError
from GTVAutoSegLib.images.masks.stored import Box
from GTVAutoSegLib.images.placement import voxels_ml
from GTVAutoSegLib.images.volume import Volume

from ...scene.files import is_grey, volume_of
from ...scene.steering.evidence import Evidence
from ...scene.steering.mine import areas
from ...scene.steering.steps import mine_of_segment, segment_box
from .strip_picture import Strip


@dataclass(frozen=True)
class Reading:
    """An outline on a CT.

    Attributes:
        volume: the CT; None without one.
        box: the voxels of the segment; None without a segment that lies on the CT.
        mine: slices that are a person's.
        evidence: what the last run has kept.
        area: voxels outlined on each slice.
        problem: why a segment cannot be steered, or "".
    """

    volume: Volume | None = None
    box: Box | None = field(default=None, repr=False)
    mine: tuple[int, ...] = ()
    evidence: Evidence = field(default_factory=Evidence)
    area: tuple[int, ...] = ()
    problem: str = ""

    @classmethod
    def of(cls, node: Any, segment_id: str, ct: Any) -> Reading:
        """Read a segment; without a CT nothing is known."""
        if not is_grey(ct):
            return cls()
        volume = volume_of(ct)
        empty = cls(volume, area=(0,) * volume.array.shape[volume.axial.axes[0]])
        segment = node.GetSegmentation().GetSegment(segment_id) if node is not None and segment_id else None
        if segment is None:
            return empty
        try:
            box = segment_box(node, segment_id, ct)
        except GTVAutoSegError as error:
            return replace(empty, problem=str(error))
        mine = mine_of_segment(node, segment_id, ct, box)
        area = tuple(areas(box, volume).tolist())
        return replace(empty, box=box, mine=mine, evidence=Evidence.of(segment), area=area)

    @property
    def ml(self) -> float:
        """Volume of the outline, mL."""
        return voxels_ml(sum(self.area), self.volume) if self.volume is not None else 0.0

    @property
    def drawn(self) -> tuple[int, ...]:
        """The slices that are a person's and show tumour."""
        return tuple(index for index in self.mine if self.area[index])

    def strip(self, ends: tuple[int | None, int | None], found: tuple[int, int] | None, shown: int | None) -> Strip:
        """The slice strip.

        Args:
            ends: the ends a person has named, None for one that nobody has.
            found: the ends that were found; None takes those of the CT.
            shown: the slice shown.
        """
        count = len(self.area)
        if not count:
            return Strip()
        others = found or (0, count - 1)
        first, last = (min(other if end is None else end, count - 1) for end, other in zip(ends, others))
        known = self.evidence.slice_probability
        return Strip(
            count,
            probability=known if len(known) == count else (),
            area=self.area,
            mine=self.mine,
            looked_at=self.evidence.looked_at,
            ends=(min(first, last), max(first, last)),
            given=(ends[0] is not None, ends[1] is not None),
            shown=shown,
        )

    def describe(self, strip: Strip) -> str:
        """What is known of the slice shown."""
        if self.problem or self.volume is None:
            return self.problem
        shown = strip.shown
        if shown is None:
            return _("The axial view shows no slice of this CT.")
        parts = [_("Slice {index} of {count}").format(index=shown, count=strip.count)]
        if strip.probability and not np.isnan(strip.probability[shown]):
            parts.append(_("probability {value:.2f}").format(value=strip.probability[shown]))
        y, x = (self.volume.spacing[2 - axis] for axis in self.volume.axial.axes[1:])
        area = self.area[shown] * y * x / 100
        parts.append(_("{area:.1f} cm\u00b2").format(area=area) if area else _("not outlined"))
        if shown in strip.mine:
            parts.append(_("mine"))
        return " \u00b7 ".join(parts)
