"""The panel's learning: corrected cases are collected, and a model is made of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...run.collecting import CollectRequest
from ...run.failures import Failure
from ...run.run import Outcome
from .collect_part import CollectPart, collect_failure, describe_collected, note_collected
from .training_set_part import TrainingSetPart


@dataclass(frozen=True)
class LearningHost:
    """What the learning needs of the panel.

    Attributes:
        logic: a GTVAutoSegLogic.
        start: starts a run; takes what begins it, and a line for the log.
        say: shows a sentence.
        show_failure: called with what went wrong.
    """

    logic: Any
    start: Callable[[Callable[..., Any], str], None]
    say: Callable[[str], None]
    show_failure: Callable[[Failure], None]


class Learning:
    """Puts the parts together.

    Args:
        ui: the panel's widgets.
        host: the panel.
    """

    def __init__(self, ui: Any, host: LearningHost) -> None:
        self._ui, self._host = ui, host
        self.collecting = CollectPart(ui, host.start, host.logic)
        self.training_set = TrainingSetPart(ui, lambda: None)

    def follow(self, node: Any, segment_id: str, ct: Any, locked: bool) -> None:
        """Follow what the panel shows."""
        self.collecting.follow(node, segment_id, ct, locked)

    def stop(self) -> None:
        """Let go of the scene."""
        self.collecting.stop()

    def open(self) -> None:
        """Unfold the section."""
        self._ui.learningSection.collapsed = False
        self._ui.trainingSetButton.setFocus()

    def finished(self, outcome: Outcome) -> bool:
        """Take the end of a run that was ours; return whether it was."""
        if not isinstance(outcome.request, CollectRequest):
            return False
        if outcome.failure is not None:
            self._host.show_failure(collect_failure(outcome.failure))
        else:
            note_collected(outcome)
            self._host.say(describe_collected(outcome))
        self.training_set.refresh()
        return True
