"""The card that says what went wrong and offers the one thing to do about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ..failures import Failure

# A run's worker has PyTorch's files open.
NOT_WHILE_RUNNING = {"install-torch", "reinstall-torch"}


@dataclass(frozen=True)
class Card:
    """What is said about a kind of failure, and offered.

    Attributes:
        title: above the sentence.
        action: what the button does.
        second: what a second button does; "" for none.
        on_cpu: what the button does instead when it went wrong on the CPU already.
    """

    title: str
    action: str = "copy-diagnostics"
    second: str = ""
    on_cpu: str = ""


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
        card = _card(failure.code)
        self._action = card.action if on_gpu else card.on_cpu or card.action
        self._second = card.second
        ui = self._ui
        ui.failureSecondButton.visible = bool(self._second)
        ui.failureSecondButton.text = _label(self._second) if self._second else ""
        ui.failureTitle.text = card.title
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


def _card(code: str) -> Card:
    """The card of a failure's code; titles are translated when they are shown."""
    cards = {
        "input": Card(_("This volume cannot be segmented"), "select-ct"),
        "transform": Card(_("The CT lies under a deformable transform"), "open-transforms"),
        "model": Card(_("The model is missing or damaged"), "open-models"),
        "torch-missing": Card(_("PyTorch is not installed"), "install-torch"),
        "torch-broken": Card(_("PyTorch does not start"), "reinstall-torch"),
        "install": Card(_("PyTorch was not installed"), "install-torch"),
        "device": Card(_("This device cannot be used"), "run-on-cpu"),
        "memory": Card(_("Memory ran out"), "run-on-cpu", on_cpu="crop-ct"),
        "killed": Card(_("The run was ended from outside"), "run-on-cpu", on_cpu="run-again"),
        "disk": Card(_("The disk is full or cannot be written"), "run-again"),
        "run": Card(_("The run failed"), "run-on-cpu", on_cpu="run-again"),
        "segment": Card(_("The segment cannot be exported"), "edit-segment"),
        "no-dicom": Card(_("The CT's DICOM slices are not at hand"), "open-dicom"),
        "export": Card(_("The structure set was not written"), "export-again"),
        "collect": Card(_("The case was not added to the training set"), "edit-segment", "open-learning"),
        "training": Card(_("The training has stopped"), "open-learning"),
        "box": Card(_("This model needs a box around the tumour"), "draw-box", "draw-slices"),
        "no-tumour": Card(_("No tumour was found"), "draw-box", "draw-slices"),
        "doubtful": Card(_("Look at this result with care"), "draw-box", "draw-slices"),
        "unlike": Card(_("This CT is unlike those the model was trained on"), "draw-box", "go-on"),
    }
    return cards.get(code, Card(_("The run failed unexpectedly")))


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
