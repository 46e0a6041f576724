"""``gtvautoseg train``: a data set in, a model bundle out."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import Cancelled, InputError
from ...model.stages import CascadeStage
from ...system.progress import Send
from ...system.resources import read_resource
from ..options import add_training, check_apart_from_data, labelled
from .estimating import STOPPED, tell_estimate
from .following import add_following_options, canceller, followed, stopped_in_order

if TYPE_CHECKING:
    from ...training.configuration import Run
    from ...training.data.tasks import Task
    from ...training.engine.engine import Engine
    from ...training.presets import Preset
    from ...training.progress.reporter import Reporter

AUTO, GPU_PRESET, CPU_PRESET = "auto", "paper", "small"
COMPLETER = "completer"
VERSION = r"[A-Za-z0-9][A-Za-z0-9.+-]{0,31}"
RESUME = "run the same command with --resume to continue it"


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
        "are used as they are; or a raw folder of nnU-Net with its folds; several for the completer only",
    )
    parser.add_argument(
        "--label",
        action="append",
        metavar="NAME[=ROI]",
        help="of a raw folder of nnU-Net: name or value of the structure that is tumour, and what the model calls it "
        "(1=GTVp); repeat it to train a model for each, in OUT/<ROI>",
    )
    parser.add_argument("output", metavar="OUT", type=Path, help="folder of the run; the model lands in OUT/<task id>")
    parser.add_argument(
        "--stage", choices=(*map(str, CascadeStage), "both"), default="both", help="which network to train (both)"
    )
    parser.add_argument("--fold", type=fold_number, metavar="K|all", help="0, 1, ... or all (default)")
    parser.add_argument(
        "--preset",
        default=AUTO,
        help="paper, small, or a .json file of your own; auto (default) is that of the run where OUT is one, else "
        "small on a CPU and paper on a GPU",
    )
    parser.add_argument(
        "--model-version", metavar="V", help="version that the model bears (default: the run's own, else the task's)"
    )
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
    add_training(parser)
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="say what the training will take: cases, slices, steps, disk, and time by a few real steps; OUT stays as "
        "it is",
    )
    parser.set_defaults(roi="", suffix="")
    add_following_options(parser)


def fold_number(text: str) -> int | None:
    """Parse a fold's number; "all" is None."""
    if text == "all":
        return None
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"'{text}' is not a fold, expected 0, 1, ... or all")
    return int(text)


def run(arguments: argparse.Namespace) -> None:
    """Train, and say where the model is."""
    with followed(arguments) as send:
        parent = canceller(arguments)
        try:
            for dataset in arguments.dataset:
                check_apart_from_data(arguments.output, dataset)
            with nullcontext(parent) if arguments.dry_run else stopped_in_order(parent) as cancelled:
                if arguments.task == COMPLETER:
                    _train_completer(arguments, send, cancelled)
                else:
                    for one in _labelled(arguments):
                        _train(one, send, cancelled)
        except (Cancelled, KeyboardInterrupt) as error:
            if arguments.dry_run:
                raise Cancelled(STOPPED) from None
            raise Cancelled(f"{str(error) or 'the training was stopped'}; {RESUME}") from None


def _labelled(arguments: argparse.Namespace) -> list[argparse.Namespace]:
    """The arguments of each training: one for every structure of the data set that was asked for."""
    if not arguments.label:
        return [arguments]
    pairs = [label.partition("=")[::2] for label in arguments.label]
    words = [re.sub(r"[^A-Za-z0-9]+", "-", roi or name).strip("-") for name, roi in pairs]
    if len(set(map(str.lower, words))) < len(words) or not all(words):
        raise InputError(f"--label gives the names {', '.join(words)}; expected different ones, such as 1=GTVp 2=GTVn")
    found = []
    for (name, roi), word in zip(pairs, words):
        several = len(pairs) > 1
        dataset = [labelled(one, name) for one in arguments.dataset]
        output = arguments.output / word if several else arguments.output
        changes = {"dataset": dataset, "output": output, "roi": roi, "suffix": f"-{word.lower()}" if several else ""}
        found.append(argparse.Namespace(**{**vars(arguments), **changes}))
    return found


def _named(task: Task, roi: str, suffix: str) -> Task:
    """The task for one of several structures."""
    try:
        return replace(task, id=task.id + suffix, roi=roi or task.roi)
    except ValueError as error:
        raise InputError(f"--label: {error}") from error


