"""The folder of the training set, and what is in it: cases, patients, and how much was edited."""

from __future__ import annotations

from typing import Any

import qt
from slicer.i18n import tr as _

from GTVAutoSegLib.errors import GTVAutoSegError
from GTVAutoSegLib.system.names import counted
from GTVAutoSegLib.training.data.collected.summary import DatasetSummary, summarise_dataset

from ...training.places import choose_dataset, chosen_dataset


class TrainingSetPart:
    """Shows the training set while its section is unfolded: a folder on a drive that is away is slow to say so.

    Args:
        ui: the panel's widgets.
        on_changed: called when the user has chosen another folder.
    """

    def __init__(self, ui: Any, on_changed: Any) -> None:
        self._ui, self._on_changed = ui, on_changed
        self.summary = DatasetSummary()
        ui.trainingSetStatus.text = ""
        ui.trainingSetButton.elideMode = qt.Qt.ElideMiddle
        ui.trainingSetButton.directory = str(chosen_dataset())
        ui.trainingSetButton.connect("directoryChanged(QString)", self._on_folder_changed)
        ui.learningSection.connect("contentsCollapsed(bool)", self._on_collapsed)

    def refresh(self) -> None:
        """Look at the folder anew, when its section is unfolded."""
        if self._ui.learningSection.collapsed:
            return
        self.summary = DatasetSummary()
        try:
            self.summary = summarise_dataset(chosen_dataset())
            text = describe_summary(self.summary)
        except GTVAutoSegError as error:
            text = str(error)
        except OSError as error:
            text = _("The folder cannot be read ({reason}): connect its drive, or choose another folder.").format(
                reason=error.strerror or error
            )
        self._ui.trainingSetStatus.text = text
        self._ui.trainingSetStatus.toolTip = str(chosen_dataset())

    def _on_collapsed(self, collapsed: bool) -> None:
        if not collapsed:
            self.refresh()
            self._on_changed()

    def _on_folder_changed(self, folder: str) -> None:
        choose_dataset(folder)
        self.refresh()
        self._on_changed()


def describe_summary(summary: DatasetSummary) -> str:
    """The figures of a data set, for people."""
    if not summary.cases:
        return _("No case yet. Correct an outline, approve it, and click 'Add to training set'.")
    text = _("{cases} of {patients}").format(
        cases=counted(summary.cases, _("case"), _("cases")),
        patients=counted(summary.patients, _("patient"), _("patients")),
    )
    if not summary.measured:
        return text + _("; how much was edited is not known.")
    return text + _("; edited on average {length:.0f} mm of outline and {change:.1f} mL ({measured} known).").format(
        length=summary.added_path_length_mm, change=summary.volume_change_ml, measured=summary.measured
    )
