"""What came of the last training: its report, its comparison with the present model, and then the way to use it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from GTVAutoSegLib.errors import GTVAutoSegError
from GTVAutoSegLib.model.store import install_model

from ...models import chosen_folder
from ...training.folder import TrainingFolder
from ..widgets import confirmed
from .training_words import describe_cases, describe_last

WORSE = "worse"


class OutcomePart:
    """Shows the training begun last, and installs its model.

    Args:
        ui: the panel's widgets.
        on_installed: called with the id of a model that was installed, and a sentence that says so.
    """

    def __init__(self, ui: Any, on_installed: Callable[[str, str], None]) -> None:
        self._ui, self._on_installed = ui, on_installed
        self._folder: TrainingFolder | None = None
        ui.reportButton.connect("clicked(bool)", lambda: self._open(self._report()))
        ui.comparisonButton.connect("clicked(bool)", lambda: self._open(self._comparison()))
        ui.useModelButton.connect("clicked(bool)", self.use)
        self.show(None, running=False)

    def show(self, folder: TrainingFolder | None, running: bool) -> None:
        """Show a training; while one goes on, its progress is shown instead."""
        ui = self._ui
        self._folder = None if running else folder
        compared, status, can_be_used = None, "", False
        if self._folder is not None:
            try:
                compared, status = self._folder.compared, describe_last(self._folder)
                can_be_used = self._folder.has_ended
            except GTVAutoSegError as error:
                status = str(error)
        if not running:
            ui.trainingStatus.text = status
        ui.comparisonText.plainText = "" if compared is None else describe_cases(compared)
        ui.comparisonText.visible = compared is not None
        ui.reportButton.visible = self._report() is not None
        ui.comparisonButton.visible = self._comparison() is not None
        ui.useModelButton.visible = can_be_used
        in_use = can_be_used and self._folder is not None and self._folder.is_installed
        ui.useModelButton.enabled = can_be_used and not in_use
        ui.useModelButton.text = _("Installed") if in_use else _("Use this model")

    def use(self) -> None:
        """Install the new model; a person who was told that it is worse is asked once more."""
        folder = self._folder
        if folder is None or folder.end is None:
            return
        verdict = (folder.compared or {}).get("verdict")
        question = _("The comparison says that the new model is worse than the present one. Use it all the same?")
        if verdict == WORSE and not confirmed(question):
            return
        try:
            with slicer.util.WaitCursor():
                bundle = install_model(folder.end.model, chosen_folder())
        except GTVAutoSegError as error:
            self._ui.trainingStatus.text = str(error)
            return
        text = _("{title} {version} is in use now. The one before it is kept: choose it above to bring it back.")
        self._on_installed(bundle.info.id, text.format(title=bundle.info.title, version=bundle.info.version))

    def _report(self) -> Path | None:
        end = self._folder.end if self._folder is not None else None
        return _there(Path(end.report)) if end is not None and end.report else None

    def _comparison(self) -> Path | None:
        return _there(self._folder.comparison / "comparison.html") if self._folder is not None else None

    def _open(self, path: Path | None) -> None:
        if path is not None:
            qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(path)))


def _there(path: Path) -> Path | None:
    return path if path.is_file() else None
