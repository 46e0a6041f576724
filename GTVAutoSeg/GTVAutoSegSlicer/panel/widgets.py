"""What several parts of the panel do with a selector, and how they ask a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import slicer


@contextmanager
def quiet(widget: Any) -> Iterator[None]:
    """Change a widget without its signals, which tell what a person does with it."""
    was_blocked = widget.blockSignals(True)
    try:
        yield
    finally:
        widget.blockSignals(was_blocked)


def fill(selector: Any, texts: Iterable[str], selected: int) -> None:
    """Let a combo box list these texts, one of them selected by its index, -1 for none; it sends no signal."""
    with quiet(selector):
        selector.clear()
        for text in texts:
            selector.addItem(text)
        selector.setCurrentIndex(selected)


def confirmed(question: str, title: str = "") -> bool:
    """Ask, and return whether the person agrees; without a main window there is nobody to ask, and nobody agrees."""
    if slicer.util.mainWindow() is None:
        return False
    return bool(slicer.util.confirmOkCancelDisplay(question, windowTitle=title or None))
