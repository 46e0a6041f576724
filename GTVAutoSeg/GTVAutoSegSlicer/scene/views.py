"""Bringing a result before the user's eyes: slice views, Segment Editor."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk

from .files import is_grey, volume_of


def show_segment(node: Any, segment_id: str) -> None:
    """Move the slice views to the middle of a segment."""
    centre = node.GetSegmentCenterRAS(segment_id)
    if centre is not None:
        slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *centre, slicer.vtkMRMLSliceNode.CenteredJumpSlice)


def open_in_segment_editor(node: Any, segment_id: str, ct: Any) -> None:
    """Switch to the Segment Editor with a segment ready to be corrected."""
    slicer.util.selectModule("SegmentEditor")
    editor = slicer.modules.segmenteditor.widgetRepresentation().self().editor
    # In this order: each of them resets the next.
    editor.setSegmentationNode(node)
    editor.setSourceVolumeNode(ct)
    editor.setCurrentSegmentID(segment_id)


def axial_views() -> list[Any]:
    """The slice views that look along head-feet; without one, all slice views."""
    nodes = slicer.util.getNodesByClass("vtkMRMLSliceNode")
    return [node for node in nodes if node.GetOrientation() == "Axial"] or nodes


def shown_slice(ct: Any) -> int | None:
    """The slice of a CT that the first axial view shows, as a viewer of the file counts; None beside the CT."""
    views = axial_views()
    if not views or not is_grey(ct) or not _is_placed(ct):
        return None
    centre = slicer.util.arrayFromVTKMatrix(views[0].GetSliceToRAS())[:, 3]
    axis = volume_of(ct).axial.axes[0]
    index = float((np.linalg.inv(ijk_to_world(ct)) @ centre)[2 - axis])
    count = ct.GetImageData().GetDimensions()[2 - axis]
    return round(index) if -0.5 <= index < count - 0.5 else None


def _is_placed(ct: Any) -> bool:
    """Whether a slice of a CT is plane in the world, too."""
    transform = ct.GetParentTransformNode()
    return transform is None or bool(transform.IsTransformToWorldLinear())


def show_slice(ct: Any, index: int) -> None:
    """Move the axial views to a slice of a CT; what they show of it stays where it is."""
    axis = volume_of(ct).axial.axes[0]
    for view in axial_views():
        # Where the view looks now, moved along the CT's axis: an oblique CT is not left sideways.
        centre = slicer.util.arrayFromVTKMatrix(view.GetSliceToRAS())[:, 3]
        place = np.linalg.inv(ijk_to_world(ct)) @ centre
        place[2 - axis] = index
        view.JumpSliceByOffsetting(*(ijk_to_world(ct) @ place)[:3].tolist())


def ijk_to_world(ct: Any) -> np.ndarray:
    """From voxels (x, y, z) of a volume to the world: RAS, mm; 4 x 4."""
    own, above = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    ct.GetIJKToRASMatrix(own)
    slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(ct.GetParentTransformNode(), None, above)
    return slicer.util.arrayFromVTKMatrix(above) @ slicer.util.arrayFromVTKMatrix(own)
