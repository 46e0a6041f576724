"""Work in a thread beside Slicer's window: reading, writing and comparing voxels."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Background(Generic[T]):
    """Does something in a thread. It may touch neither the scene nor Qt.

    Slicer keeps Python's lock in its event loop. So the thread goes on only in code that needs no lock, as files,
    NumPy's loops and SimpleITK are, and while a timer's slot lets go of it: the fewer steps the better.

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

    def end(self, seconds: float) -> None:
        """Ask for the end, and wait for it as long as this."""
        self._wanted = False
        self._thread.join(seconds)

    def _do(self, work: Callable[[Callable[[], bool]], T]) -> None:
        try:
            self._value = work(lambda: self._wanted)
        except Exception as error:
            self.error = error
