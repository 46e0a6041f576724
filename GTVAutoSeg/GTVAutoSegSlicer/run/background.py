"""Work beside Slicer's window, which never stands still: a thread, and a timer that asks whether something is done."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

import qt

T = TypeVar("T")

INTERVAL_MS = 50
# A thread that is asked to end is waited for: a part of a CT takes longer only on a disk that is about to fail.
END_S = 5.0


class Background(Generic[T]):
    """Does something in a thread. It may touch neither the scene nor Qt.

    Slicer's event loop holds Python's lock. So the thread goes on only in code that needs no lock (files, NumPy's
    loops, SimpleITK), and while a timer's slot releases it: the fewer steps in Python, the better.

    Args:
        work: called in the thread, with a function that says whether the result is still wanted.
    """

    def __init__(self, work: Callable[[Callable[[], bool]], T]) -> None:
        self.error: Exception | None = None
        self._value: T | None = None
        self._wanted = True
        self._thread = threading.Thread(target=self._do, args=(work,), daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether it has ended, well or not."""
        return not self._thread.is_alive()

    def value(self) -> T:
        """What the work returned, once it is done; raises what the work raised."""
        if self.error is not None:
            raise self.error
        return self._value  # type: ignore[return-value]

    def wait(self) -> None:
        """Wait for it; for other threads than Slicer's."""
        self._thread.join()

    def end(self, seconds: float = END_S) -> None:
        """Ask for the end, and wait for it as long as this."""
        self._wanted = False
        self._thread.join(seconds)

    def _do(self, work: Callable[[Callable[[], bool]], T]) -> None:
        try:
            self._value = work(lambda: self._wanted)
        except Exception as error:
            self.error = error


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
