"""Which segments of a segmentation can leave in a structure set, and as what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import slicer

from GTVAutoSegLib.images.masks.terms import kind_of, meaning

from ..ownership import our_segments, tag


@dataclass(frozen=True)
class Choice:
    """A segment that is to be exported.

    Attributes:
        segment_id: which.
        name: of the region of interest; "" keeps the segment's own.
        kind: RT ROI Interpreted Type, such as GTV; "" takes what segment and name say.
    """

    segment_id: str
    name: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Candidate:
    """A segment that can be exported.

    Attributes:
        segment_id: which.
        name: as the segment is called.
        kind: RT ROI Interpreted Type that its terminology or its name says, or "".
        color: (red, green, blue), each 0 to 1.
        ours: whether it is the last result of one of our runs, or the command line's.
    """

    segment_id: str
    name: str
    kind: str
    color: tuple[float, float, float]
    ours: bool


def candidates(node: Any) -> tuple[Candidate, ...]:
    """The visible segments of a segmentation, in its order."""
    if node is None:
        return ()
    segmentation, display = node.GetSegmentation(), node.GetDisplayNode()
    ours = set(our_segments(node).values())
    ids = [i for i in segmentation.GetSegmentIDs() if display is None or display.GetSegmentVisibility(i)]
    return tuple(_candidate(segmentation.GetSegment(i), i, i in ours) for i in ids)


def _candidate(segment: Any, segment_id: str, ours: bool) -> Candidate:
    name = segment.GetName() or segment_id
    terminology = tag(segment, slicer.vtkSegment.GetTerminologyEntryTagName())
    kind = kind_of(terminology) or kind_of(meaning(name)[0])
    return Candidate(segment_id, name=name, kind=kind, color=tuple(segment.GetColor()), ours=ours)
