"""A segment's voxels as 3D Slicer stores them, on a grid and with an extent of their own, and where the CT has them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from ...system.tags import BOX_TAG, COMPLETION_TAG, MASK_TAG, MINE_TAG
from ..volume import bounding_box, box_at, cut_out, triple
from .structure import mask_sha256

# A voxel on the CT's border is inside it; in voxels.
VOXEL_TOLERANCE = 1e-3
# How `MASK_TAG` begins where a step in Slicer has left the hash of the box only: that of a large mask takes too long.
OF_BOX = "box "

Region = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Box:
    """The box around a mask's voxels.

    Attributes:
        voxels: uint8 (z, y, x), 0 or 1; without any voxel when the mask is empty.
        start: where it begins in the CT, (z, y, x).
        shape: of the CT, (z, y, x).
    """

    voxels: np.ndarray = field(repr=False)
    start: tuple[int, int, int]
    shape: tuple[int, int, int]

    @classmethod
    def of(cls, mask: np.ndarray) -> Box:
        """The box around what is set of a mask (z, y, x)."""
        return cls.within(mask, (slice(0, None),) * 3, mask.shape)

    @classmethod
    def within(cls, voxels: np.ndarray, region: Region, shape: Sequence[int]) -> Box:
        """The box around what is set in a region of a CT of a shape (z, y, x)."""
        found = bounding_box(voxels)
        if found is None:
            return cls(np.zeros((0, 0, 0), np.uint8), (0, 0, 0), triple(shape))
        start = triple(side.start + inside.start for side, inside in zip(region, found))
        return cls((voxels[found] != 0).astype(np.uint8), start, triple(shape))

    @property
    def region(self) -> Region:
        """Where it lies in the CT."""
        return triple(box_at(self.start, self.voxels.shape))

    @property
    def count(self) -> int:
        """How many voxels are set."""
        return int(np.count_nonzero(self.voxels))

    @property
    def sha256(self) -> str:
        """SHA-256 of the voxels and of where they are."""
        place = " ".join(map(str, [*self.voxels.shape, *self.start]))
        return hashlib.sha256(place.encode() + np.ascontiguousarray(self.voxels, np.uint8).tobytes()).hexdigest()

    @property
    def mask_sha256(self) -> str:
        """What `structure.mask_sha256` gives for the whole mask."""
        return mask_sha256(self.whole())

    def on(self, region: Region) -> np.ndarray:
        """What is set in a region of the CT, uint8 (z, y, x)."""
        return cut_out(self.voxels, self.region, region)

    def same_as(self, other: Box) -> bool:
        """Whether the same voxels are set."""
        return self.start == other.start and np.array_equal(self.voxels, other.voxels)

    def whole(self) -> np.ndarray:
        """The mask, uint8 (z, y, x) in the shape of the CT."""
        return self.on(triple(box_at((0, 0, 0), self.shape)))

    def has_been_left(self, tags: Mapping[str, str]) -> bool:
        """Whether these are the voxels that the last step left, by the tags of the segment."""
        return self.is_known_as(tags.get(MASK_TAG, ""), tags.get(BOX_TAG, ""))

    def is_known_as(self, known: str, in_short: str) -> bool:
        """Whether a tag holds the hash of these voxels; `in_short` may hold the box's beside it, see `BOX_TAG`."""
        if known.startswith(OF_BOX):
            return known == OF_BOX + self.sha256
        of_mask, _, of_box = in_short.partition(" ")
        return of_box == self.sha256 if of_mask == known else self.mask_sha256 == known


def by_hand(tags: Mapping[str, str]) -> bool:
    """Whether a person drew slices of a segment, or it was completed from drawn ones."""
    return bool(tags.get(MINE_TAG) or tags.get(COMPLETION_TAG))


def around(first: Region, *others: Region) -> Region:
    """The smallest region that holds all of some; those without a voxel do not count."""
    full = [one for one in (first, *others) if all(side.stop > side.start for side in one)] or [first]
    return triple(slice(min(side.start for side in sides), max(side.stop for side in sides)) for sides in zip(*full))


