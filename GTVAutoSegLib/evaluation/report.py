"""What an evaluation found, summed up: statistics, a table for the screen, CSV, JSON and plots."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from ..images.metrics import Agreement, SliceCounts
from ..system.csv_text import to_csv
from ..system.names import counted
from ..system.settings import as_json
from .boxes import unboxed
from .cases import ALL_SLICES, CASCADE, PREDICTIONS, TRUE_SLICES, Measurement

MODELS, FOLDS = "models", "folds"
VARIANTS = {
    CASCADE: "cascade",
    ALL_SLICES: "segmenter on all slices",
    TRUE_SLICES: "segmenter on the true slices",
    PREDICTIONS: "predictions",
}
METRICS = tuple(field.name for field in fields(Agreement) if field.name != "empty")
COUNTS = tuple(field.name for field in fields(SliceCounts))
# Columns of the table: metric, heading, factor, decimals.
COLUMNS = (
    ("dsc", "DSC", 1, 3),
    ("ji", "JI", 1, 3),
    ("hd95_mm", "HD95 mm", 1, 1),
    ("asd_mm", "ASD mm", 1, 1),
    ("surface_dice_2mm", "surface Dice 2 mm", 1, 3),
    ("volume_error", "volume %", 100, 0),
)


def summarise_evaluation(measurements: Sequence[Measurement], split: str, unit: str = MODELS) -> dict[str, Any]:
    """Statistics of all measurements, JSON-ready; None stands for undefined.

    Every figure is over all cases for which it is defined, and ``n`` and ``undefined`` say how many are and are not.
    ``std`` is the sample standard deviation (n - 1).

    Args:
        measurements: of all cases, and of one model or several on the same cases, or of folds on cases of their own.
        split: what the cases are, such as "val".
        unit: "models", or "folds".

    Returns:
        ``models`` or ``folds``: for each of them and each variant every metric over the cases, the empty masks, and the
        slices pooled over the cases; ``over_models`` or ``over_folds``: mean and standard deviation of their means,
        where there are several; ``over_cases``, for folds: the same as for one, over the cases of all; ``metrics``: the
        block for ``model.json``, means over the models, or over the cases of all folds.
    """
    names = list(dict.fromkeys(one.model for one in measurements))
    models = {name: _one_model([one for one in measurements if one.model == name]) for name in names}
    over_models = _over(models)
    cases = len({one.case for one in measurements})
    summary = {
        "split": split,
        "cases": cases,
        unit: models,
        **({f"over_{unit}": over_models} if len(names) > 1 else {}),
    }
    if unit == MODELS:
        return {**summary, "metrics": _card(models, over_models, split, cases)}
    everything = {"all": _one_model(measurements)}
    card = {**_card(everything, _over(everything), split, cases), "folds": len(names)}
    spread = next(iter(over_models.values()))["dsc"]["std"]
    if spread is not None:
        card["dsc_std_over_folds"] = round(spread, 4)
    return {**summary, "over_cases": everything["all"], "metrics": card}


def cases_csv(measurements: Iterable[Measurement]) -> str:
    """One line for each model, case and variant; undefined values are left empty."""
    rows: list[list[Any]] = [["model", "case", "variant", *METRICS, "empty", *(f"slices_{count}" for count in COUNTS)]]
    for one in measurements:
        agreement = asdict(one.agreement)
        values = [agreement[metric] for metric in METRICS]
        counts = [""] * len(COUNTS) if one.slices is None else [getattr(one.slices, count) for count in COUNTS]
        rows.append([one.model, one.case, one.variant, *values, agreement["empty"], *counts])
    return to_csv(rows, ".6g")


def table(summary: dict[str, Any]) -> str:
    """Mean and standard deviation over the cases, a line for each model and variant, for a fixed-width screen."""
    unit = FOLDS if FOLDS in summary else MODELS
    width = max(len(heading(variant)) for variants in summary[unit].values() for variant in variants)
    lines = [" " * width + "".join(f"{heading:>{_width(heading)}}" for _, heading, _, _ in COLUMNS)]
    groups = dict(summary[unit])
    if "over_cases" in summary and len(groups) > 1:
        groups["all cases"] = summary["over_cases"]
    for name, variants in groups.items():
        lines += [name, *_rows(variants, width)]
        lines += [f"  {text}" for text in _remarks(next(iter(variants.values())))]
    if f"over_{unit}" in summary:
        lines += [f"mean and standard deviation over the {unit}", *_rows(summary[f"over_{unit}"], width)]
    return "\n".join(lines)


def heading(variant: str) -> str:
    """A variant's name for people."""
    own, slack = unboxed(variant)
    return VARIANTS[own] if slack is None else f"box {slack:g} mm: {VARIANTS[own]}"


