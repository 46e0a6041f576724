"""Work beside Slicer's window, which never stands still: in a thread or a process, and a timer asks how far it is."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

import qt
import slicer

T = TypeVar("T")

INTERVAL_MS = 50
WAIT_S = 0.02
# A thread that is asked to end is waited for: a part of a CT takes longer only on a disk that is about to fail.
END_S = 5.0


class Background(Generic[T]):
    """Does something in a thread. It may touch neither the scene nor Qt.

    Slicer's event loop holds Python's lock. So the thread goes on only in code that needs no lock (files, NumPy's
    loops, SimpleITK), and while a timer's slot releases it: the fewer steps in Python, the better.

    Args:
        work: called in the thread, with a function that says whether the result is still wanted.
        then: called once from Qt's event loop when it is done, unless it was ended; without it somebody asks for
            `done`.
    """

    def __init__(self, work: Callable[[Callable[[], bool]], T], then: Callable[[], None] | None = None) -> None:
        self._then = then
        self._future: Future[T] = Future()
        self._wanted = True
        self._thread = threading.Thread(target=self._do, args=(work,), daemon=True)
        self._thread.start()
        self._poller: Poller | None = None
        if then is not None:
            self._poller = Poller(self._poll)
            self._poller.start()

    @property
    def done(self) -> bool:
        """Whether it has ended, well or not."""
        return not self._thread.is_alive()

    @property
    def error(self) -> BaseException | None:
        """What the work raised; None when it is not done, or has ended well."""
        return self._future.exception() if self._future.done() else None

    def value(self) -> T:
        """What the work returned; raises what it raised, or TimeoutError when it is not done."""
        return self._future.result(timeout=0)

    def wait(self) -> None:
        """Wait for it; for other threads than Slicer's."""
        self._thread.join()

    def end(self, seconds: float = END_S) -> None:
        """Ask for the end, and wait for it as long as this; `then` is not called any more."""
        self._wanted = False
        if self._poller is not None:
            self._poller.stop()
        self._thread.join(seconds)

    def _do(self, work: Callable[[Callable[[], bool]], T]) -> None:
        try:
            self._future.set_result(work(lambda: self._wanted))
        except Exception as error:  # whatever it is, `value` raises it where somebody can see it
            self._future.set_exception(error)

    def _poll(self) -> bool:
        if not self.done:
            return False
        if self._then is not None and self._poller is not None:
            self._poller.stop()  # first: what raises must not be called again
            self._then()
        return True


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


class Ongoing(ABC):
    """What a child process does for Slicer: it has one end, and Slicer's own end is one.

    A subclass carries its work on in `poll`, ends it in `abort`, and asks `_is_first_end` at its end. It calls this
    constructor last, once everything is under way: Slicer then knows it, and holds it until its end.
    """

    _finished = False

    def __init__(self) -> None:
        self._poller = Poller(self.poll)
        slicer.app.connect("aboutToQuit()", self.abort)

    def follow(self) -> None:
        """Let Qt's event loop carry it on."""
        self._poller.start()

    def wait(self) -> None:
        """Carry it on until it has ended; blocks."""
        while not self.poll():
            time.sleep(WAIT_S)

    @abstractmethod
    def poll(self) -> bool:
        """Carry it on without waiting; return whether it has ended."""

    @abstractmethod
    def abort(self) -> None:
        """End it now."""

    def _is_first_end(self) -> bool:
        """Let go of timer and Slicer; False where it has ended before."""
        if self._finished:
            return False
        self._finished = True
        self._poller.stop()
        slicer.app.disconnect("aboutToQuit()", self.abort)
        return True
