"""The dialog that asks which segments leave, as what, and whether a structure set of the hospital's is continued."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from GTVAutoSegLib.images.masks.terms import TYPES, names

from ...scene.export.candidates import Candidate, Choice

NAME, TYPE, COLOR = 1, 2, 3


@dataclass(frozen=True)
class Wanted:
    """What is to be exported, and the structure set that is continued or None."""

    choices: tuple[Choice, ...]
    base: Path | None = None


class ExportDialog:
    """A checked list of segments, our results checked first.

    Args:
        parent: a widget of the panel.
        found: the segments, at least one.
        folder: where a file is looked for first.
    """

    def __init__(self, parent: Any, found: Sequence[Candidate], folder: Path) -> None:
        self._found, self._folder = found, folder
        self.base: Path | None = None
        self.dialog = qt.QDialog(parent)
        self.dialog.windowTitle = _("Export segments")
        layout = qt.QVBoxLayout(self.dialog)
        self.table = self._table()
        layout.addWidget(self.table)
        self.addTo = qt.QPushButton(_("Add to an existing structure set..."))
        self.addTo.toolTip = _("Choose the hospital's RTSTRUCT: the export then holds its regions, as they are, too.")
        self.addTo.clicked.connect(self.choose_base)
        self.addToLabel = qt.QLabel(_("A new structure set is made."))
        self.addToLabel.wordWrap = True
        layout.addWidget(self.addTo)
        layout.addWidget(self.addToLabel)
        buttons = qt.QDialogButtonBox(qt.QDialogButtonBox.Ok | qt.QDialogButtonBox.Cancel)
        buttons.accepted.connect(self.dialog.accept)
        buttons.rejected.connect(self.dialog.reject)
        layout.addWidget(buttons)

    def ask(self) -> Wanted | None:
        """What the user wants; None when the dialog is cancelled or nothing is checked."""
        accepted = self.execute()
        wanted = Wanted(self.choices(), self.base)
        self.dialog.deleteLater()
        return wanted if accepted and wanted.choices else None

    def execute(self) -> bool:
        """Show the dialog and wait for its end."""
        return bool(self.dialog.exec_())

    def choices(self) -> tuple[Choice, ...]:
        """The checked rows."""
        rows = [row for row in range(len(self._found)) if self.table.item(row, 0).checkState() == qt.Qt.Checked]
        return tuple(
            Choice(
                self._found[row].segment_id,
                str(self.table.cellWidget(row, NAME).currentText).strip(),
                str(self.table.cellWidget(row, TYPE).currentText),
            )
            for row in rows
        )

    def choose_base(self) -> None:
        """Ask for the structure set to continue; cancelling makes a new one."""
        chosen = qt.QFileDialog.getOpenFileName(
            self.dialog,
            _("Structure set to add to"),
            str(self._folder),
            _("DICOM structure sets") + " (*.dcm);;" + _("All files") + " (*)",
        )
        self.base = Path(chosen) if chosen else None
        self.addToLabel.text = (
            _("The regions of {path} are kept beside the new ones.").format(path=self.base)
            if self.base
            else _("A new structure set is made.")
        )

    def _table(self) -> Any:
        table = qt.QTableWidget(len(self._found), 4)
        table.setHorizontalHeaderLabels([_("Segment"), _("Name in the file"), _("Type"), _("Color")])
        table.verticalHeader().setVisible(False)
        table.toolTip = _("Names of AAPM TG-263 are offered; at most 16 characters. Types are those of DICOM.")
        for row, one in enumerate(self._found):
            table.setItem(row, 0, self._check(one))
            table.setCellWidget(row, NAME, _choice([one.name, *(n for n in names() if n != one.name)], one.name, True))
            table.setCellWidget(row, TYPE, _choice(["", *TYPES], one.kind, False))
            table.setItem(row, COLOR, _colored(one.color))
        table.horizontalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        return table

    def _check(self, one: Candidate) -> Any:
        item = qt.QTableWidgetItem(one.name)
        item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable | qt.Qt.ItemIsUserCheckable)
        ours = one.ours or not any(other.ours for other in self._found)
        item.setCheckState(qt.Qt.Checked if ours else qt.Qt.Unchecked)
        return item


def _choice(texts: Sequence[str], chosen: str, editable: bool) -> Any:
    combo = qt.QComboBox()
    combo.editable = editable
    combo.addItems(list(texts))
    combo.setCurrentIndex(max(0, combo.findText(chosen)))
    return combo


def _colored(color: tuple[float, float, float]) -> Any:
    item = qt.QTableWidgetItem("")
    item.setFlags(qt.Qt.ItemIsEnabled)
    item.setBackground(qt.QBrush(qt.QColor(*(round(255 * part) for part in color))))
    return item
