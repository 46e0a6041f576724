"""Calling a function on Slicer's main thread until it is done."""

from __future__ import annotations

from collections.abc import Callable

import qt

INTERVAL_MS = 50


class Poller:
    """Calls ``poll`` from Qt's event loop until it returns True.

    Args:
        poll: asked every `INTERVAL_MS`; never called while it is running.
    """

    def __init__(self, poll: Callable[[], bool]) -> None:
        self._poll = poll
        self._busy = False
        self._timer = qt.QTimer()
        self._timer.setInterval(INTERVAL_MS)
        self._timer.connect("timeout()", self._tick)

    def start(self) -> None:
        """Begin; needs a running event loop."""
        self._timer.start()

    def stop(self) -> None:
        """End, whether done or not."""
        self._timer.stop()

    def _tick(self) -> None:
        # Building the segmentation may let Slicer process events, timers included.
        if self._busy:
            return
        self._busy = True
        try:
            if self._poll():
                self._timer.stop()
        finally:
            self._busy = False
