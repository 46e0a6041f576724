"""``gtvautoseg evaluate``: models, or masks of any origin, against the labels of a data set."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..options import SOME_FAILED, add_dataset, add_device, check_apart_from_data, check_drawn, labelled

if TYPE_CHECKING:
    from ...evaluation.cases import Failure, Measurement
    from ...model.bundle import Bundle

    Measure = Callable[..., Iterator[list[Measurement] | Failure]]
    # How, with which models by the name that they have in the figures, and what is to be said of them.
    Plan = tuple[Measure, dict[str, Bundle], list[str]]

DRAWN_FILES = ("drawn.csv", "drawn.json")
FILES = ("cases.csv", "metrics.json", "evaluation.svg")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_dataset(parser)
    subject = parser.add_mutually_exclusive_group(required=True)
    subject.add_argument(
        "--model", action="append", help="id or path of a model; repeat it for the standard deviation over models"
    )
    subject.add_argument(
        "--predictions", metavar="DIR", type=Path, help="masks of any other system: <case>.nii.gz or <case>/*.nii.gz"
    )
    subject.add_argument(
        "--run",
        type=Path,
        help="folder of a training run on DATASET: every case is measured on the fold that did not learn from it",
    )
    parser.add_argument(
        "--box",
        type=float,
        nargs="+",
        metavar="MM",
        help="let the models look inside simulated boxes with this much slack around the label, shifted at random by "
        "up to half of it; several give the overlap by the slack",
    )
    subject.add_argument(
        "--drawn",
        type=int,
        nargs="+",
        metavar="K",
        help="complete every tumour from K slices of its label, as a person would draw them, and measure that",
    )
    parser.add_argument(
        "--completer", type=Path, metavar="BUNDLE", help="with --drawn: folder or .zip (default: the shipped one)"
    )
    parser.add_argument("--output", metavar="DIR", required=True, type=Path, help="folder for " + ", ".join(FILES))
    add_device(parser)
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes, a case each (1)")
    parser.add_argument(
        "--record", action="store_true", help="also write the figures into the model's description (one --model)"
    )
    parser.epilog = (
        "A cascade is measured three times: as it is, its segmenter on all slices, and its segmenter on the slices of "
        "the label, which shows each stage's share of the error. Distances of an empty mask or label are undefined: "
        "they are counted and left out of the means. A run is summed up over its folds and over its cases. Exit "
        "codes: 0 all cases measured; 1 some failed."
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure, write, and print a table."""
    of_models = {"--record": arguments.record, "--workers": arguments.workers != 1, "--box": arguments.box}
    check_drawn(arguments, of_models)
    check_apart_from_data(arguments.output, arguments.dataset)
    arguments.dataset = labelled(arguments.dataset, arguments.label)
    if arguments.drawn is not None:
        run_drawn(arguments)
        return 0
    from ...errors import InputError
    from ...evaluation.cases import Failure
    from ...system.files import make_folder
    from ...system.progress import progress_bar

    measure, bundles, remarks = plan_folds(arguments) if arguments.run is not None else plan_models(arguments)
    make_folder(arguments.output)
    measurements: list[Measurement] = []
    failures: list[Failure] = []
    with progress_bar("case") as progress:
        for result in measure(progress=progress):
            if isinstance(result, Failure):
                failures.append(result)
            else:
                measurements += result
    for failure in failures:
        print(f"failed: {failure.case}: {failure.reason}", file=sys.stderr)
    if not measurements:
        raise InputError(f"no case of {arguments.dataset} could be measured; see above")
    if not arguments.box:
        remarks = [*remarks, *box_remarks(bundles)]
    if arguments.run is None:
        remarks = [*remarks, *learned_remarks(bundles, measurements)]
    conclude(arguments, measurements, bundles, remarks, failed=[failure.case for failure in failures])
    return SOME_FAILED if failures else 0


def learned_remarks(bundles: dict[str, Bundle], measurements: Sequence[Measurement]) -> list[str]:
    """A sentence for each model that has learned from cases that were measured, or does not tell."""
    from ...evaluation.learned import learned_from

    voxels = {one.case: one.voxels for one in measurements}
    said = [learned_from(bundle, voxels).sentence(name) for name, bundle in bundles.items()]
    return [sentence for sentence in said if sentence]


