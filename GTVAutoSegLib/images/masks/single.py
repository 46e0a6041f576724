"""One region from a file, with the slices of it that a person drew; what value stands for inside does not matter."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...system.names import some_of
from ...system.tags import MINE_TAG, mine_of
from ..read import read_volume
from ..segment_info import SegmentInfo
from ..volume import Volume
from .files import SEGMENTATION, read_structures
from .grid import onto


@dataclass(frozen=True)
class Single:
    """The only region of a file.

    Attributes:
        mask: bool (z, y, x) in the storage order of its CT; empty where a label map is.
        mine: slices that a .seg.nrrd says a person drew.
        segment: what a .seg.nrrd calls it; None for a label map.
    """

    mask: np.ndarray
    mine: tuple[int, ...] = ()
    segment: SegmentInfo | None = None


def read_single(path: str | Path, ct: Volume) -> Single:
    """Read the only region of a file on the grid of a CT.

    Raises:
        InputError: it cannot be read, its grid is another one, or it holds several regions.
    """
    path = Path(path)
    if path.name.lower().endswith(SEGMENTATION) and path.exists():
        structures = read_structures(path, ct)
        if len(structures) > 1:
            raise _several(path, "segments", [one.segment.name for one in structures])
        segment = structures[0].segment
        return Single(structures[0].mask != 0, mine_of(segment.tags.get(MINE_TAG, "")), segment)
    array = onto(read_volume(path), ct)
    inside = array != 0
    labels = np.unique(array[inside]).tolist()
    if len(labels) > 1:
        raise _several(path, "labels", [f"{label:g}" for label in labels])
    return Single(inside)


def _several(path: Path, what: str, names: list[str]) -> InputError:
    return InputError(f"{path} holds {len(names)} {what} ({some_of(names)}); expected one, so export a single segment")
