"""The box around the tumour: a Markups ROI in the scene, and the region of the CT that it means."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import slicer
import vtk

from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.images.region import Region

from ..files import volume_of

# Around an outline that is there: where a tumour that was half found may go on.
MARGIN_MM = 20.0
ROI_CLASS = "vtkMRMLMarkupsROINode"


def region_of(roi: Any, ct: Any) -> Region:
    """The box of a ROI by its extent along the CT's axes, in the CT's own coordinates: LPS, mm, without its transform.

    Raises:
        InputError: the ROI is not drawn yet, or holds no voxel of the CT.
    """
    size = np.array(roi.GetSize())
    if not (size > 0).all():
        raise InputError(f"the box '{roi.GetName()}' has no size yet; draw it around the tumour, or select no box")
    volume = volume_of(ct)
    to_ct = np.diag([-1.0, -1.0, 1.0, 1.0]) @ np.linalg.inv(_to_world(ct)) @ _matrix(roi.GetObjectToWorldMatrix())
    corners = np.array([[*corner, 1.0] for corner in product(*((-half, half) for half in size / 2))]) @ to_ct.T
    axes = np.eye(3) if volume.sheared else np.reshape(volume.direction, (3, 3))
    own = corners[:, :3] @ axes
    lower, upper = (tuple(side.tolist()) for side in (own.min(axis=0), own.max(axis=0)))
    region = Region(lower, upper, tuple(axes.ravel().tolist()))
    region.index_box(volume)  # raises when it misses the CT
    return region


def as_region(box: Any, ct: Any) -> Region | None:
    """A box as a region: None, a Region, or a vtkMRMLMarkupsROINode; raises InputError for anything else."""
    if box is None or isinstance(box, Region):
        return box
    if hasattr(box, "IsA") and box.IsA(ROI_CLASS):
        return region_of(box, ct)
    raise InputError(f"region is {box!r}, expected a Markups ROI node or a Region")


def new_box(ct: Any) -> Any:
    """A ROI node to be drawn around the tumour, with a place in the views and none in the patient yet."""
    name = slicer.mrmlScene.GenerateUniqueName(f"{ct.GetName()} box")
    roi = slicer.mrmlScene.AddNewNodeByClass(ROI_CLASS, name)
    roi.CreateDefaultDisplayNodes()
    display = roi.GetDisplayNode()
    display.SetFillOpacity(0.0)  # the tumour has to be seen through it
    display.SetPropertiesLabelVisibility(False)
    return roi


def draw_with_the_mouse(roi: Any) -> None:
    """Let the next two clicks in a slice view draw a ROI."""
    logic = slicer.modules.markups.logic()
    logic.SetActiveList(roi)
    logic.StartPlaceMode(False)


def put_around(roi: Any, node: Any, segment_id: str) -> None:
    """Put a ROI around a segment with `MARGIN_MM` to spare, in the world, along the patient's axes."""
    bounds = np.zeros(6)
    segment = node.GetSegmentation().GetSegment(segment_id)
    segment.GetBounds(bounds)
    if node.GetParentTransformNode() is not None:
        bounds = _in_world(bounds, node)
    centre = (bounds[::2] + bounds[1::2]) / 2
    roi.SetCenterWorld(vtk.vtkVector3d(*centre))
    roi.SetSizeWorld(vtk.vtkVector3d(*(bounds[1::2] - bounds[::2] + 2 * MARGIN_MM)))


def _in_world(bounds: np.ndarray, node: Any) -> np.ndarray:
    corners = np.array([[*corner, 1.0] for corner in product(*zip(bounds[::2], bounds[1::2]))]) @ _to_world(node).T
    low, high = corners[:, :3].min(axis=0), corners[:, :3].max(axis=0)
    return np.stack([low, high], axis=1).ravel()


def _to_world(node: Any) -> np.ndarray:
    matrix = vtk.vtkMatrix4x4()
    slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(node.GetParentTransformNode(), None, matrix)
    return _matrix(matrix)


def _matrix(matrix: Any) -> np.ndarray:
    return slicer.util.arrayFromVTKMatrix(matrix)
