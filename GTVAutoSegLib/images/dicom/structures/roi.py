"""A region of interest as a structure set has it: its contours, and how they depart from the standard."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataelem import RawDataElement

from ....errors import InputError
from ....system.names import counted
from ..dataset import reading

# Types of contours as letters only, so that spellings such as "CLOSED PLANAR" are read; PS3.3 C.8.8.6.3.
XOR = "CLOSEDPLANARXOR"
OPEN = "OPENPLANAR"
# The type that some systems give to contours which they interpolated between those that a person drew.
INTERPOLATED = "INTERPOLATEDPLANAR"
# An open contour whose ends are no further apart than this many of its usual steps is closed in fact.
USUAL_STEPS = 1.5
FEWEST_STEPS = 8
SAME_POINT_MM = 0.01


@dataclass(frozen=True)
class Roi:
    """A region of interest.

    Attributes:
        number: ROINumber, which names it within its structure set.
        name: ROIName.
        source: the file it comes from, for messages.
        items: its ContourSequence.
        frame_of_reference: ReferencedFrameOfReferenceUID, or "".
        ambiguous: why nobody can tell which contours are its own, or "".
    """

    number: int
    name: str
    source: str
    items: Sequence[pydicom.Dataset] = field(repr=False)
    frame_of_reference: str = ""
    ambiguous: str = ""

    @cached_property
    def contours(self) -> tuple[np.ndarray, ...]:
        """Its closed contours, float64 (n, 3) each, n > 2, points (x, y, z) in LPS, mm.

        Raises:
            InputError: a contour's points are not numbers in threes.
        """
        return tuple(points for points, how in self._drawn if how is not None)

    @property
    def left_out(self) -> int:
        """How many of its contours enclose nothing: points, open lines, less than three points."""
        return len(self._drawn) - len(self.contours)

    @property
    def exclusive(self) -> bool:
        """Whether the file says that contours which overlap cut each other (CLOSEDPLANAR_XOR)."""
        return any(how == XOR for _, how in self._drawn)

    @property
    def remarks(self) -> tuple[str, ...]:
        """How it departs from the standard, a sentence each."""
        texts = {
            OPEN: "called open, but ending where begun: taken as closed",
            INTERPOLATED: "interpolated by the system that wrote the file",
            "": "without a type, taken as closed",
        }
        counts = {how: sum(one == how for _, one in self._drawn) for how in texts}
        found = [f"{counted(counts[how], 'contour')} {text}" for how, text in texts.items() if counts[how]]
        if wrong := sum(_miscounted(item, len(points)) for item, (points, _) in zip(self.items, self._drawn)):
            found.append(f"{counted(wrong, 'contour')} with another number of points than NumberOfContourPoints says")
        return tuple(f"ROI '{self.name}': {text}" for text in found)

    @cached_property
    def _drawn(self) -> list[tuple[np.ndarray, str | None]]:
        """The points of each contour and its type; None for one that encloses nothing."""
        found = []
        with reading(Path(self.source), "RTSTRUCT"):
            for item in self.items:
                points = self._points(item)
                found.append((points, _type(item, points) if len(points) > 2 else None))
        return found

    @cached_property
    def instances(self) -> frozenset[str]:
        """SOPInstanceUIDs of the images its contours were drawn on, where the file says so."""
        with reading(Path(self.source), "RTSTRUCT"):
            return frozenset(
                str(image.get("ReferencedSOPInstanceUID", ""))
                for item in self.items
                for image in item.get("ContourImageSequence") or ()
            )

    def _points(self, item: pydicom.Dataset) -> np.ndarray:
        # Millions of numbers: pydicom's own decoding of each one would take minutes.
        try:
            element = item.get_item("ContourData")
            raw = element.value if isinstance(element, RawDataElement) else None
            numbers = np.array(raw.split(b"\\") if raw else item.get("ContourData") or (), dtype=np.float64)
            points = numbers.reshape(-1, 3)
        except Exception:  # what pydicom and numpy raise over bad values is of many kinds
            points = np.full((1, 3), np.nan)
        if not np.isfinite(points).all():
            raise InputError(
                f"{self.source} has a contour of ROI '{self.name}' whose points are not numbers in threes; export the "
                "structure set again"
            )
        return points


def _type(item: pydicom.Dataset, points: np.ndarray) -> str | None:
    """How a contour encloses something: XOR, OPEN, INTERPOLATED, "" without a type, else "CLOSED"; or None."""
    kind = re.sub(r"[^A-Z]", "", str(item.get("ContourGeometricType") or "").upper())
    if kind == OPEN:
        return OPEN if _closes(points) else None
    if kind in ("", XOR, INTERPOLATED):
        return kind
    return "CLOSED" if kind.startswith("CLOSED") else None


def _closes(points: np.ndarray) -> bool:
    """Whether a line ends where it begins, or one usual step before."""
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    gap = float(np.linalg.norm(points[0] - points[-1]))
    if gap <= SAME_POINT_MM:
        return len(points) > 3
    return len(steps) >= FEWEST_STEPS and gap <= USUAL_STEPS * float(np.median(steps))


def _miscounted(item: pydicom.Dataset, points: int) -> bool:
    try:
        return int(item.get("NumberOfContourPoints") or points) != points
    except Exception:  # a number that cannot be read
        return True