def _train(arguments: argparse.Namespace, send: Send | None, cancelled: Callable[[], bool]) -> None:
    if len(arguments.dataset) > 1:
        raise InputError(f"{len(arguments.dataset)} data sets were given for {arguments.task}; expected one")
    if arguments.model_version is not None and not re.fullmatch(VERSION, arguments.model_version):
        raise InputError(f"--model-version is '{arguments.model_version}'; expected a number such as 1.1.0")
    work, preset = _planned(arguments)
    from ...training.engine.engine import make_engine
    from ...training.run import train

    engine = make_engine(arguments.device, arguments.precision)
    if arguments.dry_run:
        tell_estimate(work, engine, preset, send=send, cancelled=cancelled)
        return
    if engine.device.type == "cpu" and engine.is_global_zero and arguments.preset == GPU_PRESET:
        print(f"note: the preset {GPU_PRESET} is made for GPUs; on a CPU take --preset {CPU_PRESET}", file=sys.stderr)
    reporter = _reporter(arguments, engine, send, cancelled)
    bundle = train(work, engine, reporter)
    report = arguments.output / "report.html"
    if send is not None:
        send("result", model=None if bundle is None else str(bundle), report=str(report), run=str(arguments.output))
    elif engine.is_global_zero:
        print(f"report: {report}")
        print(f"model: {bundle}" if bundle else "model: none yet, a fold needs both a classifier and a segmenter")


def _planned(arguments: argparse.Namespace) -> tuple[Run, str]:
    """What the arguments ask for, and the name of the preset."""
    # A wrong name is said before PyTorch is imported, and so are wrong keys before what only training needs.
    name = None if arguments.preset == AUTO else arguments.preset
    task, preset = load_settings(arguments.task, name or CPU_PRESET)
    from ...cascade.device import resolve_device
    from ...model.bundle import verify_model
    from ...training.configuration import FILE, Run, read_configuration
    from ...training.data.origin import began_with, encoders_began_with, trained_on
    from ...training.stages import STAGES
    from ...training.starting import first_network

    before = read_configuration(arguments.output) if (arguments.output / FILE).is_file() else None
    if name is None and before is not None:
        name, preset = "that of the run", before.preset
    elif name is None and resolve_device(arguments.device).type != "cpu":
        name, (task, preset) = GPU_PRESET, load_settings(arguments.task, GPU_PRESET)
    task = trained_on(task.resized(preset.size, preset.width), arguments.dataset)
    version = arguments.model_version or (before.task.version if before is not None else task.version)
    task = replace(_named(task, arguments.roi, arguments.suffix), version=version)
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
    return work, name or CPU_PRESET


def _reporter(
    arguments: argparse.Namespace, engine: Engine, send: Send | None, cancelled: Callable[[], bool]
) -> Reporter:
    """Who is told; a person hears that there is nothing to resume, which programs ask for always."""
    from ...training.configuration import FILE
    from ...training.progress.lines import LineReporter
    from ...training.progress.reporter import PersonReporter, Reporter

    if not engine.is_global_zero:
        return Reporter()
    if send is not None:
        return LineReporter(send, cancelled)
    reporter = PersonReporter(cancelled)
    if arguments.resume and not (arguments.output / FILE).exists():
        reporter.say(f"note: {arguments.output} holds no training to resume, so a new one begins")
    return reporter


def _train_completer(arguments: argparse.Namespace, send: Send | None, cancelled: Callable[[], bool]) -> None:
    from ...model.completer import read_completer
    from ...training.completer import load_completer_task, train_completer
    from ...training.data.origin import began_with, trained_on
    from ...training.engine.engine import make_engine

    for option in ("fold", "encoder_weights", "store", "model_version", "label"):
        if getattr(arguments, option) is not None:
            raise InputError(f"--{option.replace('_', '-')} was given for the completer, which has none; leave it out")
    if arguments.dry_run:
        raise InputError("--dry-run was given for the completer, whose time is not estimated; leave it out")
    task = load_completer_task(None if arguments.preset in (AUTO, GPU_PRESET) else Path(arguments.preset))
    task = trained_on(task, arguments.dataset)
    start = None if arguments.start_from is None else read_completer(arguments.start_from)
    if start is not None:
        task = began_with(task, start)
    engine = make_engine(arguments.device, arguments.precision)
    reporter = _reporter(arguments, engine, send, cancelled)
    bundle = train_completer(
        task,
        datasets=arguments.dataset,
        folder=arguments.output,
        engine=engine,
        reporter=reporter,
        resume=arguments.resume,
        start=start,
    )
    if send is not None:
        send("result", model=str(bundle), report=None, run=str(arguments.output))
    elif engine.is_global_zero:
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