def _rows(variants: dict[str, Any], width: int) -> list[str]:
    return [
        f"{heading(variant):<{width}}"
        + "".join(
            f"{_cell(figures[metric], factor, decimals):>{_width(heading)}}"
            for metric, heading, factor, decimals in COLUMNS
        )
        for variant, figures in variants.items()
    ]


def _width(heading: str) -> int:
    return max(16, len(heading) + 2)


def _one_model(measurements: Sequence[Measurement]) -> dict[str, dict[str, Any]]:
    found = {}
    for variant in dict.fromkeys(one.variant for one in measurements):
        chosen = [one for one in measurements if one.variant == variant]
        figures: dict[str, Any] = {
            metric: _statistics(getattr(one.agreement, metric) for one in chosen) for metric in METRICS
        }
        figures["empty"] = {
            kind: sum(one.agreement.empty == kind for one in chosen) for kind in ("mask", "reference", "both")
        }
        counts = [one.slices for one in chosen if one.slices is not None]
        if counts:
            pooled = sum(counts, SliceCounts())
            scores = {"recall": pooled.recall, "precision": pooled.precision, "f1": pooled.f1}
            figures["slices"] = {**asdict(pooled), **as_json(scores)}
        found[variant] = figures
    return found


def _over(models: dict[str, Any]) -> dict[str, Any]:
    """Statistics of the models' means, for each variant and metric."""
    return {
        variant: {
            metric: _statistics(_nan(figures[variant][metric]["mean"]) for figures in models.values())
            for metric in METRICS
        }
        for variant in next(iter(models.values()))
    }


def _statistics(values: Iterable[float]) -> dict[str, Any]:
    everything = np.array(list(values), dtype=np.float64)
    defined = everything[~np.isnan(everything)]
    count = len(defined)
    return {
        "mean": float(defined.mean()) if count else None,
        "std": float(defined.std(ddof=1)) if count > 1 else None,
        "median": float(np.median(defined)) if count else None,
        "min": float(defined.min()) if count else None,
        "max": float(defined.max()) if count else None,
        "n": count,
        "undefined": len(everything) - count,
    }


def _card(models: dict[str, Any], over_models: dict[str, Any], split: str, cases: int) -> dict[str, Any]:
    """What goes into ``model.json`` under ``metrics``."""
    main, *others = over_models
    first = [variants[main] for variants in models.values()]
    card: dict[str, Any] = {"split": split, "cases": cases}
    for metric in METRICS:
        if not metric.endswith("_ml"):
            card[metric] = over_models[main][metric]["mean"]
    card["dsc_std"] = first[0]["dsc"]["std"] if len(first) == 1 else over_models[main]["dsc"]["std"]
    card["undefined_distances"] = sum(figures["hd95_mm"]["undefined"] for figures in first)
    for score in ("recall", "precision", "f1"):
        card[f"slice_{score}"] = _statistics(_nan(figures["slices"][score]) for figures in first)["mean"]
    for variant in others:
        card[f"dsc_{variant}"] = over_models[variant]["dsc"]["mean"]
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in card.items()}


def _cell(figures: dict[str, Any], factor: float, decimals: int) -> str:
    if figures["mean"] is None:
        return "undefined"
    spread = "" if figures["std"] is None else f" ±{factor * figures['std']:.{decimals}f}"
    return f"{factor * figures['mean']:.{decimals}f}{spread}"


def _remarks(figures: dict[str, Any]) -> list[str]:
    slices, empty, undefined = figures["slices"], figures["empty"], figures["hd95_mm"]["undefined"]
    scores = ", ".join(
        f"{name} {'undefined' if slices[key] is None else format(slices[key], '.3f')}"
        for key, name in (("recall", "recall"), ("precision", "precision"), ("f1", "F1"))
    )
    remarks = [f"slices: {scores} over {sum(slices[count] for count in COUNTS)}"]
    if undefined:
        remarks.append(
            f"distances are undefined for {counted(undefined, 'case')} and left out of their means; empty is the mask "
            f"in {empty['mask']} (DSC 0), the reference in {empty['reference']} (DSC 0), both "
            f"in {empty['both']} (DSC 1)"
        )
    return remarks


def _nan(value: float | None) -> float:
    return math.nan if value is None else value
