"""The slice strip: shows every slice at once; a click goes to a slice, dragging an end changes the range."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import qt
from slicer.i18n import tr as _

from .mouse import EventFilter, is_left, place, show_picture
from .strip_picture import BRIGHT, DARK, Strip, draw, end_at, slice_at

# Of a colour's lightness: darker paper is that of a dark theme.
HALF = 128


class StripPart:
    """Draws the strip and tells what is done with the mouse.

    Args:
        ui: the panel's widgets.
        on_slice: called with the slice that is clicked on.
        on_range: called with the first and the last slice once an end was dragged; -1 for an end that nobody has named,
            and for both after a double click.
    """

    def __init__(self, ui: Any, on_slice: Callable[[int], None], on_range: Callable[[int, int], None]) -> None:
        self._label = ui.stripLabel
        self._on_slice, self._on_range = on_slice, on_range
        self._dragged: int | None = None
        self._pressed = False
        self.strip = Strip()
        self._label.toolTip = _(
            "One column a slice. Blue: how sure the classifier is that it shows tumour. Red: the area outlined. Green: "
            "slices that are yours. Grey: where the last run looked. Black: the slice shown. Click to go to a slice; "
            "drag an orange end to choose a range; double-click to choose all."
        )
        self._filter = EventFilter(
            self._label,
            {
                qt.QEvent.MouseButtonPress: self._press,
                qt.QEvent.MouseMove: self._move,
                qt.QEvent.MouseButtonRelease: self._release,
                qt.QEvent.MouseButtonDblClick: self._double_click,
                qt.QEvent.Resize: self._resized,
            },
        )

    def show(self, strip: Strip) -> None:
        """Show another strip; not while an end is dragged."""
        if self._dragged is None and strip != self.strip:
            self.strip = strip
            self._draw()

    def show_slice(self, index: int | None) -> None:
        """Another slice is shown in the axial view."""
        self.show(replace(self.strip, shown=index))

    def _draw(self) -> None:
        dark = self._label.palette.color(qt.QPalette.Base).lightness() < HALF
        size = max(self._label.width, 16), max(self._label.height, 32)
        show_picture(self._label, draw(self.strip, *size, DARK if dark else BRIGHT))

    def _slice(self, event: Any) -> int:
        return slice_at(place(event), self._label.width, self.strip.count)

    def _press(self, event: Any) -> bool:
        if not self.strip.count or not self._label.enabled or not is_left(event):
            return False
        self._pressed = True
        self._dragged = end_at(place(event), self._label.width, self.strip)
        if self._dragged is None:
            self._on_slice(self._slice(event))
        return True

    def _move(self, event: Any) -> bool:
        if not self._pressed:
            return False
        if self._dragged is None:
            self._on_slice(self._slice(event))
        else:
            # The right end lies behind its slice.
            edge = round(place(event) * self.strip.count / max(self._label.width, 1))
            index = min(max(edge - self._dragged, 0), self.strip.count - 1)
            ends = list(self.strip.ends)
            ends[self._dragged] = index
            ends[1 - self._dragged] = (max if self._dragged == 0 else min)(ends[1 - self._dragged], index)
            given = tuple(known or side == self._dragged for side, known in enumerate(self.strip.given))
            self.strip = replace(self.strip, ends=(ends[0], ends[1]), given=(given[0], given[1]))
            self._draw()
        return True

    def _release(self, event: Any) -> bool:
        if not self._pressed or not is_left(event):
            return False
        was_dragged, self._dragged, self._pressed = self._dragged is not None, None, False
        if was_dragged:
            first, last = (end if given else -1 for end, given in zip(self.strip.ends, self.strip.given))
            self._on_range(first, last)
        return True

    def _double_click(self, event: Any) -> bool:
        if not self.strip.count or not self._label.enabled or not is_left(event):
            return False
        self._dragged, self._pressed = None, False
        self._on_range(-1, -1)
        return True

    def _resized(self, _: Any) -> bool:
        self._draw()
        return False
