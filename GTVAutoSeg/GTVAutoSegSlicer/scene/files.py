"""Between the scene and files: the CT as the library reads it, and the mask as the library wrote it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk

from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.images.masks.structure import mask_sha256
from GTVAutoSegLib.images.volume import Volume

from ..run.failures import Failure, not_valid

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])


def volume_of(ct: Any) -> Volume:
    """A CT node as the library's volume, without the transform above it; its voxels are the node's own."""
    matrix = vtk.vtkMatrix4x4()
    ct.GetIJKToRASMatrix(matrix)
    to_ras = slicer.util.arrayFromVTKMatrix(matrix)
    spacing = np.linalg.norm(to_ras[:3, :3], axis=0)
    return Volume(
        slicer.util.arrayFromVolume(ct),
        tuple(spacing.tolist()),
        tuple((RAS_TO_LPS @ to_ras[:3, 3]).tolist()),
        tuple((RAS_TO_LPS @ (to_ras[:3, :3] / spacing)).ravel().tolist()),
        f"'{ct.GetName()}'",
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


def write_ct(ct: Any, path: Path) -> Volume:
    """Write a CT's voxels and its own geometry, without the transform above it, as an uncompressed NRRD.

    Args:
        ct: a node that passed `check_ct`; neither it nor its storage node is changed.
        path: ends in .nrrd.

    Returns:
        What was written.

    Raises:
        Failure: with code "disk" when the file cannot be written.
    """
    import SimpleITK as sitk

    volume = volume_of(ct)
    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing(volume.spacing)
    image.SetOrigin(volume.origin)
    image.SetDirection(volume.direction)
    try:
        sitk.WriteImage(image, str(path), useCompression=False)
    except RuntimeError as error:
        raise Failure(
            "disk", f"The CT could not be written to {path.parent}; free some space and run again.", details=str(error)
        ) from error
    return volume


def holds(ct: Any, path: Path) -> bool:
    """Whether a CT still has the voxels that `write_ct` wrote."""
    import SimpleITK as sitk

    if ct.GetImageData() is None:
        return False
    written = sitk.ReadImage(str(path))  # named, because a view of its voxels does not keep it alive
    return np.array_equal(slicer.util.arrayFromVolume(ct), sitk.GetArrayViewFromImage(written))


def read_mask(path: Path, ct: Volume, sha256: str) -> np.ndarray:
    """Read and check a mask.

    Args:
        path: what the worker wrote.
        ct: what it was made from, as `write_ct` returned it.
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
