"""``gtvautoseg commission``: the page that is filed before a model is used, and again each quarter."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..options import add_device, add_label, at_least, labelled

PAGE = "commission.html"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    from ...model.precision import PRECISIONS

    parser.add_argument(
        "dataset",
        metavar="DATASET",
        type=Path,
        nargs="?",
        help="folder with <case>/data and <case>/label, or a raw one of nnU-Net",
    )
    add_label(parser)
    parser.add_argument("--model", help="id of a model (see 'model list'), or a bundle's path")
    parser.add_argument("--output", metavar="DIR", type=Path, help=f"folder for {PAGE} and commission.json")
    parser.add_argument(
        "--limits", metavar="FILE", type=Path, help="the site's limits, JSON; those it leaves out have their defaults"
    )
    parser.add_argument("--write-limits", metavar="FILE", type=Path, help="write the default limits, and do no more")
    parser.add_argument(
        "--against", metavar="FILE", type=Path, help="commission.json of an earlier one to compare with"
    )
    parser.add_argument(
        "--box",
        type=float,
        nargs="+",
        metavar="MM",
        help="let the model look inside simulated boxes with this much slack around the label, as 'evaluate' does; the "
        "first one counts (default, for a model that needs a box: 20 10 40)",
    )
    parser.add_argument(
        "--region", default="", metavar="NAME", help="what DATASET calls the structure, where otherwise"
    )
    parser.add_argument("--by", default="", metavar="NAME", help="who carries it out, for the page")
    parser.add_argument("--replace", action="store_true", help="replace a commission that lies in DIR")
    add_device(parser)
    parser.add_argument(
        "--precision", choices=PRECISIONS, default="auto", help="numbers to compute in, as in use (auto)"
    )
    parser.add_argument("--workers", type=at_least(1), default=1, metavar="N", help="processes, a case each (1)")
    parser.epilog = (
        "Exit codes: 0 all limits are kept; 1 one is not, which is written all the same. Nothing is written before all "
        "cases are measured."
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure, judge, write, and say the verdict."""
    from ...errors import InputError
    from ...evaluation.commission.earlier import FILE, check_comparable, read_commission
    from ...evaluation.commission.limits import Limits, limits_text, load_limits
    from ...evaluation.commission.page import commission_page, remarks
    from ...evaluation.commission.run import Request, boxes_of, commission
    from ...model.bundle import verify_model
    from ...system.files import check_writable, make_folder, write_json, write_text
    from ...system.lock import locked
    from ...system.progress import progress_bar

    if arguments.write_limits is not None:
        if arguments.write_limits.exists():
            raise InputError(f"{arguments.write_limits} is there already; expected the name of a new file")
        check_writable(arguments.write_limits)
        write_text(arguments.write_limits, limits_text(Limits()))
        print(f"written: {arguments.write_limits}")
        return 0
    missing = [name for name in ("dataset", "model", "output") if getattr(arguments, name) is None]
    if missing:
        words = {"dataset": "DATASET", "model": "--model", "output": "--output"}
        raise InputError(f"{words[missing[0]]} is missing; expected DATASET, --model M and --output DIR")
    limits = Limits() if arguments.limits is None else load_limits(arguments.limits)
    earlier = None if arguments.against is None else read_commission(arguments.against)
    bundle = verify_model(arguments.model)
    if earlier is not None:
        check_comparable(earlier, bundle.info.task.roi)
    request = Request(
        dataset=labelled(arguments.dataset, arguments.label),
        bundle=bundle,
        device=arguments.device,
        precision=arguments.precision,
        boxes=boxes_of(bundle, arguments.box),
        limits=limits,
        by=" ".join(arguments.by.split()),
        region=arguments.region,
        earlier=earlier,
    )
    output: Path = arguments.output
    make_folder(output)
    with locked(output):
        if (output / FILE).exists() and not arguments.replace:
            raise InputError(
                f"{output} holds a commission already, which is a record; name another folder, or replace it with "
                "--replace"
            )
        with progress_bar("case") as progress:
            done, worst = commission(request, arguments.workers, progress)
        # The page first: where the JSON is, both are.
        write_text(output / PAGE, commission_page(done, worst))
        write_json(output / FILE, done.to_json())
    print(done.sentence)
    for text in (*([done.against.sentence] if done.against else []), *(f"note: {text}" for text in remarks(done))):
        print(text)
    print(f"written: {output / PAGE}, {output / FILE}")
    return 0 if done.passed else 1
