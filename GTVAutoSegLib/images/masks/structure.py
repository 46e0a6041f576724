"""A region of interest on its way to another system: its voxels, what it is called, and who made it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from ..segment_info import SegmentInfo

if TYPE_CHECKING:  # the options of commands are declared with this module, and --help waits for nothing
    import numpy as np

# ROI Generation Algorithm (3006,0036), PS3.3 C.8.8.5; "" where nobody knows.
ALGORITHMS = ("AUTOMATIC", "SEMIAUTOMATIC", "MANUAL", "")
# How outlines are drawn, see `dicom.outline.tracing`.
SMOOTH, PIXEL = "smooth", "pixel"
CONTOURS = (SMOOTH, PIXEL)


@dataclass(frozen=True)
class Review:
    """A qualified person's approval of a region as it is.

    Attributes:
        reviewer: the person's name.
        at: when.
    """

    reviewer: str
    at: datetime


@dataclass(frozen=True)
class Structure:
    """A region of interest.

    Attributes:
        mask: (z, y, x), 0 or 1, on the grid of its CT in storage order; an empty one gives a region without contours.
        segment: name (at most 16 characters), colour, meaning and model.
        algorithm: AUTOMATIC, SEMIAUTOMATIC once a person has edited it, MANUAL, or "" where nobody knows.
        interpreted_type: RT ROI Interpreted Type (PS3.3 C.8.8.8.1) such as GTV; "" takes what the segment's code says.
        probability: (z, y, x): smooth outlines follow its level ``threshold`` on slices where the mask does.
        threshold: of the probability, in its unit.
        contours: "smooth", or "pixel" for outlines midway between pixel centres.
        review: who has approved it; None for nobody.
    """

    mask: np.ndarray = field(repr=False)
    segment: SegmentInfo = field(default_factory=SegmentInfo)
    algorithm: str = "AUTOMATIC"
    interpreted_type: str = ""
    probability: np.ndarray | None = field(default=None, repr=False)
    threshold: float = 0.5
    contours: str = SMOOTH
    review: Review | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for a word that is none of those above."""
        if self.algorithm not in ALGORITHMS:
            raise ValueError(f"the algorithm is {self.algorithm}, expected one of {', '.join(ALGORITHMS)} or none")
        if self.contours not in CONTOURS:
            raise ValueError(f"contours are '{self.contours}', expected one of {', '.join(CONTOURS)}")


def mask_sha256(mask: np.ndarray) -> str:
    """SHA-256 of a mask's bytes, uint8 (z, y, x), 0 or 1, in storage order; results and approvals are known by it."""
    import numpy as np

    return hashlib.sha256(np.ascontiguousarray(mask, np.uint8).data).hexdigest()