@dataclass(frozen=True)
class Stored:
    """A segment as it is stored.

    Attributes:
        voxels: (z, y, x), not 0 inside.
        start: what its first voxel counts as, (x, y, z).
        to_ct: (4, 4): from a voxel, counted in this way, to the CT's, each (x, y, z).
    """

    voxels: np.ndarray = field(repr=False)
    start: tuple[int, int, int]
    to_ct: np.ndarray = field(repr=False)

    def places(self) -> np.ndarray:
        """Where the voxels inside are, counted in voxels of the CT: (n, 3), x, y, z."""
        return self._moved(np.argwhere(self.voxels)[:, ::-1] + self.start)

    def outside(self, shape: Sequence[int]) -> int:
        """How many voxels lie outside a CT of a shape (z, y, x)."""
        return int(np.count_nonzero(~_inside(self.places(), shape)))

    def box(self, shape: Sequence[int]) -> Box | None:
        """The box around its voxels on a CT of a shape (z, y, x); None when they are not all voxels of it.

        Unlike with a resampled segment, an edit between or beyond the CT's voxels cannot go unnoticed.
        """
        found = bounding_box(self.voxels)
        if found is None:
            return Box(np.zeros((0, 0, 0), np.uint8), (0, 0, 0), triple(shape))
        corners = np.array([*product(*((side.start, side.stop - 1) for side in found))])[:, ::-1] + self.start
        moved = self._moved(corners)
        indices = np.rint(moved).astype(int)
        if not np.allclose(moved, indices, rtol=0, atol=VOXEL_TOLERANCE):
            return None
        shift = indices[0] - corners[0]
        if (indices - corners == shift).all():  # as after any step of ours: nothing is turned
            if not _inside(moved, shape).all():
                return None
            start = triple((corners[0] + shift)[::-1].tolist())
            return Box((self.voxels[found] != 0).astype(np.uint8), start, triple(shape))
        return self._turned(shape)

    def on(self, shape: Sequence[int]) -> np.ndarray:
        """The voxels of a CT of a shape (z, y, x) whose centres are inside, uint8; nearest neighbour, as Slicer does.

        What lies outside the CT is not in it.
        """
        box = self.box(shape)
        if box is not None:
            return box.whole()
        mask = np.zeros(tuple(shape), np.uint8)
        found = bounding_box(self.voxels)
        assert found is not None  # noqa: S101 - an empty one has a box
        sides = [(side.start - 0.5 + first, side.stop - 0.5 + first) for side, first in zip(found[::-1], self.start)]
        ends = self._moved(np.array([*product(*sides)]))
        limit = np.array(shape)[::-1]
        low = np.clip(np.floor(ends.min(axis=0)).astype(int), 0, limit)
        high = np.clip(np.ceil(ends.max(axis=0)).astype(int) + 1, 0, limit)
        from_ct = np.linalg.inv(self.to_ct)
        y, x = np.mgrid[low[1] : high[1], low[0] : high[0]]
        for z in range(low[2], high[2]):
            places = np.stack([x, y, np.full_like(x, z)], axis=-1) @ from_ct[:3, :3].T + from_ct[:3, 3]
            indices = np.floor(places + 0.5).astype(int) - self.start
            known = np.all((indices >= 0) & (indices < self.voxels.shape[::-1]), axis=-1)
            i, j, k = np.where(known[..., None], indices, 0).transpose(2, 0, 1)
            mask[z, low[1] : high[1], low[0] : high[0]] = known & (self.voxels[k, j, i] != 0)
        return mask

    def _turned(self, shape: Sequence[int]) -> Box | None:
        places = self.places()
        indices = np.rint(places).astype(int)
        if not np.allclose(places, indices, rtol=0, atol=VOXEL_TOLERANCE) or not _inside(places, shape).all():
            return None
        indices = indices[:, ::-1]
        start = indices.min(axis=0)
        voxels = np.zeros(indices.max(axis=0) - start + 1, np.uint8)
        voxels[tuple((indices - start).T)] = 1
        return Box(voxels, triple(start.tolist()), triple(shape))

    def _moved(self, places: np.ndarray) -> np.ndarray:
        return np.asarray(places @ self.to_ct[:3, :3].T + self.to_ct[:3, 3])


def _inside(places: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Which places (n, 3), in voxels of a CT of a shape (z, y, x), lie in it."""
    margin = 0.5 + VOXEL_TOLERANCE
    last: np.ndarray = np.array(shape)[::-1] - 1
    return np.asarray(np.all((places > -margin) & (places < last + margin), axis=1))
