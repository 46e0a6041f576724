"""A selector of values that a person may widen by a file of their own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

OWN = "own"


class Choices:
    """A combo box whose entries stand for values; its last one may ask for a .json file, whose path is then the value.

    Args:
        selector: the combo box.
        labels: texts by value, in order.
        own: title of the dialog that asks for a file; "" offers none.
    """

    def __init__(self, selector: Any, labels: Mapping[str, str], own: str = "") -> None:
        self._selector, self._own = selector, own
        self._values = [*labels, *([OWN] if own else [])]
        selector.elideMode = qt.Qt.ElideMiddle
        for text in [*labels.values(), *([_("File of your own...")] if own else [])]:
            selector.addItem(text)
        self._last = 0
        selector.connect("currentIndexChanged(int)", self._on_index)

    @property
    def value(self) -> str:
        """The value that is selected."""
        return self._values[self._last]

    def add_file(self, path: str) -> None:
        """Offer a file, and select it."""
        if path not in self._values:
            self._values.insert(len(self._values) - 1, path)
            self._selector.insertItem(len(self._values) - 2, Path(path).name)
        self._selector.setCurrentIndex(self._values.index(path))

    def _on_index(self, index: int) -> None:
        if self._values[index] != OWN:
            self._last = index
            return
        self._selector.setCurrentIndex(self._last)
        if slicer.util.mainWindow() is None:
            return
        chosen = qt.QFileDialog.getOpenFileName(self._selector, self._own, "", _("Settings") + " (*.json)")
        if chosen:
            self.add_file(str(chosen))
