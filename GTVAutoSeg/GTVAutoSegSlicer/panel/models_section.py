"""The section for models: install, verify and remove them, and choose their folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from GTVAutoSegLib.errors import GTVAutoSegError
from GTVAutoSegLib.model.bundle import DESCRIPTION, verify_model
from GTVAutoSegLib.model.store import displaced_model, install_model, remove_model
from GTVAutoSegLib.system.names import counted

from ..models import choose_folder, chosen_folder
from .model_part import ModelPart
from .widgets import confirmed


class ModelsSection:
    """Works on the model that is selected above.

    Args:
        ui: the panel's widgets.
        models: the selector.
        on_selected: called with the id of a model that was installed.
    """

    def __init__(self, ui: Any, models: ModelPart, on_selected: Callable[[str], None]) -> None:
        self._ui, self._models, self._on_selected = ui, models, on_selected
        ui.modelStatus.text = _("Models are installed from a .zip or a folder; nothing is downloaded.")
        ui.modelFolderButton.elideMode = qt.Qt.ElideMiddle
        ui.modelFolderButton.directory = str(chosen_folder())
        ui.modelFolderButton.connect("directoryChanged(QString)", self._on_folder_changed)
        ui.installModelButton.connect("clicked(bool)", self._on_install)
        ui.verifyModelButton.connect("clicked(bool)", self._on_verify)
        ui.removeModelButton.connect("clicked(bool)", self._on_remove)

    def open(self) -> None:
        """Unfold the section."""
        self._ui.setupSection.collapsed = False
        self._ui.installModelButton.setFocus()

    def install(self, source: Path) -> None:
        """Install a bundle from its .zip, its folder, or the model.json in it."""
        source = source.parent if source.name == DESCRIPTION else source
        if not self._may_replace(source):
            return

        def work() -> str:
            bundle = install_model(source, chosen_folder())
            self._models.refresh()
            self._on_selected(bundle.info.id)
            return _("{title} {version} is installed.").format(title=bundle.info.title, version=bundle.info.version)

        self._report(work)

    def _may_replace(self, source: Path) -> bool:
        """Whether another model of the same id, if there is one, is to give way; without a window nobody is asked."""
        try:
            other = displaced_model(source, chosen_folder())
        except GTVAutoSegError:
            return True  # installing it says what is wrong
        if other is None:
            return True
        question = _("'{id}' is the model {title} {version} now. Replace it?").format(
            id=other.info.id, title=other.info.title, version=other.info.version
        )
        return confirmed(question)

    def _on_install(self) -> None:
        kinds = _("Models") + f" (*.zip {DESCRIPTION})"
        chosen = qt.QFileDialog.getOpenFileName(self._ui.setupSection, _("Install a model"), "", kinds)
        if chosen:
            self.install(Path(chosen))

    def _on_verify(self) -> None:
        def work() -> str:
            bundle = verify_model(self._selected())
            count = len(bundle.info.weight_files)
            return _("{id}: {files}, whole and unchanged.").format(
                id=bundle.info.id, files=counted(count, _("weight file"), _("weight files"))
            )

        self._report(work)

    def _on_remove(self) -> None:
        question = _("Remove the model '{id}' from this computer?").format(id=self._models.selected_id)
        if not confirmed(question):
            return

        def work() -> str:
            path = remove_model(self._selected(), chosen_folder())
            self._models.refresh()
            self._on_selected(self._models.selected_id)
            return _("{path} was removed.").format(path=path)

        self._report(work)

    def _on_folder_changed(self, folder: str) -> None:
        choose_folder(folder)
        self._models.refresh()

    def _selected(self) -> Path:
        return self._models.selected or Path()

    def _report(self, work: Callable[[], str]) -> None:
        """Do something and say how it went, below the buttons."""
        with slicer.util.WaitCursor():
            try:
                self._ui.modelStatus.text = work()
            except GTVAutoSegError as error:
                self._ui.modelStatus.text = str(error)
