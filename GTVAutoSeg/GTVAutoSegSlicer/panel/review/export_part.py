"""The button that exports segments: asks what and where to, says what was written, and offers to send it."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from GTVAutoSegLib.report.export.carry_out import RTSTRUCT
from GTVAutoSegLib.report.export.exported import Exported, Region
from GTVAutoSegLib.report.record.audit import EXPORT
from GTVAutoSegLib.report.record.edits import describe_edit
from GTVAutoSegLib.system.names import counted

from ...failures import Failure
from ...run.work import Outcome
from ...scene.export.candidates import candidates
from ...scene.record.audit import note
from .export_dialog import ExportDialog, Wanted

FILE_NAME = "RTSTRUCT.dcm"
ZERO_WIDTH_SPACE = "\u200b"


class ExportPart:
    """Exports what the panel shows.

    Args:
        ui: the panel's widgets.
        segmentation: gives the segmentation that is shown, or None.
        export: begins to write what is wanted to a path.
        log: called with a line for the log.
        show_failure: called with what went wrong.
    """

    def __init__(
        self,
        ui: Any,
        segmentation: Callable[[], Any],
        export: Callable[[Path, Wanted], None],
        log: Callable[[str], None],
        show_failure: Callable[[Failure], None],
    ) -> None:
        self._ui, self._segmentation, self._export = ui, segmentation, export
        self._log, self._show_failure = log, show_failure
        self._folder = Path()
        self._written: Path | None = None
        ui.exportButton.connect("clicked(bool)", self.ask)
        ui.sendButton.connect("clicked(bool)", self.send)
        self.clear()

    def ask(self) -> None:
        """Ask for segments and a file, and write it; without a main window there is nobody to ask."""
        found = candidates(self._segmentation())
        if slicer.util.mainWindow() is None or not found:
            return
        wanted = ExportDialog(self._ui.exportButton, found, self._folder).ask()
        if wanted is None:
            return
        chosen = qt.QFileDialog.getSaveFileName(
            self._ui.exportButton,
            _("Export as DICOM"),
            str(self._folder / FILE_NAME),
            ";;".join(
                (
                    _("DICOM structure sets") + " (*.dcm)",
                    _("DICOM segmentations") + " (*.seg.dcm)",
                    _("All files") + " (*)",
                )
            ),
        )
        if chosen:
            self.clear()
            self._folder = Path(chosen).parent
            self._export(Path(chosen), wanted)

    def send(self) -> None:
        """Hand the file that was written last to Slicer's own DICOM send."""
        if slicer.util.mainWindow() is None or self._written is None:
            return
        try:
            from DICOMLib import DICOMSendDialog

            DICOMSendDialog([str(self._written)], slicer.util.mainWindow())
        except Exception as error:  # of Slicer's module, which may be missing or differ
            message = _("Slicer's DICOM send could not be opened ({error}); send {path} with the hospital's tools.")
            self._show_failure(
                Failure("export", message.format(error=error, path=self._written), details=traceback.format_exc())
            )

    def clear(self) -> None:
        """Say nothing."""
        self._written = None
        self._ui.exportStatus.text = ""
        self._ui.exportStatus.visible = self._ui.sendButton.visible = False

    def ended(self, outcome: Outcome) -> None:
        """An export is over."""
        if outcome.failure is None:
            self._tell(outcome.report, outcome.remarks)
        elif outcome.failure.code == "cancelled":
            self._say(str(outcome.failure))
        else:
            self._show_failure(outcome.failure)

    def _tell(self, exported: Exported, remarks: Sequence[str]) -> None:
        self._written = exported.path
        for one in exported.regions:
            how = one.algorithm or "not ours"
            checked = ", read back with DSC 1.0" if exported.kind == RTSTRUCT else ""
            self._log(f"export: {exported.kind}, {how}, {counted(one.slices, 'slice')}{checked}")
        regions = [one.figures for one in exported.regions]
        note(EXPORT, file=exported.path.name, regions=regions, approved=exported.approved, **exported.ct)
        self._say("\n".join([describe_export(exported), *remarks]), str(exported.path))
        self._ui.sendButton.visible = True

    def _say(self, text: str, tip: str = "") -> None:
        self._ui.exportStatus.text = breakable(text)
        self._ui.exportStatus.toolTip = tip
        self._ui.exportStatus.visible = True


def breakable(text: str) -> str:
    """A text whose long paths may go on in the next line after each folder: a label breaks lines at spaces only."""
    return "".join(f"{sign}{ZERO_WIDTH_SPACE}" if sign in "/\\" else sign for sign in text)


def describe_export(exported: Exported) -> str:
    """What was written where, and whether it is approved."""
    regions = ", ".join(_("{roi} ({how})").format(roi=one.name, how=_describe(one)) for one in exported.regions)
    lines = [_("{regions} was exported: {path}").format(regions=regions, path=exported.path)]
    if exported.base is not None:
        lines.append(_("The regions of {path} were kept.").format(path=exported.base.name))
    if exported.kind == RTSTRUCT:  # a SEG says nothing about it
        lines.append(_("The file says APPROVED.") if exported.approved else _("The file says UNAPPROVED."))
    return "\n".join(lines)


def _describe(region: Region) -> str:
    if region.edit is not None:
        return describe_edit(region.edit)
    known = {"AUTOMATIC": _("as the model drew it"), "SEMIAUTOMATIC": _("edited")}
    return known.get(region.algorithm, _("drawn or loaded"))
