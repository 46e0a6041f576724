"""What a reader must know of a table's figures: the data, how much smaller the run is than the paper's, the command."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....system.names import counted
from ....training.presets import Preset
from ..parts import Setup
from ..request import Request
from ..systems import LOSS_NAMES


@dataclass(frozen=True)
class Caption:
    """Of all tables of a run.

    Attributes:
        request: what was asked for.
        preset: before it was shortened.
        setup: what is run.
    """

    request: Request
    preset: Preset
    setup: Setup

    @property
    def data(self) -> str:
        """Cases and folds."""
        setup = self.setup
        learning = len(setup.cases) - len(setup.test)
        parts = setup.fold_count
        tests = f"{counted(len(setup.test), 'test case')}"
        folds = counted(parts, "fold") + ("" if len(setup.folds) == parts else f", {len(setup.folds)} of them run")
        return (
            f"{setup.task.title}, data set {self.request.dataset.resolve().name}: {counted(learning, 'case')} to learn "
            f"from in {folds}, {tests}, on which nothing was chosen"
        )

    @property
    def scale(self) -> str:
        """Size of input and networks, and epochs."""
        setup, task = self.setup, self.setup.task
        epochs = " and ".join(
            f"at most {counted(run.epochs, 'epoch')}"
            + (f" instead of {full.epochs}" if run.epochs < full.epochs else "")
            + of
            for run, full, of in self._epochs()
        )
        why = ""
        if self.request.budget_hours is not None:
            why = f" (chosen for a budget of {self.request.budget_hours:g} h)"
        size = task.preprocessing.size
        return (
            f"{size} x {size} pixels, networks of width {task.width} (paper: 512 x 512, 64), {setup.precision}, "
            f"{epochs} for every network{why}, seed {setup.preset.seed}"
        )

    @property
    def short(self) -> str:
        """For below a picture."""
        return f"{self.data}. {self.scale}."

    def markdown(self, table: str) -> str:
        """For above a table."""
        return (
            f"{self.short}\n\n{self._rows(table)}"
            "Mean over test cases, and mean ± standard deviation of it over the folds' networks; with "
            "one fold there is no deviation. Distances are undefined for an empty mask and left out. DSC − HCF: "  # noqa: RUF001
            "paired bootstrap over the test cases (95 % interval), p of the Wilcoxon signed-rank test, not corrected "
            "for the number of systems. Training is the time of all networks of a system in one fold, s/case that of "
            "its networks on a test case: processor time on a CPU, but wall-clock time for training 3D systems. The "
            f"paper's figures are of other data, for orientation.\n\n`{self.command(table)}`"
        )

    def command(self, table: str) -> str:
        """What to type for this table."""
        return describe(self.request, table, self.setup)

    def _rows(self, table: str) -> str:
        """What a table's names do not tell."""
        if table != "table6":
            return ""
        ours = [name for name, loss in LOSS_NAMES.items() if loss == self.setup.preset.segmenter.loss]
        return "All rows stand behind the same classifier, one a fold" + (f"; {ours[0]} is HCF. " if ours else ". ")

    def _epochs(self) -> list[tuple[Any, ...]]:
        run, full = self.setup.preset, self.preset
        if (run.classifier.epochs, full.classifier.epochs) == (run.segmenter.epochs, full.segmenter.epochs):
            return [(run.segmenter, full.segmenter, "")]
        return [
            (run.classifier, full.classifier, " (classifier)"),
            (run.segmenter, full.segmenter, " (segmenters)"),
        ]


def describe(request: Request, table: str, setup: Setup) -> str:
    """The command that makes a table, with the folders' names for their paths."""
    words = ["gtvautoseg", "reproduce", table, request.dataset.resolve().name, "OUT"]
    options = {
        "--task": Path(request.task_name).name,
        "--preset": Path(request.preset_name).name,
        "--size": setup.task.preprocessing.size,
        "--width": setup.task.width,
        "--folds": request.folds,
        "--cases": request.cases,
        "--epochs": request.epochs,
        "--budget": request.budget_hours,
        "--precision": setup.precision,
        "--jobs": request.jobs,
    }
    for name, value in options.items():
        if value is not None:
            words += [name, f"{value:g}" if isinstance(value, float) else str(value)]
    words += ["--no-3d"] * (not request.volumes)
    return shlex.join([*words, *(["--systems", *request.systems] if request.systems else [])])
