"""Bringing a result before the user's eyes: slice views, Segment Editor."""

from __future__ import annotations

from typing import Any

import slicer


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
