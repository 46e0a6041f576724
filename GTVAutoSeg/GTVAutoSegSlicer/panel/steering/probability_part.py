"""The slider on the probability that a run has kept: the outline follows it, without a new run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
from slicer.i18n import tr as _

from ..widgets import quiet
from .mouse import EventFilter

# The slider counts whole per cents.
STEPS = 100


class ProbabilityPart:
    """The threshold of the mask.

    Args:
        ui: the panel's widgets.
        on_threshold: called with the threshold, or None for the model's own, and whether the slider is let go.
    """

    def __init__(self, ui: Any, on_threshold: Callable[[float | None, bool], None]) -> None:
        self._slider, self._label = ui.thresholdSlider, ui.thresholdLabel
        self._on_threshold = on_threshold
        self._own = 0.5
        self._slider.connect("valueChanged(int)", self._on_value)
        self._slider.connect("sliderReleased()", self._on_released)
        self._filter = EventFilter(self._slider, {qt.QEvent.MouseButtonDblClick: self._on_double_click})
        self.show(None, None, None)

    def show(self, own: float | None, threshold: float | None, volume_ml: float | None) -> None:
        """Show a threshold.

        Args:
            own: the model's own; None when there is no probability to cut.
            threshold: the one that was chosen; None for the model's own.
            volume_ml: of the outline, mL.
        """
        has_probability = own is not None
        self._slider.enabled = has_probability
        self._slider.toolTip = (
            _("Voxels from this probability on are outlined. Double-click for the model's own threshold.")
            if has_probability
            else _("There is no probability for this outline: it was drawn or completed. A run of the model gives one.")
        )
        self._label.visible = own is not None and volume_ml is not None
        if own is None or volume_ml is None:
            self._label.text = ""
            return
        self._own = own
        value = own if threshold is None else threshold
        if not self._slider.sliderDown:
            self._set(value)
        words = _("{value:.2f} (the model's own): {ml:.1f} mL") if threshold is None else _("{value:.2f}: {ml:.1f} mL")
        self._label.text = words.format(value=value, ml=volume_ml)

    def _set(self, value: float) -> None:
        with quiet(self._slider):
            self._slider.value = round(value * STEPS)

    def _on_value(self, value: int) -> None:
        self._on_threshold(value / STEPS, not self._slider.sliderDown)

    def _on_released(self) -> None:
        self._on_threshold(self._slider.value / STEPS, True)

    def _on_double_click(self, _event: Any) -> bool:
        if self._slider.enabled:
            self._set(self._own)
            self._on_threshold(None, True)
        return True
