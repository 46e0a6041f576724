"""The button that exports a structure set: asks for the file, and says where it went."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ..run.failures import Failure
from ..scene.export import Exported

FILE_NAME = "RTSTRUCT.dcm"


class ExportPart:
    """Exports what the panel shows.

    Args:
        ui: the panel's widgets.
        export: writes a structure set to a path; raises Failure.
        log: called with a line for the log.
        show_failure: called with what went wrong.
    """

    def __init__(
        self,
        ui: Any,
        export: Callable[[Path], Exported],
        log: Callable[[str], None],
        show_failure: Callable[[Failure], None],
    ) -> None:
        self._ui, self._export, self._log, self._show_failure = ui, export, log, show_failure
        self._folder = Path()
        ui.exportButton.connect("clicked(bool)", self.ask)
        self.clear()

    def ask(self) -> None:
        """Ask for a file and write it; without a main window there is nobody to ask."""
        if slicer.util.mainWindow() is None:
            return
        chosen = qt.QFileDialog.getSaveFileName(
            self._ui.exportButton,
            _("Export RTSTRUCT"),
            str(self._folder / FILE_NAME),
            _("DICOM structure sets") + " (*.dcm);;" + _("All files") + " (*)",
        )
        if chosen:
            self._write(Path(chosen))

    def clear(self) -> None:
        """Say nothing."""
        self._ui.exportStatus.text = ""
        self._ui.exportStatus.visible = False

    def _write(self, path: Path) -> None:
        self.clear()
        self._folder = path.parent
        try:
            with slicer.util.WaitCursor():
                exported = self._export(path)
        except Failure as failure:
            self._show_failure(failure)
        except Exception as error:
            # Slicer would print it where nobody looks.
            message = f"the export failed ({type(error).__name__}: {error}); report it with the details"
            self._show_failure(Failure("export", message, details=traceback.format_exc()))
        else:
            self._log(f"export: RTSTRUCT, {exported.algorithm}, {exported.slices} slices, read back with DSC 1.0")
            self._ui.exportStatus.text = describe_export(exported)
            self._ui.exportStatus.toolTip = str(exported.path)  # a long path does not fit into a narrow panel
            self._ui.exportStatus.visible = True


def describe_export(exported: Exported) -> str:
    """What was written where, in one line."""
    how = _("as the model drew it") if exported.algorithm == "AUTOMATIC" else _("edited")
    return _("{roi} ({how}) was exported: {path}").format(roi=exported.roi, how=how, path=exported.path)
