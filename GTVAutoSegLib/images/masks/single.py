"""One region from a file, with the slices of it that a person drew; what value stands for inside does not matter."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...errors import InputError
from ...system.tags import MINE_TAG, mine_of
from ..read import read_volume
from ..volume import Volume
from .files import SEGMENTATION, read_structures
from .grid import onto

MOST_SHOWN = 6


def read_single(path: str | Path, ct: Volume) -> tuple[np.ndarray, tuple[int, ...]]:
    """Read the only region of a file on the grid of a CT.

    Args:
        path: .nii, .nii.gz, .nrrd, .nhdr, .mha, .mhd or .seg.nrrd.
        ct: the CT.

    Returns:
        bool (z, y, x) in the CT's storage order, empty where a label map is; and the slices that a .seg.nrrd says a
        person drew.

    Raises:
        InputError: it cannot be read, its grid is another one, or it holds several regions.
    """
    path = Path(path)
    if path.name.lower().endswith(SEGMENTATION) and path.exists():
        structures = read_structures(path, ct)
        if len(structures) > 1:
            raise _several(path, "segments", [one.segment.name for one in structures])
        return structures[0].mask != 0, mine_of(structures[0].segment.tags.get(MINE_TAG, ""))
    array = onto(read_volume(path), ct)
    inside = array != 0
    labels = np.unique(array[inside]).tolist()
    if len(labels) > 1:
        raise _several(path, "labels", [f"{label:g}" for label in labels])
    return inside, ()


def _several(path: Path, what: str, names: list[str]) -> InputError:
    listed = ", ".join(names[:MOST_SHOWN])
    return InputError(f"{path} holds {len(names)} {what} ({listed}); expected one, so export a single segment")
