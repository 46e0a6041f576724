"""Volume: an image array with its geometry, the axial view the cascade works on, and what a CT has to be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import permutations, product
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..errors import InputError
from ..system.names import counted

T = TypeVar("T")

# Files round positions, spacings and directions; two grids are one when no corner of theirs is further apart.
GRID_TOLERANCE_MM = 0.02
RIGHT_ANGLE_TOLERANCE = 1e-4
# Every scan of a patient has voxels above this: lung, fat and everything denser.
AIR_HU = -500
LARGEST_BYTE = 255
# Twice what 16 bits hold: metal, padding and wide scales lie below.
LARGEST_HU = 1 << 17
SMALLEST_SIDE = 16
# From a micro-CT's to more than any couch moves between slices; metres and micrometres taken for mm are beyond.
SPACING_MM = (0.01, 100.0)
FARTHEST_MM = 1e6
UNIT_TOLERANCE = 1e-3
FLAT = 1e-6  # the determinant of directions from which on they make no volume


@dataclass(frozen=True)
class AxialView:
    """Permutation and flips that bring an array (z, y, x) to axial order, and back.

    In axial order axis 0 runs towards the head, axis 1 towards the back, axis 2 towards the patient's left (LPS),
    each up to the obliquity of the scan. Nothing is resampled.

    Attributes:
        axes: ``axes[i]`` is the stored axis that becomes axial axis i.
        flips: axial axes that run the other way in storage.
    """

    axes: tuple[int, int, int]
    flips: tuple[int, ...]

    def of(self, array: np.ndarray) -> np.ndarray:
        """A view of the stored array (z, y, x) in axial order."""
        return np.flip(array.transpose(self.axes), self.flips)

    def undo(self, array: np.ndarray) -> np.ndarray:
        """A view of an axial array in stored order (z, y, x)."""
        return np.flip(array, self.flips).transpose(np.argsort(self.axes))

    def by_slice(self, array: np.ndarray) -> np.ndarray:
        """A view of a stored array (z, y, x) whose first axis is the stored one closest to head-feet."""
        return np.moveaxis(array, self.axes[0], 0)


@dataclass(frozen=True)
class Volume:
    """A 3D image.

    Attributes:
        array: (z, y, x), int16 or float32; HU for a CT.
        spacing: (x, y, z) in mm.
        origin: (x, y, z) of the first voxel's centre, LPS, mm.
        direction: 9 numbers, row by row; columns are the directions of the x, y and z axes (SimpleITK's order).
        source: where it came from, for messages.
        modality: DICOM modality, or None when the file does not say.
        dicom_files: the file of each slice, ``array[i]`` comes from ``dicom_files[i]``; empty for other formats.
        notes: remarks on reading it that the user should see, one sentence each.
        doubts: those of them that say why its values may be no HU; a data set is not made of such a CT.
        kept: what was found out about it, by name, so that nothing is checked or read twice; a copy begins anew.
    """

    array: np.ndarray
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    source: str = ""
    modality: str | None = None
    dicom_files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    kept: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def axial(self) -> AxialView:
        """How to see this volume in axial order."""
        # Row i: the physical axis (S, P, L); column j: the stored array axis (z, y, x).
        matrix = np.reshape(self.direction, (3, 3))[::-1, ::-1]
        a, b, c = max(permutations(range(3)), key=lambda order: sum(abs(matrix[i, j]) for i, j in enumerate(order)))
        return AxialView((a, b, c), tuple(i for i, j in enumerate((a, b, c)) if matrix[i, j] < 0))

    @property
    def steps(self) -> np.ndarray:
        """(3, 3): column i is the way from one voxel to the next along x, y and z; LPS, mm."""
        return np.asarray(np.reshape(self.direction, (3, 3)) * self.spacing)

    @property
    def slices(self) -> int:
        """How many slices there are along the stored axis closest to head-feet."""
        return int(self.array.shape[self.axial.axes[0]])

    @property
    def sheared(self) -> bool:
        """Whether the axes are not at right angles, as in a scan with a tilted gantry."""
        matrix = np.reshape(self.direction, (3, 3))
        return not np.allclose(matrix.T @ matrix, np.eye(3), rtol=0, atol=RIGHT_ANGLE_TOLERANCE)

    def same_grid(self, other: Volume) -> bool:
        """Whether both have the same size and place, up to ``GRID_TOLERANCE_MM``."""
        return self.array.shape == other.array.shape and self.off_by_mm(other) <= GRID_TOLERANCE_MM

    def off_by_mm(self, other: Volume) -> float:
        """The largest distance between a corner of this grid and that of another one of the same size, mm."""
        return float(np.linalg.norm(self._corners() - other._corners(), axis=1).max())

    def _corners(self) -> np.ndarray:
        """Centres of the corner voxels, (8, 3), LPS, mm."""
        last = np.subtract(self.array.shape[::-1], 1)
        return np.asarray(np.array(self.origin) + np.array([*product((0, 1), repeat=3)]) * last @ self.steps.T)


def narrow(array: np.ndarray) -> np.ndarray:
    """The array as int16 when it holds integers that fit, otherwise as float32; any shape."""
    if array.dtype == np.int16:
        return array
    limits = np.iinfo(np.int16)
    if array.dtype.kind in "biu" and (not array.size or (array.min() >= limits.min and array.max() <= limits.max)):
        return array.astype(np.int16)
    return array.astype(np.float32, copy=False)


def bounding_box(mask: np.ndarray) -> tuple[slice, slice, slice] | None:
    """The smallest box that holds all of a mask, in the order of its three axes; None when it is empty."""
    marked = np.flatnonzero(mask.any(axis=(1, 2)))
    if not len(marked):
        return None
    first = slice(int(marked[0]), int(marked[-1]) + 1)
    # The projection first: what follows looks at one slice instead of the whole scan.
    flat: np.ndarray = np.any(mask[first], axis=0)
    rows, columns = np.flatnonzero(flat.any(axis=1)), np.flatnonzero(flat.any(axis=0))
    return first, slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def triple(values: Iterable[T]) -> tuple[T, T, T]:
    """Three values as a tuple."""
    z, y, x = values
    return z, y, x


def box_at(start: Sequence[int], shape: Sequence[int]) -> tuple[slice, ...]:
    """The part of an array that begins at an index and has a shape."""
    return tuple(slice(first, first + size) for first, size in zip(start, shape))


def cut_out(values: np.ndarray, place: Sequence[slice], wanted: Sequence[slice]) -> np.ndarray:
    """A part of an array that is known in another part only, and is 0 elsewhere.

    Args:
        values: what is known, of any number of axes.
        place: where in the whole array it lies.
        wanted: the part of the whole array to give; it may lie anywhere.
    """
    part = np.zeros([side.stop - side.start for side in wanted], values.dtype)
    shared = [(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(place, wanted)]
    if all(low < high for low, high in shared):
        here, there = (
            tuple(slice(low - side.start, high - side.start) for (low, high), side in zip(shared, sides))
            for sides in (wanted, place)
        )
        part[here] = values[there]
    return part


def check_shape(mask: np.ndarray, volume: Volume) -> None:
    """Raise InputError unless a mask has the shape of a volume."""
    if mask.shape != volume.array.shape:
        sizes = [" x ".join(map(str, array.shape[::-1])) for array in (mask, volume.array)]
        raise InputError(f"the mask has {sizes[0]} voxels and the CT {sizes[1]}; expected one on the CT's own grid")


def check_geometry(volume: Volume) -> None:
    """Check what a reader found for size and place of a volume, whatever the format.

    Raises:
        InputError: no voxels, a spacing that no scanner has, a place that is not finite, or directions that are no
            three unit vectors in space.
    """
    source = volume.source
    if not volume.array.size:
        raise InputError(f"{source} has a side of 0 voxels; expected a volume, so export it again")
    if not all(SPACING_MM[0] <= side <= SPACING_MM[1] for side in volume.spacing):
        sides = " x ".join(f"{side:g}" for side in volume.spacing)
        raise InputError(
            f"{source} has the voxel spacing {sides} mm; expected {SPACING_MM[0]:g} to {SPACING_MM[1]:g} mm each, so "
            "check its units and export it again"
        )
    if not all(abs(place) <= FARTHEST_MM for place in volume.origin):
        place = ", ".join(f"{value:g}" for value in volume.origin)
        raise InputError(f"{source} lies at ({place}) mm; expected a place near the scanner, so export it again")
    axes = np.reshape(volume.direction, (3, 3))
    # NaN passes no comparison.
    if not (np.abs(np.linalg.norm(axes, axis=0) - 1) <= UNIT_TOLERANCE).all():
        raise InputError(
            f"{source} has axes that are no unit vectors ({', '.join(f'{value:g}' for value in volume.direction)}); "
            "expected three directions, so export it again"
        )
    if not abs(np.linalg.det(axes)) >= FLAT:
        raise InputError(f"{source} has axes that lie in one plane; expected three directions, so export it again")


def check_ct(volume: Volume) -> None:
    """Check that a volume can be a CT of a patient; once, for every voxel is looked at.

    Raises:
        InputError: another modality, voxels that are not finite, nothing but air, one value everywhere, the values of
            a label map or an 8-bit picture, or axial slices smaller than 16 x 16 pixels.
    """
    if "ct" in volume.kept:
        return
    array = volume.array
    if volume.modality not in (None, "CT"):
        raise InputError(f"{volume.source} has the modality {volume.modality}; expected CT, so give the CT series")
    rows, columns = volume.axial.of(array).shape[1:]
    if min(rows, columns) < SMALLEST_SIDE:
        raise InputError(
            f"{volume.source} has axial slices of {columns} x {rows} pixels; expected at least "
            f"{SMALLEST_SIDE} x {SMALLEST_SIDE}, so give the CT itself, not a crop or a preview"
        )
    check_finite(volume.source, array)
    low, high = array.min(), array.max()
    if low == high:
        raise InputError(f"{volume.source} holds the value {low:g} everywhere; expected a CT in HU, so export it again")
    if low < -LARGEST_HU or high > LARGEST_HU:
        raise InputError(
            f"{volume.source} holds values from {low:g} to {high:g}, which no CT has; expected HU, so check the "
            "slope and intercept of the export"
        )
    if low >= 0 and high <= LARGEST_BYTE:
        raise InputError(
            f"{volume.source} holds values from {low:g} to {high:g}, as a label map or an 8-bit preview does; expected "
            "a CT in HU, so give the CT itself"
        )
    if high <= AIR_HU:
        raise InputError(
            f"{volume.source} holds nothing above {high:g} HU, which is all air; expected a patient in HU, so check "
            "the rescale slope and intercept of the export"
        )
    volume.kept["ct"] = True


def check_finite(source: str | Path, array: np.ndarray) -> None:
    """Raise InputError for voxels that are no numbers."""
    bad = array.size - int(np.count_nonzero(np.isfinite(array))) if array.dtype.kind == "f" else 0
    if bad:
        raise InputError(
            f"{source} holds {counted(bad, 'voxel')} with NaN or an infinite number; expected HU everywhere, so export "
            "it again"
        )
