"""The card that says what went wrong and offers the one thing to do about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ..run.failures import Failure

# Code of a failure -> what its button does. The texts are below: they are translated when they are shown.
ACTIONS = {
    "input": "select-ct",
    "transform": "open-transforms",
    "model": "open-models",
    "torch-missing": "install-torch",
    "torch-broken": "reinstall-torch",
    "install": "install-torch",
    "device": "run-on-cpu",
    "memory": "run-on-cpu",
    "killed": "run-on-cpu",
    "disk": "run-again",
    "run": "run-on-cpu",
    "segment": "edit-segment",
    "no-dicom": "open-dicom",
    "export": "export-again",
    "collect": "edit-segment",
    "training": "open-learning",
    "box": "draw-box",
    "no-tumour": "draw-box",
    "doubtful": "draw-box",
    "unlike": "draw-box",
}
# What a second button does.
SECOND_ACTIONS = {
    "box": "draw-slices",
    "no-tumour": "draw-slices",
    "doubtful": "draw-slices",
    "unlike": "go-on",
    "collect": "open-learning",
}
# For what went wrong on the CPU already.
ACTIONS_ON_CPU = {"memory": "crop-ct", "killed": "run-again", "run": "run-again"}
# A run's worker has PyTorch's files open.
NOT_WHILE_RUNNING = {"install-torch", "reinstall-torch"}


class FailureCard:
    """Shows one failure at a time.

    Args:
        ui: the panel's widgets.
        actions: what the button does, by name.
    """

    def __init__(self, ui: Any, actions: Mapping[str, Callable[[], None]]) -> None:
        self._ui, self._actions = ui, actions
        self._action, self._second = "", ""
        self._running = False
        self.failure: Failure | None = None
        icon = slicer.app.style().standardIcon(qt.QStyle.SP_MessageBoxWarning)
        ui.failureIcon.setPixmap(icon.pixmap(24, 24))
        ui.failureActionButton.connect("clicked(bool)", lambda: self._act(self._action))
        ui.failureSecondButton.connect("clicked(bool)", lambda: self._act(self._second))
        ui.failureDetailsButton.connect("toggled(bool)", self._on_details)
        ui.failureCloseButton.connect("clicked(bool)", self.hide)
        self.hide()

    def show(self, failure: Failure, on_gpu: bool = False) -> None:
        """Show a failure.

        Args:
            failure: what happened.
            on_gpu: whether it may have happened on a GPU, so that the CPU is a way out.
        """
        self.failure = failure
        names = ACTIONS if on_gpu else {**ACTIONS, **ACTIONS_ON_CPU}
        self._action = names.get(failure.code, "copy-diagnostics")
        self._second = SECOND_ACTIONS.get(failure.code, "")
        ui = self._ui
        ui.failureSecondButton.visible = bool(self._second)
        ui.failureSecondButton.text = _label(self._second) if self._second else ""
        ui.failureTitle.text = _title(failure.code)
        ui.failureMessage.text = _sentence(failure.message) + (f" {failure.hint}" if failure.hint else "")
        ui.failureActionButton.text = _label(self._action)
        self.lock(self._running)
        ui.failureDetails.plainText = failure.details
        ui.failureDetailsButton.visible = bool(failure.details)
        ui.failureDetailsButton.checked = False
        ui.failureDetails.visible = False
        ui.failureCard.visible = True

    def lock(self, running: bool) -> None:
        """Offer only what may be done while a run goes on."""
        self._running = running
        self._ui.failureActionButton.enabled = not (running and self._action in NOT_WHILE_RUNNING)

    def hide(self) -> None:
        """Put the card away."""
        self.failure = None
        self._ui.failureCard.visible = False

    def _act(self, name: str) -> None:
        if name != "copy-diagnostics":
            self.hide()
        self._actions[name]()

    def _on_details(self, checked: bool) -> None:
        self._ui.failureDetails.visible = checked


def _title(code: str) -> str:
    titles = {
        "input": _("This volume cannot be segmented"),
        "transform": _("The CT lies under a deformable transform"),
        "model": _("The model is missing or damaged"),
        "torch-missing": _("PyTorch is not installed"),
        "torch-broken": _("PyTorch does not start"),
        "install": _("PyTorch was not installed"),
        "device": _("This device cannot be used"),
        "memory": _("Memory ran out"),
        "killed": _("The run was ended from outside"),
        "disk": _("The disk is full or cannot be written"),
        "run": _("The run failed"),
        "segment": _("The segment cannot be exported"),
        "no-dicom": _("The CT's DICOM slices are not at hand"),
        "export": _("The structure set was not written"),
        "collect": _("The case was not added to the training set"),
        "training": _("The training has stopped"),
        "box": _("This model needs a box around the tumour"),
        "no-tumour": _("No tumour was found"),
        "doubtful": _("Look at this result with care"),
        "unlike": _("This CT is unlike those the model was trained on"),
    }
    return titles.get(code, _("The run failed unexpectedly"))


def _label(action: str) -> str:
    labels = {
        "select-ct": _("Select another CT"),
        "open-transforms": _("Open Transforms"),
        "open-models": _("Open the models"),
        "install-torch": _("Install PyTorch..."),
        "reinstall-torch": _("Install PyTorch again..."),
        "run-on-cpu": _("Run on the CPU"),
        "run-again": _("Run again"),
        "crop-ct": _("Open Crop Volume"),
        "edit-segment": _("Open in Segment Editor"),
        "open-dicom": _("Open DICOM"),
        "export-again": _("Export again..."),
        "open-learning": _("Open the training set"),
        "draw-box": _("Draw a box"),
        "draw-slices": _("Draw some slices"),
        "go-on": _("Go on without a box"),
        "copy-diagnostics": _("Copy diagnostics"),
    }
    return labels[action]


def _sentence(text: str) -> str:
    """With a capital letter and a full stop, as people write."""
    return text[:1].upper() + text[1:].rstrip(".") + "."
