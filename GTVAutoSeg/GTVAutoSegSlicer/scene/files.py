"""Between the scene and files: the CT as the library reads it, and the mask as the library wrote it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk

from GTVAutoSegLib.cascade.applicability import geometry_warnings
from GTVAutoSegLib.errors import GTVAutoSegError, InputError
from GTVAutoSegLib.images.masks.structure import mask_sha256
from GTVAutoSegLib.images.volume import Volume
from GTVAutoSegLib.model.bundle import read_bundle

from ..failures import Failure, not_valid

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])
NRRD_TYPES = {"float32": "float", "float64": "double"}
# What is written or compared in one go, so that a cancel is soon noticed.
PART_BYTES = 32 * 2**20


def is_grey(ct: Any) -> bool:
    """Whether a node has voxels of one number each; a picture in colours is no CT, and `volume_of` cannot read it."""
    image = None if ct is None else ct.GetImageData()
    return image is not None and image.GetNumberOfScalarComponents() == 1


def volume_of(ct: Any) -> Volume:
    """A CT node as the library's volume, without the transform above it; its voxels are the node's own."""
    matrix = vtk.vtkMatrix4x4()
    ct.GetIJKToRASMatrix(matrix)
    to_ras = slicer.util.arrayFromVTKMatrix(matrix)
    spacing = np.linalg.norm(to_ras[:3, :3], axis=0)
    return Volume(
        slicer.util.arrayFromVolume(ct),
        spacing=tuple(spacing.tolist()),
        origin=tuple((RAS_TO_LPS @ to_ras[:3, 3]).tolist()),
        direction=tuple((RAS_TO_LPS @ (to_ras[:3, :3] / spacing)).ravel().tolist()),
        source=f"'{ct.GetName()}'",
    )


def check_ct(ct: Any) -> None:
    """Check that a node can be segmented.

    Args:
        ct: vtkMRMLScalarVolumeNode or None.

    Raises:
        InputError: no volume, no image, a label map, several values per voxel, or another modality than CT.
        Failure: a transform that is not linear; its code is "transform".
    """
    if ct is None:
        raise InputError("no CT is selected; select the planning CT")
    name = ct.GetName()
    if not ct.IsA("vtkMRMLScalarVolumeNode") or ct.IsA("vtkMRMLLabelMapVolumeNode"):
        raise InputError(f"'{name}' is a {ct.GetNodeTagName()}, expected a CT; select a scalar volume")
    image = ct.GetImageData()
    if image is None or 0 in image.GetDimensions():
        raise InputError(f"'{name}' holds no image, expected a CT; load it again")
    if image.GetNumberOfScalarComponents() != 1:
        raise InputError(f"'{name}' has {image.GetNumberOfScalarComponents()} values per voxel, expected one HU value")
    modality = _modality(ct)
    if modality not in ("", "CT"):
        raise InputError(f"'{name}' is a {modality} image, expected a CT; select the planning CT")
    transform = ct.GetParentTransformNode()
    if transform is not None and not transform.IsTransformToWorldLinear():
        raise Failure(
            "transform",
            f"'{name}' lies under the deformable transform '{transform.GetName()}', expected none or a linear one; "
            "take the CT out of the transform, or harden it on a copy.",
        )


def doubts_before(ct: Any, model: Path) -> list[str]:
    """Why a CT is unlike those that a model was trained on, as far as its size and spacing tell before a run."""
    if ct.GetImageData() is None:
        return []
    try:
        return geometry_warnings(volume_of(ct), read_bundle(model).info.training_data)
    except GTVAutoSegError:
        return []  # the run says what is wrong


def write_ct(ct: Volume, path: Path, wanted: Callable[[], bool] = lambda: True) -> None:
    """Write voxels and geometry as an uncompressed NRRD; needs neither the scene nor a second copy of the voxels.

    Args:
        ct: as `volume_of` gives it.
        path: ends in .nrrd.
        wanted: asked between parts; when it says no, the file stays as far as it is.

    Raises:
        Failure: with code "disk" when the file cannot be written.
    """
    try:
        with path.open("wb", buffering=0) as file:
            file.write(_nrrd_header(ct))
            for part in _parts(ct.array):
                if not wanted():
                    return
                file.write(part.data)
    except OSError as error:
        raise Failure(
            "disk", f"The CT could not be written to {path.parent}; free some space and run again.", details=str(error)
        ) from error


def holds(voxels: np.ndarray | None, path: Path, ct: Volume) -> bool:
    """Whether a CT that `write_ct` wrote still has the voxels in the file.

    Args:
        voxels: of the CT as they are now, or None when it has none any more.
        path: the file.
        ct: what was written.
    """
    if voxels is None or voxels.shape != ct.array.shape or voxels.dtype != ct.array.dtype:
        return False
    with path.open("rb", buffering=0) as file:
        file.seek(len(_nrrd_header(ct)))
        for part in _parts(voxels):
            if not np.array_equal(part, np.fromfile(file, part.dtype, part.size).reshape(part.shape)):
                return False
    return True


def _parts(voxels: np.ndarray) -> Iterator[np.ndarray]:
    """Voxels in runs of slices, each a contiguous array of some `PART_BYTES`."""
    step = max(1, PART_BYTES // max(1, voxels[0].nbytes))
    for first in range(0, len(voxels), step):
        yield np.ascontiguousarray(voxels[first : first + step])


def _nrrd_header(ct: Volume) -> bytes:
    direction = np.reshape(ct.direction, (3, 3)) * ct.spacing
    lines = [
        "NRRD0004",
        f"type: {NRRD_TYPES.get(ct.array.dtype.name, ct.array.dtype.name)}",
        "dimension: 3",
        "space: left-posterior-superior",
        "sizes: {} {} {}".format(*ct.array.shape[::-1]),
        "space directions: " + " ".join(_vector(axis) for axis in direction.T),
        "kinds: domain domain domain",
        f"endian: {sys.byteorder}",
        "encoding: raw",
        f"space origin: {_vector(ct.origin)}",
    ]
    return ("\n".join(lines) + "\n\n").encode("ascii")


def _vector(values: Iterable[float]) -> str:
    return "(" + ",".join(repr(float(value)) for value in values) + ")"


def read_mask(path: Path, ct: Volume, sha256: str) -> np.ndarray:
    """Read and check a mask.

    Args:
        path: what the worker wrote.
        ct: what it was made from, as `volume_of` gave it.
        sha256: of the mask's bytes, as the worker reported it.

    Returns:
        uint8 (z, y, x), 0 or 1.

    Raises:
        RunError: the file is missing, cannot be read, lies on another grid, or holds something else.
    """
    import SimpleITK as sitk

    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise not_valid(f"{path.name} cannot be read ({str(error).strip().splitlines()[-1]})") from error
    mask = sitk.GetArrayFromImage(image)
    if not Volume(mask, image.GetSpacing(), image.GetOrigin(), image.GetDirection()).same_grid(ct):
        raise not_valid(f"{path.name} lies on another grid than the CT")
    if mask.dtype != np.uint8 or mask.max() > 1:
        raise not_valid(f"{path.name} holds {mask.dtype} values up to {mask.max()}, expected 0 and 1")
    if mask_sha256(mask) != sha256:
        raise not_valid(f"{path.name} is not what the run reported")
    return mask


def _modality(ct: Any) -> str:
    """DICOM modality when the volume came from DICOM, else ""."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = hierarchy.GetItemByDataNode(ct)
    return hierarchy.GetItemAttribute(item, "DICOM.Modality") if item else ""