def run_drawn(arguments: argparse.Namespace) -> None:
    """Measure completions, write them case by case, and print the means."""
    from ...cascade.completion.completer import load_completer
    from ...errors import InputError
    from ...evaluation.drawn import drawn_csv, drawn_table, evaluate_drawn, summarise_drawn
    from ...system.files import make_folder, write_json, write_text
    from ...system.progress import progress_bar
    from ...system.settings import as_json
    from ...training.data.dataset import find_cases

    counts = sorted(set(arguments.drawn))
    if counts[0] < 1:
        raise InputError(f"--drawn was given {counts[0]} slices; expected at least 1")
    cases = find_cases(arguments.dataset)
    completer = load_completer(arguments.completer, arguments.device)
    make_folder(arguments.output)
    with progress_bar("case") as progress:
        figures = list(evaluate_drawn(cases, counts, completer, progress))
    if not figures:
        raise InputError(f"no tumour of {arguments.dataset} leaves a slice to complete; draw fewer slices")
    summaries = summarise_drawn(figures)
    written = [arguments.output / name for name in DRAWN_FILES]
    write_text(written[0], drawn_csv(figures))
    told_of = {"completer": completer.bundle.identity, "means": as_json(summaries)}
    write_json(written[1], told_of)
    print(f"{arguments.dataset.resolve().name}: interpolation -> completer, means over the cases")
    print(drawn_table(summaries))
    print("written: " + ", ".join(map(str, written)))


def plan_models(arguments: argparse.Namespace) -> Plan:
    """How models or predictions are measured on all cases."""
    from ...errors import InputError
    from ...evaluation.boxes import checked_slacks
    from ...evaluation.cases import Subject, evaluate, model_names
    from ...model.bundle import find_model, read_bundle
    from ...training.data.dataset import find_cases

    cases = find_cases(arguments.dataset)
    models = tuple(find_model(model) for model in arguments.model or ())
    if len(set(models)) < len(models):
        raise InputError(f"a model is given twice ({', '.join(map(str, models))}); expected different ones")
    if arguments.predictions is not None and not arguments.predictions.is_dir():
        raise InputError(f"{arguments.predictions} is not a folder; expected one with a mask for each case")
    if arguments.box and not models:
        raise InputError("--box was given without a model; expected --model or --run, as only models look inside a box")
    if arguments.record and len(models) != 1:
        raise InputError(f"--record was given with {len(models)} models; expected exactly one --model")
    subject = Subject(models, arguments.predictions, arguments.device, checked_slacks(arguments.box))
    bundles = dict(zip(model_names(models), map(read_bundle, models)))
    alike = [f"{name} is {bundle.path}" for name, bundle in bundles.items() if name != bundle.info.id]
    return partial(evaluate, cases, subject, arguments.workers), bundles, alike


def box_remarks(bundles: dict[str, Bundle]) -> list[str]:
    """A sentence where models that look inside a box were given none."""
    names = [name for name, bundle in bundles.items() if bundle.info.preprocessing.crops is not None]
    why = "made to look inside a box, and measured here on whole CTs; give --box 20 for what it is made for"
    return [f"{', '.join(names)}: {why}"] if names else []


def plan_folds(arguments: argparse.Namespace) -> Plan:
    """How the folds of a run are measured."""
    from ...errors import InputError
    from ...evaluation.boxes import checked_slacks
    from ...evaluation.folds import evaluate_folds, held_out
    from ...model.bundle import read_bundle

    if arguments.record:
        raise InputError("--record was given with a run; expected exactly one --model")
    parts, remarks = held_out(arguments.run, arguments.dataset)
    bundles = {part.name: read_bundle(part.bundle) for part in parts}
    measure = partial(evaluate_folds, parts, arguments.device, arguments.workers, boxes=checked_slacks(arguments.box))
    return measure, bundles, remarks


def conclude(
    arguments: argparse.Namespace,
    measurements: Sequence[Measurement],
    bundles: dict[str, Bundle],
    remarks: Sequence[str],
    failed: Sequence[str],
) -> None:
    """Write the files and print the table."""
    from ... import __version__
    from ...evaluation.plot import plot
    from ...evaluation.report import FOLDS, cases_csv, summarise_evaluation, table
    from ...model.store import record_metrics
    from ...system.files import write_json, write_text
    from ...system.names import counted

    split = arguments.dataset.resolve().name
    if arguments.run is None:
        summary = summarise_evaluation(measurements, split)
    else:
        split += ", each case by the fold that did not learn from it"
        summary = summarise_evaluation(measurements, split, FOLDS)
    cases = counted(summary["cases"], "case")
    written = [arguments.output / name for name in FILES]
    write_text(written[0], cases_csv(measurements))
    origin = {"bundles": {name: bundle.identity for name, bundle in bundles.items()}, "remarks": remarks}
    told = {key: value for key, value in origin.items() if value}
    write_json(written[1], {"gtvautoseg": __version__, **told, "failed": failed, **summary})
    write_text(written[2], plot(measurements, f"{split}: {cases}"))
    if arguments.record and failed:
        what = counted(len(failed), "case")
        print(f"warning: {what} failed, so nothing was recorded in the model", file=sys.stderr)
    elif arguments.record:
        written.append(record_metrics(arguments.model[0], summary["metrics"]))
    print(f"{split}: {cases}, mean and standard deviation")
    print(table(summary))
    for remark in remarks:
        print(f"note: {remark}")
    print("written: " + ", ".join(map(str, written)))
