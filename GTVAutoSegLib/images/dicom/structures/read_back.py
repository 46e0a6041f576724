"""A structure set read back before it takes its place: a contour one slice off must never leave the house."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ....errors import RunError
from ...masks.structure import Structure
from ..rtstruct import read_structure_set, roi_mask
from ..source import DicomSource


def check_read_back(path: Path, structures: Sequence[Structure], source: DicomSource) -> None:
    """Raise RunError unless the last regions of a file, read and filled, are the masks voxel for voxel.

    Args:
        path: the structure set.
        structures: what was added to it, in this order, at its end.
        source: the CT.
    """
    rois = read_structure_set(path).rois[-len(structures) :]
    for one, roi in zip(structures, rois):
        found, _ = roi_mask([roi], source.volume)
        # Slice by slice: of a large CT a comparison in one piece takes three more copies in memory.
        different = sum(int(np.count_nonzero((a > 0) != (b > 0))) for a, b in zip(found, one.mask))
        if different:
            both = np.count_nonzero(found & (one.mask > 0))
            dsc = 2 * both / (np.count_nonzero(found) + np.count_nonzero(one.mask))
            raise RunError(
                f"the contours of '{roi.name}', read back, differ from the segment in {different} voxels (DSC "
                f"{dsc:.4f}), expected none, so nothing was written; report it"
            )
