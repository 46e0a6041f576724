"""Where a segmentation lies: beside its CT, under the same transform, on the same grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk

REFERENCE_ROLE = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
FILL_OPACITY = 0.25


def place_beside(node: Any, ct: Any) -> None:
    """Same transform, same study in the subject hierarchy, same geometry as the CT; stored as labelmaps."""
    # Surfaces whose segments were all deleted would otherwise stay the source, and the mask be lost.
    node.GetSegmentation().SetSourceRepresentationName(
        slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    )
    node.SetAndObserveTransformNodeID(ct.GetTransformNodeID())
    node.SetReferenceImageGeometryParameterFromVolumeNode(ct)
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
        node.GetDisplayNode().SetOpacity2DFill(FILL_OPACITY)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    study = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(ct))
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(node), study)


def same_place(node: Any, ct: Any) -> bool:
    """Whether a segmentation and a CT lie under transforms that come to the same."""
    between = vtk.vtkMatrix4x4()
    first, second = node.GetParentTransformNode(), ct.GetParentTransformNode()
    if first is second:
        return True
    if any(transform is not None and not transform.IsTransformToWorldLinear() for transform in (first, second)):
        return False
    slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(first, second, between)
    return np.allclose(slicer.util.arrayFromVTKMatrix(between), np.eye(4), rtol=0, atol=1e-4)
