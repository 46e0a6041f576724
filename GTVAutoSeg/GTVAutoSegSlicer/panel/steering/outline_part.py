"""The selector of the segment that is steered: the last result, or any other of the segmentation, drawn ones too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from ..widgets import fill


class OutlinePart:
    """Lists the segments of the result.

    Args:
        ui: the panel's widgets.
        on_selected: called with the id of the segment the user selects.
    """

    def __init__(self, ui: Any, on_selected: Callable[[str], None]) -> None:
        self._selector = ui.outlineSelector
        self._on_selected = on_selected
        self._ids: list[str] = []
        self._selector.connect("currentIndexChanged(int)", self._on_index_changed)
        self.show(None, "")

    def show(self, node: Any, selected: str) -> str:
        """List the segments of a segmentation, and show one as selected.

        Returns:
            The id of the selected one: the first where there is no such segment, "" where there is none at all.
        """
        segmentation = node.GetSegmentation() if node is not None else None
        self._ids = list(segmentation.GetSegmentIDs()) if segmentation is not None else []
        names = [segmentation.GetSegment(segment_id).GetName() for segment_id in self._ids]
        if selected not in self._ids:
            selected = self._ids[0] if self._ids else ""
        shown = self._ids.index(selected) if selected else 0
        fill(self._selector, names or [_("nothing is outlined yet")], shown)
        self._selector.enabled = len(self._ids) > 0
        return selected

    def _on_index_changed(self, index: int) -> None:
        if 0 <= index < len(self._ids):
            self._on_selected(self._ids[index])
