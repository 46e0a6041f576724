"""Everything that goes wrong while a test runs and that Slicer would only print.

Slicer writes VTK errors, exceptions raised inside slots and connections that could not be made to its log and carries
on. A test must not carry on: whatever is recorded here fails it, unless the test has taken it out with
:meth:`ErrorsCaught.take` because it was expected.
"""

from __future__ import annotations

import sys
import traceback
from dataclasses import dataclass
from types import TracebackType

import vtk

VTK_ERROR = "VTK error"
VTK_WARNING = "VTK warning"
SLOT = "exception in a slot"
OBSERVER = "exception in a VTK observer or a Qt virtual method"
CONNECT = "failed connect"
USER_INTERFACE = "problem in a .ui file"
QT_WARNING = "Qt warning"
BLOCKED = "dialog nobody can answer"
LEAK = "left behind"


@dataclass(frozen=True)
class Caught:
    """One thing that went wrong."""

    kind: str
    message: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


class ErrorsCaught:
    """The list of what went wrong since the last :meth:`clear`."""

    def __init__(self) -> None:
        self.items: list[Caught] = []
        self._window: vtk.vtkOutputWindow | None = None

    def record(self, kind: str, message: str) -> None:
        self.items.append(Caught(kind, message.strip()))

    def record_exception(self, kind: str, error: BaseException) -> None:
        """Record an exception with its traceback, and print it as PythonQt does."""
        text = "".join(traceback.format_exception(error))
        self.record(kind, text)
        print(text, file=sys.stderr, end="")

    def clear(self) -> None:
        self.items.clear()

    def of_kind(self, kind: str) -> list[str]:
        return [item.message for item in self.items if item.kind == kind]

    def take(self, kind: str, containing: str = "") -> list[str]:
        """Remove and return the expected messages of one kind; an empty list if there were none."""
        taken = [item for item in self.items if item.kind == kind and containing in item.message]
        self.items = [item for item in self.items if item not in taken]
        return [item.message for item in taken]

    def listen_to_vtk(self) -> None:
        """Send every VTK and MRML error or warning here instead of to a window or stderr."""
        vtk.vtkLogger.SetStderrVerbosity(vtk.vtkLogger.VERBOSITY_OFF)
        self._window = vtk.vtkStringOutputWindow()
        self._window.AddObserver("ErrorEvent", self._on_error)
        self._window.AddObserver("WarningEvent", self._on_warning)
        vtk.vtkOutputWindow.SetInstance(self._window)

    def listen_to_uncaught_exceptions(self) -> None:
        """Record what VTK and shiboken print through ``sys.excepthook`` and then forget."""
        before = sys.excepthook

        def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
            self.record(OBSERVER, "".join(traceback.format_exception(kind, error, trace)))
            before(kind, error, trace)

        sys.excepthook = hook

    @vtk.calldata_type(vtk.VTK_STRING)
    def _on_error(self, _caller: vtk.vtkObject, _event: str, message: str) -> None:
        self.record(VTK_ERROR, message)

    @vtk.calldata_type(vtk.VTK_STRING)
    def _on_warning(self, _caller: vtk.vtkObject, _event: str, message: str) -> None:
        self.record(VTK_WARNING, message)


errors = ErrorsCaught()
