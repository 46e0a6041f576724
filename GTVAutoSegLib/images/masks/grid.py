"""Putting a mask onto the grid of its CT without resampling: stored in another order, or cropped, but never moved."""

from __future__ import annotations

import numpy as np

from ...errors import InputError
from ...system.names import counted
from ..volume import GRID_TOLERANCE_MM, Volume, box_at, cut_out


def onto(mask: Volume, ct: Volume, cropped: bool = False) -> np.ndarray:
    """A mask's voxels in the storage order of a CT.

    Axes may be stored in another order or direction, as when DICOM was converted to NIfTI; each voxel stays where it
    is in the patient.

    Args:
        mask: the mask as read.
        ct: the CT.
        cropped: whether the mask may cover a part of the CT only, as 3D Slicer stores segmentations.

    Returns:
        (z, y, x), of the mask's type, in the shape of the CT.

    Raises:
        InputError: the mask lies on another grid, or is set outside the CT.
    """
    own, target = in_axial_order(mask), in_axial_order(ct)
    same_size = own.array.shape == target.array.shape
    if not (same_size or cropped):
        raise _another_grid(mask, ct, f"it has {_size(mask)} voxels and the CT {_size(ct)}")
    apart = np.linalg.solve(target.steps, np.subtract(own.origin, target.origin))
    first = np.zeros(3, int) if same_size else apart.round().astype(int)
    origin = tuple((np.array(target.origin) + target.steps @ first).tolist())
    off = own.off_by_mm(Volume(own.array, target.spacing, origin, target.direction))
    if off > GRID_TOLERANCE_MM:
        raise _another_grid(mask, ct, f"its voxels lie up to {off:.2f} mm from the CT's")
    voxels = own.array
    if not same_size:
        voxels = cut_out(voxels, box_at(first[::-1].tolist(), voxels.shape), box_at((0, 0, 0), target.array.shape))
        lost = int(np.count_nonzero(own.array) - np.count_nonzero(voxels))
        if lost:
            raise InputError(
                f"{mask.source} has {counted(lost, 'voxel')} outside {ct.source}; expected a mask drawn on this CT, so "
                "erase them or give the CT it was drawn on"
            )
    return np.ascontiguousarray(ct.axial.undo(voxels))


def in_axial_order(volume: Volume) -> Volume:
    """The same voxels in the same places, stored in axial order; the array is a view."""
    view = volume.axial
    steps = volume.steps[:, ::-1][:, list(view.axes)]  # one column an array axis
    origin = np.array(volume.origin)
    for axis in view.flips:
        origin = origin + (volume.array.shape[view.axes[axis]] - 1) * steps[:, axis]
        steps[:, axis] *= -1
    spacing = np.linalg.norm(steps, axis=0)
    direction = (steps / spacing)[:, ::-1]
    return Volume(
        view.of(volume.array),
        spacing=tuple(spacing[::-1].tolist()),
        origin=tuple(origin.tolist()),
        direction=tuple(direction.ravel().tolist()),
        source=volume.source,
    )


def _another_grid(mask: Volume, ct: Volume, how: str) -> InputError:
    return InputError(
        f"{mask.source} lies on another grid than {ct.source}: {how}; expected the CT's own grid, so resample the mask "
        "onto the CT, or give the CT it was drawn on"
    )


def _size(volume: Volume) -> str:
    return " x ".join(str(side) for side in volume.array.shape[::-1])
