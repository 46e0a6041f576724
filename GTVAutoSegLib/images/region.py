"""A box in the patient that the tumour is looked for in, and the voxels of a CT that lie in it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..system.json_text import read_json
from ..system.names import counted
from .volume import RIGHT_ANGLE_TOLERANCE, Volume, bounding_box, triple

Point = tuple[float, float, float]

UNTURNED = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
# Of a voxel: a box drawn along the borders of voxels has the voxels inside, whatever rounding does.
TOLERANCE = 1e-3
MARKUPS = ".json"
EXPECTED = "expected XMIN XMAX YMIN YMAX ZMIN ZMAX in mm (LPS), or a Markups file (.mrk.json)"
FLIPPED = np.array([-1.0, -1.0, 1.0])


@dataclass(frozen=True)
class IndexBox:
    """Voxels ``lower`` to ``upper``, the latter not included, along the axes (z, y, x) of an array in axial order."""

    lower: tuple[int, int, int]
    upper: tuple[int, int, int]

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """The box as a numpy index."""
        return triple(map(slice, self.lower, self.upper))

    @classmethod
    def around(cls, mask: np.ndarray) -> IndexBox:
        """The smallest box around a mask (z, y, x); all of it when it is empty."""
        found = bounding_box(mask)
        if found is None:
            return whole(mask.shape)
        return cls(triple(axis.start for axis in found), triple(axis.stop for axis in found))


@dataclass(frozen=True)
class Region:
    """A box in patient coordinates.

    Attributes:
        lower: its lower corner (x, y, z) along its own axes, LPS, mm.
        upper: its upper corner.
        direction: 9 numbers, row by row; the columns are the box's own axes in LPS. Unturned by default.
    """

    lower: Point
    upper: Point
    direction: tuple[float, ...] = UNTURNED

    def __post_init__(self) -> None:
        """Raise InputError for a box of no size, or of values that are no numbers."""
        if not all(math.isfinite(value) for value in (*self.lower, *self.upper, *self.direction)):
            raise InputError(f"the box from {self.lower} to {self.upper} is not made of numbers; expected mm")
        for axis, low, high in zip("xyz", self.lower, self.upper):
            if not low < high:
                raise InputError(
                    f"the box goes from {low:g} to {high:g} mm along {axis}; expected its lower end below its upper one"
                )

    @classmethod
    def of_numbers(cls, numbers: Sequence[float]) -> Region:
        """From XMIN XMAX YMIN YMAX ZMIN ZMAX, LPS, mm; raises InputError where these are not six."""
        if len(numbers) != 6:
            raise InputError(f"the box has {counted(len(numbers), 'number')}; {EXPECTED}")
        x0, x1, y0, y1, z0, z1 = (float(number) for number in numbers)
        return cls((x0, y0, z0), (x1, y1, z1))

    @classmethod
    def of_words(cls, words: Sequence[str], folder: Path | None = None) -> Region:
        """From what a person writes: XMIN XMAX YMIN YMAX ZMIN ZMAX, or the path of a Markups file.

        Args:
            words: six numbers, or one path that ends in .json.
            folder: what a path is relative to.
        """
        if len(words) == 1 and words[0].lower().endswith(MARKUPS):
            return cls.read(Path(words[0]) if folder is None else folder / words[0])
        try:
            numbers = [float(word) for word in words]
        except ValueError:
            raise InputError(f"the box is '{' '.join(words)}'; {EXPECTED}") from None
        return cls.of_numbers(numbers)

    @classmethod
    def turned(cls, center: Sequence[float], size: Sequence[float], orientation: Sequence[float]) -> Region:
        """From what a Markups ROI stores.

        Args:
            center: LPS, mm.
            size: along its own axes, mm.
            orientation: 9 numbers, row by row; the columns are its axes in LPS.
        """
        middle = np.reshape(orientation, (3, 3)).T @ np.asarray(center, float)
        half = np.asarray(size, float) / 2
        return cls(_point(middle - half), _point(middle + half), tuple(float(value) for value in orientation))

    @classmethod
    def read(cls, path: Path) -> Region:
        """From a Markups file of one ROI, ``.mrk.json``.

        Raises:
            InputError: it cannot be read, or holds something else.
        """
        expected = "expected a Markups file (.mrk.json) with one ROI, as Slicer saves it"
        try:
            markups = read_json(path)["markups"]
            rois = [markup for markup in markups if markup["type"] == "ROI"]
            if len(rois) != 1:
                raise InputError(f"{path} holds {len(rois)} ROIs; {expected}")
            return _of_markup(rois[0])
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}); {expected}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} holds no box ({type(error).__name__}: {error}); {expected}") from error

    def write(self, path: Path) -> None:
        """Write it as the Markups file that `read` reads and 3D Slicer loads."""
        matrix = np.reshape(self.direction, (3, 3))
        middle = (matrix @ (np.asarray(self.lower) + np.asarray(self.upper)) / 2).tolist()
        markup = {
            "type": "ROI",
            "coordinateSystem": "LPS",
            "roiType": "Box",
            "center": middle,
            "size": (np.asarray(self.upper) - np.asarray(self.lower)).tolist(),
            "orientation": list(self.direction),
            "controlPoints": [{"id": "1", "position": middle, "positionStatus": "defined"}],
        }
        path.write_text(json.dumps({"markups": [markup]}), encoding="utf-8")

    @classmethod
    def of_indices(cls, box: IndexBox, volume: Volume) -> Region:
        """The box along the outer borders of some voxels."""
        view = volume.axial
        ends = np.array([box.lower, box.upper])
        for axis in view.flips:
            ends[:, axis] = volume.array.shape[view.axes[axis]] - ends[::-1, axis]
        along_xyz = ends[:, np.argsort(view.axes)[::-1]]
        # Not the transpose: the axes of a tilted gantry are not at right angles.
        start = np.linalg.solve(np.reshape(volume.direction, (3, 3)), volume.origin)
        lower, upper = start + (along_xyz - 0.5) * volume.spacing
        return cls(_point(lower), _point(upper), tuple(volume.direction))

    def widened(self, mm: float) -> Region:
        """The box with every face moved outwards."""
        return replace(self, lower=_point(np.asarray(self.lower) - mm), upper=_point(np.asarray(self.upper) + mm))

    def moved(self, mm: Sequence[float]) -> Region:
        """The box elsewhere, by so many mm along each of its own axes."""
        return replace(self, lower=_point(np.asarray(self.lower) + mm), upper=_point(np.asarray(self.upper) + mm))

    @property
    def corners(self) -> np.ndarray:
        """Its eight corners, (8, 3), LPS, mm."""
        own = np.array(list(product(*zip(self.lower, self.upper))))
        return np.asarray(own @ np.reshape(self.direction, (3, 3)).T)

    def index_box(self, volume: Volume) -> IndexBox:
        """The voxels of a CT whose centres lie in the box; a turned box counts by its extent along the CT's axes.

        Returns:
            In axial order, cut to the CT.

        Raises:
            InputError: no voxel lies in it.
        """
        indices = np.linalg.solve(volume.steps, (self.corners - np.asarray(volume.origin)).T).T[:, ::-1]
        shape = np.array(volume.array.shape)
        low = np.maximum(np.ceil(indices.min(0) - TOLERANCE), 0).astype(int)
        high = np.minimum(np.floor(indices.max(0) + TOLERANCE) + 1, shape).astype(int)
        if (low >= high).any():
            raise InputError(self._outside(volume))
        view = volume.axial
        ends = np.array([low, high])[:, view.axes]
        for axis in view.flips:
            ends[:, axis] = shape[view.axes[axis]] - ends[::-1, axis]
        lower, upper = map(triple, ends.tolist())
        return IndexBox(lower, upper)

    def _outside(self, volume: Volume) -> str:
        everything = whole([volume.array.shape[axis] for axis in volume.axial.axes])
        ct = Region.of_indices(everything, volume).corners
        return (
            f"the box {_span(self.corners)} holds no voxel of {volume.source or 'the CT'}, which spans {_span(ct)}; "
            "expected a box in patient coordinates (LPS, mm) that overlaps the CT"
        )


def whole(shape: Sequence[int]) -> IndexBox:
    """All of an array (z, y, x)."""
    return IndexBox((0, 0, 0), triple(shape))


def axial_spacing(volume: Volume) -> tuple[float, float, float]:
    """Millimetres between voxels along the axes (z, y, x) of the axial view."""
    return triple(float(volume.spacing[::-1][axis]) for axis in volume.axial.axes)


def _of_markup(markup: dict[str, Any]) -> Region:
    center, size = markup["center"], markup["size"]
    turned = np.reshape(np.asarray(markup.get("orientation", UNTURNED), float), (3, 3))
    if not np.allclose(turned.T @ turned, np.eye(3), rtol=0, atol=RIGHT_ANGLE_TOLERANCE):
        raise ValueError("its axes are no unit vectors at right angles")
    if markup.get("coordinateSystem", "LPS") in ("RAS", "0", 0):
        center, turned = FLIPPED * np.asarray(center, float), FLIPPED[:, None] * turned
    return Region.turned(center, size, turned.ravel().tolist())


def _point(values: np.ndarray) -> Point:
    return triple(map(float, values))


def _span(corners: np.ndarray) -> str:
    ends = zip("xyz", corners.min(0), corners.max(0))
    return ", ".join(f"{axis} {low:.0f} to {high:.0f}" for axis, low, high in ends) + " mm"
