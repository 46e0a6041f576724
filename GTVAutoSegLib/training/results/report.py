"""The end of a training run for people: curves in ``training.svg``, and one self-contained page, ``report.html``."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

import torch

from ... import __version__
from ...model.bundle import read_bundle
from ...model.info import ModelInfo
from ...model.stages import CascadeStage
from ...report.charts import Line, line_chart, sheet
from ...report.pages import page, table
from ...system.files import write_text
from ..checkpoint import is_finished, read_log
from ..configuration import Run
from ..data.folds import Fold
from ..data.slices import StoredCase
from ..progress.monitor import clock
from ..stages import STAGES

CURVES = "training.svg"


def write_report(run: Run, folds: Sequence[Fold], cases: dict[str, StoredCase], bundle: Path | None) -> None:
    """Write ``training.svg`` and ``report.html`` from the logs in a run folder.

    Args:
        run: what was trained, and where.
        folds: all of the run's; those not begun are left out.
        cases: by name.
        bundle: the model, if there is one yet.
    """
    folder, task = run.folder, run.task
    logs = {(fold.name, stage): read_log(folder / fold.name / stage) for fold in folds for stage in STAGES}
    logs = {key: log for key, log in logs.items() if log}
    begun = [fold for fold in folds if any(name == fold.name for name, _ in logs)]
    curves = _curves(logs)
    write_text(folder / CURVES, curves)
    info = None if bundle is None else read_bundle(bundle).info
    parts = [
        f"<h1>{escape(task.title)}</h1>",
        f"<p>{_model_sentence(bundle, info)}</p>",
        "<h2>Networks</h2>",
        _table(["fold", "network", "epochs", "best epoch", "validation", "of", "time"], _network_rows(folder, logs)),
        f"<h2>Curves</h2>{curves}",
        "<h2>Data</h2>",
        _table(["fold", "part", "cases", "without tumour", "slices", "with tumour"], _data_rows(begun, cases)),
        f"<p>{escape(task.data)}</p>",
        "<h2>Settings</h2>",
        _table(["setting", *CascadeStage], _setting_rows(run)),
        f"<p>GTVAutoSeg {__version__}, PyTorch {torch.__version__}, Python {platform.python_version()}, "
        f"seed {run.preset.seed}.</p>",
    ]
    write_text(folder / "report.html", page(f"Training of {task.id}", parts))


def _model_sentence(bundle: Path | None, info: ModelInfo | None) -> str:
    if bundle is None or info is None:
        return "No model yet: a fold needs both a finished classifier and a finished segmenter."
    members = len(info.classifier.files)
    kind = "one classifier and one segmenter" if members == 1 else f"an ensemble of {members} cascades"
    return (
        f"Model: <code>{escape(str(bundle))}</code>, {kind}; slices are segmented from a probability of "
        f"{info.thresholds.slice:g}. What it reaches on whole patients is measured by <code>gtvautoseg evaluate</code>."
    )


def _network_rows(folder: Path, logs: dict[tuple[str, str], list[dict[str, Any]]]) -> list[list[object]]:
    rows: list[list[object]] = []
    for (fold, stage), log in logs.items():
        last = log[-1]
        epochs = str(len(log)) if is_finished(folder / fold / stage) else f"{len(log)} (not finished)"
        seconds = sum(record["seconds"] for record in log)
        best = f"{last['best']:.4f}"
        rows.append([fold, stage, epochs, last["best_epoch"] + 1, best, STAGES[stage].figure, clock(seconds)])
    return rows


def _data_rows(folds: Sequence[Fold], cases: dict[str, StoredCase]) -> list[list[object]]:
    rows: list[list[object]] = []
    for fold in folds:
        for part, names in (("training", fold.training), ("validation", fold.validation)):
            chosen = [cases[name].abnormal for name in names]
            empty = sum(not any(slices) for slices in chosen)
            rows.append([fold.name, part, len(chosen), empty, sum(map(len, chosen)), sum(map(sum, chosen))])
    return rows


def _setting_rows(run: Run) -> list[list[object]]:
    columns = []
    for stage in CascadeStage:
        stage_task = stage.of(run.task)
        settings = asdict(stage.of(run.preset))
        augmentation = settings.pop("augmentation")
        columns.append(
            {
                "network": stage_task.network,
                "arguments": run.task.arguments(stage),
                "theta": stage_task.theta,
                **settings,
                **{f"augmentation: {name}": value for name, value in augmentation.items()},
            }
        )
    shared = [[name, value, value] for name, value in asdict(run.task.preprocessing).items()]
    return [*shared, *([name, columns[0][name], columns[1][name]] for name in columns[0])]


def _words(value: object) -> str:
    """A setting for people."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(one)}" for name, one in value.items())
    if isinstance(value, (tuple, list)):
        return ", ".join(map(_words, value))
    return {True: "yes", False: "no", None: ""}[value] if value is None or isinstance(value, bool) else str(value)


def _table(head: list[str], rows: list[list[object]]) -> str:
    return table([[_words(value) for value in row] for row in rows], head)


def _curves(logs: dict[tuple[str, str], list[dict[str, Any]]]) -> str:
    """Loss and validation figure by epoch, a row a stage, a line a fold; SVG."""
    charts = []
    for stage in STAGES:
        chosen = {fold: log for (fold, name), log in logs.items() if name == stage}
        if not chosen:
            continue
        loss = [Line(fold, [(one["epoch"] + 1, one["loss"]) for one in log]) for fold, log in chosen.items()]
        figure = [
            Line(
                fold,
                [(one["epoch"] + 1, one["validation"]) for one in log],
                mark=(log[-1]["best_epoch"] + 1, log[-1]["best"]),
            )
            for fold, log in chosen.items()
        ]
        charts.append(line_chart(f"{stage}: training loss", loss, x="epoch"))
        title = f"{stage}: {STAGES[stage].figure}"
        charts.append(line_chart(title, figure, x="epoch", y=(0, 1), legend="dot: best"))
    return sheet(charts)
