"""Training the completer, the third kind of network: several data sets at once, through the same loop as the others.

A run folder holds ``run.json`` (what is trained on which cases), ``network/`` (see `checkpoint`), and at the end the
bundle, named as the completer.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from ..cascade.assembly import load_network
from ..cascade.completion.features import CHANNELS
from ..errors import InputError
from ..model.bundle import DESCRIPTION, SCHEMA
from ..model.completer import KIND, CompleterBundle, CompleterInfo
from ..model.info import NetworkInfo
from ..networks import COMPLETERS, build_network
from ..system.files import make_folder, sha256_of, write_json
from ..system.json_text import read_json
from ..system.names import counted
from ..system.resources import read_json_settings, resource_folders
from .checkpoint import check_untouched, is_finished, load_state, write_halved
from .configuration import comparable
from .data.dataset import read_patients
from .data.drawn import DrawnSlices, LabelledTumour, read_tumour
from .data.folds import Fold, as_folds, make_folds, read_dataset
from .engine.engine import Engine
from .loop import Job, fit
from .presets import TrainSettings
from .progress.plan import NetworkPlan, steps_of
from .progress.reporter import Reporter
from .stages import Stage, pixel_target

FIGURE = "pooled Dice of slices that were not drawn"
NETWORK, FOLDER, WEIGHTS, RUN = "completer-unet", "network", "completer.safetensors", "run.json"
HELD_OUT = 5  # one patient of so many validates, where a data set brings no division of its own


@dataclass(frozen=True)
class CompleterTask:
    """What a completer is called and how it is trained.

    Attributes:
        id: of the bundle.
        title: for people.
        version: of the weights.
        licence: of the weights.
        intended_use: what it may be used for.
        data: data sets, their licences and attributions.
        size: side of the network's input, pixels, a multiple of 16.
        width: of the network.
        samples: slices of an epoch.
        validation: slices that the best epoch is chosen on.
        seed: of initialisation and sampling.
        training: hyper-parameters of the loop.
    """

    id: str
    title: str
    version: str
    licence: str
    intended_use: str
    data: str
    training: TrainSettings
    size: int = 96
    width: int = 16
    samples: int = 720
    validation: int = 300
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise ValueError when a value makes no sense."""
        if self.size < 16 or self.size % 16:
            raise ValueError(f"size is {self.size}, expected a multiple of 16 pixels")
        for name in ("width", "samples", "validation"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected at least 1")


@dataclass(frozen=True)
class DividedData:
    """The tumours of one data set; ``cases`` are all their names."""

    name: str
    training: list[LabelledTumour] = field(repr=False)
    validation: list[LabelledTumour] = field(repr=False)
    cases: dict[str, list[str]]


def load_completer_task(path: Path | None = None) -> CompleterTask:
    """How the shipped completer is trained, or a user's own .json file.

    Raises:
        InputError: it cannot be read, or a key or value in it is wrong.
    """
    shipped = [folder / "training.json" for folder in resource_folders("Completer")]
    chosen = next((file for file in shipped if file.is_file()), shipped[0]) if path is None else path
    return read_json_settings(CompleterTask, chosen)


def train_completer(
    task: CompleterTask,
    datasets: Sequence[Path],
    folder: Path,
    engine: Engine,
    reporter: Reporter,
    *,
    resume: bool = False,
    start: CompleterBundle | None = None,
) -> Path:
    """Train a completer, or continue to, and write its bundle.

    Args:
        task: what is trained, and how.
        datasets: folders of data sets, each counts alike; with ``train`` and ``val`` in them, or divided here.
        folder: the run's own.
        engine: device, precision and processes.
        reporter: is told how the run goes on; one that says nothing for every process but the first.
        resume: continue a run that was begun.
        start: the completer whose weights the network begins with; random ones by default.

    Returns:
        The bundle's folder.

    Raises:
        InputError: a data set or the folder cannot be used.
        DiskError: a file cannot be written.
        ModelError: the weights to begin with are damaged, or of another network.
        RunError: training failed.
    """
    _first_network({"in_channels": CHANNELS, "width": task.width}, start)  # what does not fit is said at once
    data = [read_divided(dataset, task.seed) for dataset in datasets]
    with engine.rank_zero_first():
        _begin(task, data, folder, resume)
    for part in data:
        taught = counted(len(part.training), "tumour")
        reporter.say(f"{part.name}: {taught} to learn from, {len(part.validation)} to choose on")
    arguments = {"in_channels": CHANNELS, "width": task.width}
    job = Job(
        stage=Stage(KIND, FIGURE, pixel_target),
        build=lambda: _first_network(arguments, start),
        training=DrawnSlices([part.training for part in data], task.size, task.samples),
        validation=DrawnSlices([part.validation for part in data], task.size, task.validation, varied=False),
        settings=task.training,
        theta="n",
        seed=task.seed,
    )
    network = folder / FOLDER
    make_folder(network)
    if not is_finished(network):
        steps = steps_of(task.samples, task.training.batch)
        plan = NetworkPlan("", KIND, task.training.epochs, steps=steps, slices=task.samples, validation=task.validation)
        reporter.begin([plan])
        with closing(reporter.monitor(plan, FIGURE, network)) as monitor:
            fit(job, network, engine, monitor)
    reporter.writing()
    bundle = folder / task.id
    if engine.is_global_zero:
        _write_bundle(bundle, task=task, arguments=arguments, data=data, network=network)
    return bundle


def _first_network(arguments: dict[str, Any], start: CompleterBundle | None) -> nn.Module:
    if start is None:
        return build_network(COMPLETERS, NETWORK, arguments)
    info = start.info.network
    if (info.network, info.arguments) != (NETWORK, arguments):
        raise InputError(f"{start.path} holds another network than the one to train; give one of the same width")
    return load_network(start, COMPLETERS, info, info.files[0]).requires_grad_(True)


def read_divided(dataset: Path, seed: int) -> DividedData:
    """Read a data set, divided by its own folders, or every fifth patient held out.

    Raises:
        InputError: it cannot be used, or one side shows no tumour.
    """
    cases, brought = read_dataset(dataset)
    by_name = {case.name: case for case in cases}
    fold = brought[0] if brought else _held_out(dataset, list(by_name), seed)
    sides = {}
    for side, names in (("training", fold.training), ("validation", fold.validation)):
        tumours = [read_tumour(by_name[name]) for name in names]
        sides[side] = [tumour for tumour in tumours if tumour is not None]
        if not sides[side]:
            raise InputError(f"the {side} cases of {dataset} show no tumour; expected at least one that does")
    return DividedData(
        dataset.resolve().name,
        sides["training"],
        sides["validation"],
        {"training": list(fold.training), "validation": list(fold.validation)},
    )


def _held_out(dataset: Path, names: Sequence[str], seed: int) -> Fold:
    shown = dict.fromkeys(names, (True,))  # which cases show none is not known yet
    return as_folds(make_folds(shown, HELD_OUT, seed, read_patients(dataset, names)), names)[0]


def _begin(task: CompleterTask, data: Sequence[DividedData], folder: Path, resume: bool) -> None:
    """Mark the folder as this run's, or check that it is."""
    ours = json.loads(json.dumps({"task": asdict(task), "data": {part.name: part.cases for part in data}}))
    make_folder(folder)
    if not resume:
        check_untouched(folder / FOLDER, folder)
    path = folder / RUN
    try:
        before = read_json(path) if os.path.lexists(path) else ours
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is damaged ({error}); train into another folder") from error
    if comparable(before) != comparable(ours):
        raise InputError(f"{folder} belongs to another training; give another folder, or the same data and settings")
    write_json(path, ours)


def _write_bundle(
    bundle: Path, task: CompleterTask, arguments: dict[str, Any], data: Sequence[DividedData], network: Path
) -> None:
    """Weights as float16, then ``model.json``, which holds their sha256."""
    make_folder(bundle)
    write_halved(bundle / WEIGHTS, network)
    state = load_state(network)
    info = CompleterInfo(
        schema=SCHEMA,
        kind=KIND,
        id=task.id,
        title=task.title,
        version=task.version,
        licence=task.licence,
        intended_use=task.intended_use,
        network=NetworkInfo(NETWORK, arguments, (WEIGHTS,)),
        size=task.size,
        data=task.data,
        cases={part.name: len(part.training) for part in data},
        sha256={WEIGHTS: sha256_of(bundle / WEIGHTS)},
        metrics={"split": "val", "figure": FIGURE, "validation": round(state["best"], 4)} if state else {},
    )
    write_json(bundle / DESCRIPTION, asdict(info))
