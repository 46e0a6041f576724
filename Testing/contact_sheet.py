"""A picture of a result for the demo: the slices with their outlines, and the slice probability that picked them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.images.volume import Volume
from GTVAutoSegLib.report.framing import body_frame
from GTVAutoSegLib.system.files import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from GTVAutoSegLib.cascade.result import CascadeResult

COLUMNS, ROWS = 6, 3
MODEL_COLOR, REFERENCE_COLOR = "#ff4d4d", "#39d353"


def write_contact_sheet(
    path: Path,
    volume: Volume,
    result: CascadeResult,
    window: tuple[float, float],
    title: str,
    reference: np.ndarray | None = None,
) -> None:
    """Draw up to 18 slices through the tumour, feet to head, as wide as the body, and the probability curve beneath.

    Args:
        path: .png to write.
        volume: the CT.
        result: what the cascade found.
        window: HU shown as black and white.
        title: of the picture.
        reference: mask (z, y, x) drawn for comparison.

    Raises:
        InputError: matplotlib is not installed.
        DiskError: the picture could not be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError(
            "pictures need matplotlib, which is not installed; run: pip install 'gtvautoseg[report]'"
        ) from error
    view = volume.axial
    hu, mask = view.of(volume.array), view.of(result.mask)
    truth = None if reference is None else view.of(reference)
    flipped = 0 in view.flips
    chosen = _slices(mask, truth, result.picked[::-1] if flipped else result.picked)
    step_y, step_x = (volume.spacing[2 - axis] for axis in view.axes[1:])
    outlined = mask[chosen] > 0 if truth is None else (mask[chosen] > 0) | (truth[chosen] > 0)
    rows_shown, columns_shown = body_frame(hu[chosen], outlined, (step_y, step_x))
    shape = hu[0, rows_shown, columns_shown].shape
    proportion = shape[0] * step_y / (shape[1] * step_x)
    rows = -(-len(chosen) // COLUMNS)
    figure = Figure(figsize=(14, 2 + rows * 2.25 * proportion + 2), facecolor="white", layout="constrained")
    figure.suptitle(title, fontsize=13)
    upper, lower = figure.subfigures(2, 1, height_ratios=[rows * 2.25 * proportion, 2], squeeze=False).ravel()
    panels = upper.subplots(rows, COLUMNS, squeeze=False).ravel()
    for panel, index in zip(panels, chosen):
        where = (index, rows_shown, columns_shown)
        panel.imshow(hu[where], cmap="gray", vmin=window[0], vmax=window[1], aspect=step_y / step_x)
        if truth is not None:
            _outline(panel, truth[where], REFERENCE_COLOR)
        _outline(panel, mask[where], MODEL_COLOR)
        panel.set_title(f"slice {len(hu) - 1 - index if flipped else index}", fontsize=8, pad=2)
    for panel in panels:
        panel.axis("off")
    _curve(lower.subplots(), volume, result, reference)
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=90)


def _slices(mask: np.ndarray, truth: np.ndarray | None, picked: np.ndarray) -> np.ndarray:
    """Evenly spread axial slices over both outlines; where there is none, over what was picked, or the whole scan."""
    outlined = mask.any(axis=(1, 2))
    if truth is not None:
        outlined |= truth.any(axis=(1, 2))
    used = next((slices for slices in (outlined, picked) if slices.any()), np.ones(len(mask), bool))
    first, last = np.flatnonzero(used)[[0, -1]]
    # One slice on either side shows that there is no more.
    first, last = max(0, first - 1), min(len(mask) - 1, last + 1)
    return np.unique(np.linspace(first, last, COLUMNS * ROWS).round().astype(int))


def _outline(panel: Axes, mask: np.ndarray, color: str) -> None:
    if mask.any():
        panel.contour(mask, levels=[0.5], colors=color, linewidths=1.2)


def _curve(panel: Axes, volume: Volume, result: CascadeResult, reference: np.ndarray | None) -> None:
    from GTVAutoSegLib.images.placement import tumour_slices

    slices = np.arange(len(result.slice_probability))
    panel.step(slices, result.slice_probability, where="mid", color="black", linewidth=1.2, label="slice probability")
    panel.axhline(result.threshold, color="black", linestyle=":", label=f"threshold {result.threshold:.2f}")
    picked = result.picked.astype(float)
    panel.fill_between(slices, 0, picked, step="mid", color=MODEL_COLOR, alpha=0.2, label="picked by the classifier")
    if reference is not None:
        true = np.flatnonzero(tumour_slices(reference, volume))
        panel.plot(true, np.full(len(true), 1.04), "|", color=REFERENCE_COLOR, markersize=8, label="reference")
    panel.set(xlim=(-0.5, len(slices) - 0.5), ylim=(0, 1.1), xlabel="slice", ylabel="probability")
    panel.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=9)
    panel.spines[["top", "right"]].set_visible(False)
