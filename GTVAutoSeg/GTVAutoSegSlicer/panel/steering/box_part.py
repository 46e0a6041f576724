"""The box around the tumour: which ROI is taken, and the button that draws one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer

from ...scene.steering.box import draw_with_the_mouse, new_box, put_around


class BoxPart:
    """Makes boxes.

    Args:
        ui: the panel's widgets.
        place: gives the CT, the segmentation and the id of the segment that is steered, or None and "" for these.
        on_made: called with each box made.
    """

    def __init__(self, ui: Any, place: Callable[[], tuple[Any, Any, str]], on_made: Callable[[Any], None]) -> None:
        self._ui, self._place, self._on_made = ui, place, on_made
        ui.drawBoxButton.connect("clicked(bool)", self.draw)

    def draw(self) -> None:
        """Make a box: around the outline where there is one, otherwise the next two clicks in a slice view draw it."""
        ct, node, segment_id = self._place()
        if ct is None:
            return
        box = new_box(ct)
        if segment_id and node.GetSegmentation().GetSegment(segment_id) is not None:
            put_around(box, node, segment_id)
        if not any(box.GetSize()) and slicer.app.layoutManager() is not None:
            draw_with_the_mouse(box)
        self._on_made(box)

    def lock(self, locked: bool) -> None:
        """Offer nothing while a run goes on, or without a CT."""
        self._ui.boxSelector.enabled = self._ui.drawBoxButton.enabled = not locked
