"""The ends of the tumour, the slices that are a person's, and the buttons that act on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from slicer.i18n import tr as _

from ..result_part import ranges


@dataclass(frozen=True)
class Actions:
    """What the buttons do.

    Attributes:
        end: called with 0 for the first and 1 for the last end of the range: it is the slice shown.
        mine: called with whether the slice shown is declared mine.
        segment: runs the model on the range only.
        complete: completes the outline from the slices that are mine.
        draw: opens Segment Editor to draw or correct slices.
    """

    end: Callable[[int], None]
    mine: Callable[[bool], None]
    segment: Callable[[], None]
    complete: Callable[[], None]
    draw: Callable[[], None]


@dataclass(frozen=True)
class Offer:
    """What there is to act on.

    Attributes:
        shown: the slice shown, or None.
        count: slices of the CT; 0 without one.
        ends: first and last slice of the range.
        given: whether a person has named them.
        mine: slices that are a person's.
        drawn: those of them that are not empty.
        locked: whether a run goes on, or there is no CT.
        has_model: whether a model can be run.
        has_outline: whether there is a segment to act on.
    """

    shown: int | None = None
    count: int = 0
    ends: tuple[int, int] = (0, 0)
    given: tuple[bool, bool] = (False, False)
    mine: tuple[int, ...] = ()
    drawn: tuple[int, ...] = ()
    locked: bool = True
    has_model: bool = False
    has_outline: bool = False


class CompletionPart:
    """The buttons beneath the strip.

    Args:
        ui: the panel's widgets.
        actions: what they do.
    """

    def __init__(self, ui: Any, actions: Actions) -> None:
        self._ui, self._actions = ui, actions
        ui.startsButton.connect("clicked(bool)", lambda: actions.end(0))
        ui.endsButton.connect("clicked(bool)", lambda: actions.end(1))
        ui.mineButton.connect("clicked(bool)", self._on_mine)
        ui.rangeButton.connect("clicked(bool)", lambda: actions.segment())
        ui.completeButton.connect("clicked(bool)", lambda: actions.complete())
        ui.drawSlicesButton.connect("clicked(bool)", lambda: actions.draw())
        self.show(Offer())

    def show(self, offer: Offer) -> None:
        """Bring the buttons in line with what there is."""
        ui, free = self._ui, not offer.locked
        on_slice = free and offer.shown is not None
        ui.startsButton.enabled = ui.endsButton.enabled = on_slice
        ui.mineButton.enabled = on_slice and offer.has_outline
        ui.mineButton.checked = offer.shown in offer.mine
        ui.mineButton.text = _("Give slice back") if offer.shown in offer.mine else _("Keep slice as mine")
        first, last = offer.ends
        ui.rangeButton.text = (
            _("Segment slices {first}-{last} only").format(first=first, last=last)
            if offer.count
            else _("Segment a range of slices only")
        )
        ui.rangeButton.enabled = free and offer.has_model and any(offer.given)
        ui.drawSlicesButton.enabled = free
        ui.completeButton.enabled = free and bool(offer.drawn)
        ui.completeButton.toolTip = (
            _("Outline every other slice from first to last; {slices} stay as drawn.").format(
                slices=ranges(offer.drawn) if offer.drawn else ""
            )
            if offer.drawn
            else _("Draw or correct one slice at least, in Segment Editor.")
        )

    def _on_mine(self) -> None:
        self._actions.mine(self._ui.mineButton.checked)
