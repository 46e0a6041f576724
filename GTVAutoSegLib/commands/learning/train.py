"""``gtvautoseg train``: a data set in, a model bundle out."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import Cancelled, InputError
from ...model.stages import CascadeStage
from ...system.resources import read_resource

if TYPE_CHECKING:
    from ...training.data.tasks import Task
    from ...training.presets import Preset

GPU_PRESET = "paper"
COMPLETER = "completer"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "task", metavar="TASK", help="completer, npc-gtv, lung-gtv, sts-gtv, hn-ptv70, or a .json file of your own"
    )
    parser.add_argument(
        "dataset",
        metavar="DATASET",
        type=Path,
        nargs="+",
        help="folder with <case>/data.nii.gz and <case>/label.nii.gz; or with such folders named train and val, which "
        "are used as they are; several for the completer only",
    )
    parser.add_argument("output", metavar="OUT", type=Path, help="folder of the run; the model lands in OUT/<task id>")
    parser.add_argument(
        "--stage", choices=(*map(str, CascadeStage), "both"), default="both", help="which network to train (both)"
    )
    parser.add_argument("--fold", type=fold_number, metavar="K|all", help="0, 1, ... or all (default)")
    parser.add_argument("--preset", default="paper", help="paper (default), small, or a .json file of your own")
    parser.add_argument(
        "--start-from", metavar="MODEL", help="begin with this model's weights (id or path) instead of random ones"
    )
    parser.add_argument(
        "--encoder-weights",
        metavar="FILE",
        type=Path,
        help=".safetensors file of weights that the encoders of both networks begin with",
    )
    parser.add_argument("--resume", action="store_true", help="continue a run that was stopped or killed")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1 or mps")
    parser.add_argument(
        "--precision",
        choices=("auto", "fp32", "bf16"),
        default="auto",
        help="bf16 is faster where the processor computes in it; auto (default) uses it on GPUs only",
    )
    parser.add_argument("--store", type=Path, metavar="DIR", help="folder of the prepared slices (default: OUT/slices)")


def fold_number(text: str) -> int | None:
    """Parse a fold's number; "all" is None."""
    if text == "all":
        return None
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"'{text}' is not a fold, expected 0, 1, ... or all")
    return int(text)


def run(arguments: argparse.Namespace) -> None:
    """Train, and say where the model is."""
    if arguments.task == COMPLETER:
        _train_completer(arguments)
        return
    if len(arguments.dataset) > 1:
        raise InputError(f"{len(arguments.dataset)} data sets were given for {arguments.task}; expected one")
    task, preset = load_settings(arguments.task, arguments.preset)
    from ...model.bundle import verify_model
    from ...training.engine.engine import make_engine
    from ...training.run import Run, train
    from ...training.stages import STAGES
    from ...training.starting import began_with, encoders_began_with, first_network

    task = task.resized(preset.size, preset.width)
    stages = tuple(STAGES) if arguments.stage == "both" else (arguments.stage,)
    start = verify_model(arguments.start_from) if arguments.start_from else None
    if arguments.encoder_weights is not None:
        task = encoders_began_with(task, arguments.encoder_weights)
        for stage in stages:
            first_network(task, stage, None, arguments.encoder_weights)
    if start is not None:
        task = began_with(task, start)
        for stage in stages:
            first_network(task, stage, start)  # what does not fit is said at once
    work = Run(
        task=task,
        preset=preset,
        dataset=arguments.dataset[0],
        folder=arguments.output,
        store=arguments.store or arguments.output / "slices",
        stages=stages,
        fold=arguments.fold,
        resume=arguments.resume,
        start=start,
        encoder=arguments.encoder_weights,
    )
    engine = make_engine(arguments.device, arguments.precision)
    if engine.device.type == "cpu" and engine.is_global_zero and arguments.preset == GPU_PRESET:
        print(f"note: the preset {GPU_PRESET} is made for GPUs; on a CPU take --preset small", file=sys.stderr)
    try:
        bundle = train(work, engine, lambda text: print(text, file=sys.stderr, flush=True))
    except KeyboardInterrupt:
        raise Cancelled("the training was stopped; run the same command with --resume to continue it") from None
    if engine.is_global_zero:
        print(f"report: {arguments.output / 'report.html'}")
        print(f"model: {bundle}" if bundle else "model: none yet, a fold needs both a classifier and a segmenter")


def _train_completer(arguments: argparse.Namespace) -> None:
    from ...model.completer import read_completer
    from ...training.completer import load_completer_task, train_completer
    from ...training.engine.engine import make_engine

    for option in ("fold", "encoder_weights", "store"):
        if getattr(arguments, option) is not None:
            raise InputError(f"--{option.replace('_', '-')} was given for the completer, which has none; leave it out")
    task = load_completer_task(None if arguments.preset == GPU_PRESET else Path(arguments.preset))
    engine = make_engine(arguments.device, arguments.precision)
    try:
        bundle = train_completer(
            task,
            datasets=arguments.dataset,
            folder=arguments.output,
            engine=engine,
            say=lambda text: print(text, file=sys.stderr, flush=True) if engine.is_global_zero else None,
            resume=arguments.resume,
            start=None if arguments.start_from is None else read_completer(arguments.start_from),
        )
    except KeyboardInterrupt:
        raise Cancelled("the training was stopped; run the same command with --resume to continue it") from None
    if engine.is_global_zero:
        print(f"completer: {bundle}")


def load_settings(task: str, preset: str) -> tuple[Task, Preset]:
    """Task and preset by their names or files, before what takes seconds to import.

    Raises:
        InputError: there is none, or a key or value in it is wrong; the message names it and lists what is allowed.
    """
    for name, kind in ((task, "Tasks"), (preset, "Presets")):
        read_resource(name, kind)  # a wrong name is said before PyTorch is imported, which the classes need
    from ...training.data.tasks import load_task
    from ...training.presets import load_preset

    return load_task(task), load_preset(preset)
