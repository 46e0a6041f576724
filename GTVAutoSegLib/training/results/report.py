"""The end of a training run for people: curves in ``training.png``, and one self-contained page, ``report.html``."""

from __future__ import annotations

import io
import platform
from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ... import __version__
from ...model.bundle import read_bundle
from ...model.info import ModelInfo
from ...model.stages import CascadeStage
from ...report.pages import page, picture, table
from ...system.files import whole_file, write_text
from ..checkpoint import is_finished, read_log
from ..data.folds import Fold
from ..data.slices import StoredCase
from ..data.tasks import Task
from ..monitor import clock
from ..presets import Preset
from ..stages import STAGES


def write_report(
    folder: Path, task: Task, preset: Preset, folds: Sequence[Fold], cases: dict[str, StoredCase], bundle: Path | None
) -> None:
    """Write ``training.png`` and ``report.html`` from the logs in a run folder.

    Args:
        folder: of the run.
        task: with the size and width that were trained.
        preset: hyper-parameters.
        folds: all of the run's; those not begun are left out.
        cases: by name.
        bundle: the model, if there is one yet.
    """
    logs = {(fold.name, stage): read_log(folder / fold.name / stage) for fold in folds for stage in STAGES}
    logs = {key: log for key, log in logs.items() if log}
    begun = [fold for fold in folds if any(name == fold.name for name, _ in logs)]
    curves = _curves(logs)
    with whole_file(folder / "training.png") as temporary:
        temporary.write_bytes(curves)
    info = None if bundle is None else read_bundle(bundle).info
    parts = [
        f"<h1>{escape(task.title)}</h1>",
        f"<p>{_model_sentence(bundle, info)}</p>",
        "<h2>Networks</h2>",
        _table(["fold", "network", "epochs", "best epoch", "validation", "of", "time"], _network_rows(folder, logs)),
        f"<h2>Curves</h2>{picture(curves, 'loss and validation by epoch')}",
        "<h2>Data</h2>",
        _table(["fold", "part", "cases", "without tumour", "slices", "with tumour"], _data_rows(begun, cases)),
        f"<p>{escape(task.data)}</p>",
        "<h2>Settings</h2>",
        _table(["setting", *CascadeStage], _setting_rows(task, preset)),
        f"<p>GTVAutoSeg {__version__}, PyTorch {torch.__version__}, Python {platform.python_version()}, "
        f"seed {preset.seed}.</p>",
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


def _setting_rows(task: Task, preset: Preset) -> list[list[object]]:
    columns = []
    for stage in CascadeStage:
        stage_task = stage.of(task)
        settings = asdict(stage.of(preset))
        augmentation = settings.pop("augmentation")
        columns.append(
            {
                "network": stage_task.network,
                "arguments": task.arguments(stage),
                "theta": stage_task.theta,
                **settings,
                **{f"augmentation: {name}": value for name, value in augmentation.items()},
            }
        )
    shared = [[name, value, value] for name, value in asdict(task.preprocessing).items()]
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


def _curves(logs: dict[tuple[str, str], list[dict[str, Any]]]) -> bytes:
    """Loss and validation figure by epoch, a row a stage, a line a fold; PNG."""
    stages = [stage for stage in STAGES if any(key[1] == stage for key in logs)]
    figure = Figure(figsize=(10, 3.2 * len(stages)), layout="constrained")
    for axes, stage in zip(figure.subplots(len(stages), 2, squeeze=False), stages):
        for (fold, name), log in logs.items():
            if name != stage:
                continue
            epochs = [record["epoch"] + 1 for record in log]
            marker = "o" if len(epochs) == 1 else ""  # a line of one point shows nothing
            axes[0].plot(epochs, [record["loss"] for record in log], label=fold, marker=marker)
            (line,) = axes[1].plot(epochs, [record["validation"] for record in log], label=fold)
            axes[1].plot(log[-1]["best_epoch"] + 1, log[-1]["best"], "o", color=line.get_color())
        axes[0].set(title=f"{stage}: training loss", xlabel="epoch")
        axes[1].set(title=f"{stage}: {STAGES[stage].figure}", xlabel="epoch", ylim=(0, 1))
        axes[1].legend(fontsize="small", title="dot: best", title_fontsize="small")
        for panel in axes:
            panel.grid(alpha=0.3)
            panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
