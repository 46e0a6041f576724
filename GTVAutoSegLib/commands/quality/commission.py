"""``gtvautoseg commission``: the page that is filed before a model is used, and again each quarter."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from ..options import add_dataset, add_device, add_model, at_least, check_apart_from_data, check_drawn, labelled

if TYPE_CHECKING:
    from ...evaluation.commission.run import Request

PAGE = "commission.html"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_dataset(parser, nargs="?")
    add_model(parser, required=False)
    parser.add_argument(
        "--drawn",
        type=at_least(1),
        metavar="K",
        help="in place of a model: a simulated person names the ends and draws K slices, and the completer does the "
        "rest, which is what is measured",
    )
    parser.add_argument("--completer", type=Path, metavar="BUNDLE", help="with --drawn (default: the shipped one)")
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
    parser.add_argument("--workers", type=at_least(1), default=1, metavar="N", help="processes, a case each (1)")
    parser.epilog = (
        "Exit codes: 0 all limits are kept; 1 one is not, which is written all the same. Nothing is written before all "
        "cases are measured."
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure, judge, write, and say the verdict."""
    from ...errors import InputError
    from ...evaluation.commission.earlier import FILE
    from ...evaluation.commission.page import commission_page, remarks
    from ...evaluation.commission.run import commission
    from ...system.files import make_folder, whole_file
    from ...system.lock import locked
    from ...system.progress import progress_bar
    from ...system.settings import as_json

    if arguments.write_limits is not None:
        write_limits(arguments.write_limits)
        return 0
    request = plan(arguments)
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
        # The JSON is the mark: it goes before another page comes, and comes last, so that it never lies beside a page
        # of other figures.
        with whole_file(output / FILE) as mark, whole_file(output / PAGE) as page:
            mark.write_text(json.dumps(as_json(done), indent=2) + "\n", encoding="utf-8")
            page.write_text(commission_page(done, worst), encoding="utf-8")
            (output / FILE).unlink(missing_ok=True)
    print(done.sentence)
    for text in (*([done.against.sentence] if done.against else []), *(f"note: {text}" for text in remarks(done))):
        print(text)
    print(f"written: {output / PAGE}, {output / FILE}")
    return 0 if done.passed else 1


def write_limits(file: Path) -> None:
    """Write the default limits into a new file.

    Raises:
        InputError: it is there already, or cannot be written.
    """
    from ...errors import InputError
    from ...evaluation.commission.limits import Limits, limits_text
    from ...system.files import check_writable, write_text

    if file.exists():
        raise InputError(f"{file} is there already; expected the name of a new file")
    check_writable(file)
    write_text(file, limits_text(Limits()))
    print(f"written: {file}")


def plan(arguments: argparse.Namespace) -> Request:
    """What is to be commissioned; nothing is measured yet.

    Raises:
        InputError: options are missing or do not fit each other, or the limits or the earlier commission are wrong.
        ModelError: there is no such model or completer, or it is damaged.
    """
    from ...errors import InputError
    from ...evaluation.commission.earlier import check_comparable, read_commission
    from ...evaluation.commission.limits import Limits, load_limits
    from ...evaluation.commission.outline import HowRun
    from ...evaluation.commission.run import Request, boxes_of
    from ...model.bundle import verify_model
    from ...model.completer import read_completer
    from ...model.info import ModelInfo

    words = {"dataset": "DATASET", "model": "--model", "output": "--output"}
    if arguments.drawn:
        del words["model"]
    for name, word in words.items():
        if getattr(arguments, name) is None:
            raise InputError(f"{word} is missing; expected DATASET, --model M (or --drawn K) and --output DIR")
    check_drawn(arguments, {"--model": arguments.model, "--box": arguments.box, "--region": arguments.region})
    check_apart_from_data(arguments.output, arguments.dataset)
    limits = Limits() if arguments.limits is None else load_limits(arguments.limits)
    earlier = None if arguments.against is None else read_commission(arguments.against)
    dataset = labelled(arguments.dataset, arguments.label)
    bundle = read_completer(arguments.completer) if arguments.drawn else verify_model(arguments.model)
    how = HowRun(
        bundle.path,
        device=arguments.device,
        precision=arguments.precision,
        boxes=boxes_of(bundle.info, arguments.box) if isinstance(bundle.info, ModelInfo) else (),
        tolerance_mm=limits.surface_tolerance_mm,
        drawn=arguments.drawn or 0,
    )
    by = " ".join(arguments.by.split())
    request = Request(dataset, bundle, how=how, limits=limits, by=by, region=arguments.region, earlier=earlier)
    if earlier is not None:
        check_comparable(earlier, request.roi, how.drawn)
    return request
