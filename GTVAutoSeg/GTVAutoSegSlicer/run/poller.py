"""Calling a function on Slicer's main thread until it is done."""

from __future__ import annotations

from collections.abc import Callable

import qt

INTERVAL_MS = 50


class Poller:
    """Calls ``poll`` from Qt's event loop until it returns True.

    Connected only while it runs: PythonQt's end of a connection holds the method, and with it this object, the timer
    and all that ``poll`` belongs to, and Python's garbage collector cannot see that.

    Args:
        poll: asked every `INTERVAL_MS`; never called while it is running.
    """

    def __init__(self, poll: Callable[[], bool]) -> None:
        self._poll = poll
        self._busy = False
        self._timer = qt.QTimer()
        self._timer.setInterval(INTERVAL_MS)

    def start(self) -> None:
        """Begin; needs a running event loop."""
        if not self._timer.active:
            self._timer.connect("timeout()", self._tick)
            self._timer.start()

    def stop(self) -> None:
        """End, whether done or not."""
        if self._timer.active:
            self._timer.stop()
            self._timer.disconnect("timeout()", self._tick)

    def _tick(self) -> None:
        # Building the segmentation may let Slicer process events, timers included.
        if self._busy:
            return
        self._busy = True
        try:
            if self._poll():
                self.stop()
        finally:
            self._busy = False
