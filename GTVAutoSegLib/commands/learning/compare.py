"""``gtvautoseg compare``: a new model against the present one on the same cases, case by case."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import Cancelled, InputError
from ...system.progress import Send
from ..options import SOME_FAILED, add_dataset, add_device, check_apart_from_data, labelled
from .following import add_following_options, canceller, followed, shown_progress

if TYPE_CHECKING:
    from ...evaluation.cases import Failure
    from ...evaluation.comparison import Pair, Side

FILES = ("comparison.html", "comparison.json", "comparison.csv")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_dataset(parser)
    parser.add_argument("old", metavar="OLD", help="the present model: id or path; or the folder of a training run")
    parser.add_argument(
        "new",
        metavar="NEW",
        help="folder of a training run on DATASET, whose cases are each outlined by the fold that did not learn from "
        "it; or a model: id or path",
    )
    parser.add_argument("--output", metavar="DIR", required=True, type=Path, help="folder for " + ", ".join(FILES))
    parser.add_argument(
        "--box",
        type=float,
        metavar="MM",
        help="let both look inside simulated boxes with this much slack, see 'evaluate'",
    )
    add_device(parser)
    add_following_options(parser)
    parser.epilog = (
        "Better or worse is said where the 95 %% interval of the mean difference in DSC (paired bootstrap over at "
        "least 6 patients) leaves out zero. Whether a model has learned from these cases is said as far as its "
        "description tells. Exit codes: 0 all cases compared; 1 some failed."
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure both, write, and say what is shown."""
    with followed(arguments) as send:
        try:
            return _compare(arguments, send)
        except KeyboardInterrupt:
            raise Cancelled("the comparison was stopped; nothing was written") from None


def _compare(arguments: argparse.Namespace, send: Send | None) -> int:
    from ...evaluation.boxes import checked_slacks
    from ...evaluation.cases import Failure
    from ...evaluation.comparison import measure_pairs, plan_comparison
    from ...system.files import make_folder
    from ...training.data.dataset import read_patients
    from ...training.data.folds import read_dataset

    checked_slacks(None if arguments.box is None else [arguments.box])
    check_apart_from_data(arguments.output, arguments.dataset)
    arguments.dataset = labelled(arguments.dataset, arguments.label)
    cases, sides = plan_comparison(arguments.dataset, arguments.old, arguments.new)
    patients = read_patients(arguments.dataset, [case.name for case in read_dataset(arguments.dataset)[0]])
    make_folder(arguments.output)
    with shown_progress(send) as progress:
        found = list(
            measure_pairs(
                cases,
                sides,
                device=arguments.device,
                slack_mm=arguments.box,
                progress=progress,
                cancelled=canceller(arguments),
            )
        )
    failures = [one for one in found if isinstance(one, Failure)]
    pairs = sorted((one for one in found if not isinstance(one, Failure)), key=lambda pair: pair.case)
    for failure in failures:
        if send is not None:
            send("warning", message=f"{failure.case}: {failure.reason}")
        print(f"failed: {failure.case}: {failure.reason}", file=sys.stderr)
    if not pairs:
        raise InputError(f"no case of {arguments.dataset} could be compared; see above")
    _conclude(arguments, pairs=pairs, failures=failures, sides=sides, patients=patients, send=send)
    return SOME_FAILED if failures else 0


def _conclude(
    arguments: argparse.Namespace,
    pairs: list[Pair],
    failures: list[Failure],
    sides: dict[str, Side],
    patients: dict[str, str],
    send: Send | None,
) -> None:
    """Write the files, the figures last: where they are, all are. Say what is shown."""
    from ... import __version__
    from ...evaluation.comparison_page import comparison_page
    from ...evaluation.verdict import judge, to_json, to_table
    from ...system.files import write_json, write_text

    verdict = judge(pairs, sides, patients)
    name = arguments.dataset.resolve().name
    page, figures, table = (arguments.output / file for file in FILES)
    content = {"gtvautoseg": __version__, "dataset": name, **to_json(verdict, pairs, sides)}
    write_text(table, to_table(pairs))
    write_text(page, comparison_page(verdict, pairs, sides, name))
    write_json(figures, {**content, "failed": [failure.case for failure in failures]})
    if send is not None:
        send(
            "result",
            report=str(page),
            comparison=str(figures),
            verdict=verdict.verdict,
            sentence=verdict.sentence,
        )
        return
    print(verdict.sentence)
    for remark in verdict.remarks:
        print(f"note: {remark}")
    print("written: " + ", ".join(map(str, (page, figures, table))))
