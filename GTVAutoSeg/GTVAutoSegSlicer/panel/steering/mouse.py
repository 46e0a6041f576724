"""What a plain label needs to be drawn on with numpy and to be clicked on.

A label with a picture and an event filter is what PythonQt is sure to do: Slicer's own script repository filters
events with a subclass of a Qt class, and a picture is loaded from bytes. A widget that paints itself would need virtual
methods that PythonQt calls for every repaint, and a plot view the layout's place and a chart's own clicks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import qt


class EventFilter(qt.QObject):
    """Hands some events of a widget to functions.

    Args:
        widget: what is watched; its child, so that both go together.
        handlers: by the type of event. A function is given the event; True keeps it from the widget.
    """

    def __init__(self, widget: Any, handlers: dict[int, Callable[[Any], bool]]) -> None:
        super().__init__(widget)
        self._handlers = {int(kind): handler for kind, handler in handlers.items()}
        widget.installEventFilter(self)

    def eventFilter(self, _watched: Any, event: Any) -> bool:
        """Called by Qt before the widget sees an event."""
        handler = self._handlers.get(int(event.type()))
        return handler is not None and bool(handler(event))


def place(event: Any) -> float:
    """How far from the left of its widget a mouse event is, pixels; Qt 5 and Qt 6 name it differently."""
    return float((event.position() if hasattr(event, "position") else event.localPos()).x())


def is_left(event: Any) -> bool:
    """Whether the left button was pressed or let go."""
    return int(event.button()) == int(qt.Qt.LeftButton)


def show_picture(label: Any, picture: np.ndarray) -> None:
    """Put a picture, uint8 (y, x, 3), on a label. The format is one that Qt reads without a plug-in."""
    height, width = picture.shape[:2]
    pixmap = qt.QPixmap()
    pixmap.loadFromData(qt.QByteArray(f"P6 {width} {height} 255\n".encode("ascii") + picture.tobytes()))
    label.setPixmap(pixmap)
