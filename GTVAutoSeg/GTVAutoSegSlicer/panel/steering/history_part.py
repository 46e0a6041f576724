"""The buttons that take steps back and make them again, and what they say about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from GTVAutoSegLib.images.masks.stored import Box

from ...scene.files import volume_of
from ...scene.history import History, Undo, Undone
from ...scene.ownership import own_box
from ...scene.steering.change import Change
from ..result_part import describe_change


class HistoryPart:
    """Undo and Redo.

    Args:
        ui: the panel's widgets.
        show: called with the sentence that says what became of a click.
        changed: called after each click.
    """

    def __init__(self, ui: Any, show: Callable[[str], None], changed: Callable[[], None]) -> None:
        self._ui, self._show, self._changed = ui, show, changed
        self._history = History()
        ui.undoButton.connect("clicked(bool)", self._undo)
        ui.redoButton.connect("clicked(bool)", self._redo)
        self.lock(False)

    def add(self, step: Undo) -> None:
        """A step was made."""
        self._history.add(step)

    def clear(self) -> None:
        """Forget all steps: their scene is gone."""
        self._history.clear()

    def lock(self, running: bool) -> None:
        """Offer nothing while a run goes on."""
        self._ui.undoButton.enabled = self._history.last is not None and not running
        self._ui.redoButton.enabled = self._history.next is not None and not running

    def _undo(self) -> None:
        if (step := self._history.last) is not None:
            self._go(step, self._history.undo, _("Taken back: {step}.").format(step=step.title))

    def _redo(self) -> None:
        if (step := self._history.next) is not None:
            self._go(step, self._history.redo, _("Made again: {step}.").format(step=step.title))

    def _go(self, step: Undo, move: Callable[[], Undone], text: str) -> None:
        name, before = step.name, _box(step)
        outcome = move()
        if outcome is Undone.EDITED:
            text = _(
                "The segment was edited since, so it stays as it is; take the edit back in Segment Editor, or delete "
                "the segment by hand if it shall go."
            )
        elif outcome is Undone.GONE:
            text = _("The segment is no longer there, so nothing was changed.")
        else:
            change = Change.between(before, _box(step), volume_of(step.ct))
            text += " " + describe_change(step.name or name, change)
        self._show(text)
        self._changed()


def _box(step: Undo) -> Box | None:
    """The segment on the grid of its CT; None when it is gone, or not on that grid."""
    if not step.name or step.node.GetScene() is None or step.ct.GetScene() is None:
        return None
    return own_box(step.node, step.segment_id, step.ct)
