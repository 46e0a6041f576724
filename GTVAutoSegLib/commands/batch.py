"""``gtvautoseg batch``: a folder of CTs in, a folder of results with a summary out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from ..system.names import counted
from .options import SOME_FAILED, add_contours, add_device, add_model, at_least

if TYPE_CHECKING:
    from ..batch.case import Outcome
    from ..batch.cohort import Cohort
    from ..batch.earlier import Earlier
    from ..batch.run import Batch, Engine
    from ..model.bundle import Bundle


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "input",
        metavar="INPUT",
        type=Path,
        help="folder with volumes or DICOM files in any nesting, or a .csv with the columns name and path",
    )
    parser.add_argument("output", metavar="OUTPUT", type=Path, help="folder for the results; made if need be")
    add_model(parser)
    parser.add_argument(
        "--format",
        action="append",
        metavar="SUFFIX",
        help="how masks are written, may be repeated: .seg.nrrd, .nii.gz, .nrrd, .mha, .dcm (RTSTRUCT, for DICOM); "
        "by default .seg.nrrd, and for DICOM .dcm as well",
    )
    add_device(parser)
    parser.add_argument("--threshold", type=float, metavar="T", help="slice probability from which it is segmented")
    add_contours(parser)
    parser.add_argument(
        "--strict",
        action="store_true",
        help="a CT unlike those the model was trained on, or read with a remark, fails: no outline is written for it",
    )
    many = parser.add_mutually_exclusive_group()
    many.add_argument("--workers", type=at_least(1), default=1, metavar="N", help="use N local processes (default: 1)")
    many.add_argument("--scheduler", metavar="ADDRESS", help="use the workers of a running Dask scheduler")
    parser.add_argument(
        "--resume", action="store_true", help="keep what is finished; do what is missing, or out of date"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, with paths; write nothing")
    parser.add_argument(
        "--name-by",
        choices=("case", "patient"),
        default="case",
        help="how DICOM cases are called: 'case' (default) is case_ and 8 hexadecimal digits of the SHA-256 of the "
        "series UID; 'patient' puts the PatientID before them",
    )
    parser.add_argument("--watch-stdin", action="store_true", help=argparse.SUPPRESS)  # for a parent process
    parser.epilog = (
        "Per case: masks, result.json, thumbnail.png, report.html; for the run: summary.csv, summary.html, batch.log. "
        "Exit codes: 0 all done; 1 some failed, or a file or folder could not be read; 2 nothing usable; 3 model or "
        "PyTorch missing or damaged; 130 cancelled, finished cases are kept."
    )


def run(arguments: argparse.Namespace) -> int:
    """Find the cases, do them, and say what became of each."""
    from ..batch.formats import without_unwritable
    from ..batch.plan import BatchSettings
    from ..batch.run import plan_batch, run_batch
    from ..errors import Cancelled
    from ..model.bundle import read_bundle
    from ..system.files import make_folder

    bundle = read_bundle(arguments.model)
    check_options(arguments)
    formats = tuple(arguments.format or ())
    cohort = without_unwritable(find(arguments), formats)
    settings = BatchSettings(
        formats,
        threshold=arguments.threshold,
        strict=arguments.strict,
        precision=arguments.precision,
        contours=arguments.contours,
    )
    batch = plan_batch(cohort, arguments.output, bundle, settings)
    if arguments.dry_run:
        preview(batch)
        return 0
    check_earlier(batch, arguments.resume)
    make_folder(arguments.output)
    engine = choose_engine(arguments, bundle, bool(batch.todo))
    if batch.finished:
        print(f"{batch.finished} of {counted(len(batch.plans), 'case')} finished already", flush=True)
    for name, text in batch.changed.items():
        print(f"warning: {name}: {text}", file=sys.stderr, flush=True)
    say = _sayer(len(batch.todo) + len(cohort.failed) + len(batch.to_correct))
    try:
        outcomes = run_batch(batch, engine, say)
    except (KeyboardInterrupt, Cancelled):
        raise Cancelled("the run was cancelled; finished cases are kept, so go on with --resume") from None
    return conclude(batch, outcomes)


def conclude(batch: Batch, outcomes: Sequence[Outcome]) -> int:
    """Print the sum, of what was finished before as well, and give the exit code."""
    cohort, earlier = batch.cohort, batch.earlier.values()
    failed = sum(outcome.failed for outcome in outcomes)
    check = sum(outcome.check for outcome in outcomes) + sum(one.check for one in earlier)
    done = len(batch.plans) + len(cohort.failed) - failed
    first = f"; {check} of the done to be checked first" if check else ""
    changed = sum(one.edited for one in earlier if not one.todo)
    kept = f"; {changed} of the done changed by a person and kept" if changed else ""
    print(f"{done} done, {failed} failed, {cohort.skipped_files} left aside{first}{kept}")
    print(f"summary: {batch.output / 'summary.html'}")
    return SOME_FAILED if failed or cohort.lost else 0


def check_options(arguments: argparse.Namespace) -> None:
    """Raise InputError for options that no case could be done with."""
    from ..errors import InputError
    from ..images.write import FORMATS
    from ..system.settings import check_threshold

    for suffix in arguments.format or ():
        if suffix.lower() not in FORMATS:
            raise InputError(f"--format is '{suffix}'; expected a suffix with its dot, one of {', '.join(FORMATS)}")
        FORMATS[suffix.lower()].check_installed(f"--format {suffix}")
    if arguments.threshold is not None:
        check_threshold(arguments.threshold)
    if arguments.input.resolve() == arguments.output.resolve():
        raise InputError(f"{arguments.output} is the input folder itself; expected another folder for the results")


def find(arguments: argparse.Namespace) -> Cohort:
    """Find the cases, and say what is left aside; raises InputError when there is nothing to do."""
    from ..batch.find import find_cohort
    from ..errors import InputError
    from ..system.progress import progress_bar

    with progress_bar("file") as progress:
        cohort = find_cohort(arguments.input, arguments.output, arguments.name_by == "patient", progress)
    for skipped in cohort.skipped:
        where = f" ({skipped.path})" if arguments.dry_run or skipped.lost else ""
        print(f"skipped: {skipped.what}: {skipped.reason}{where}", file=sys.stderr)
    if not cohort.cases and not cohort.failed:
        beside = f" ({cohort.skipped_files} skipped)" if cohort.skipped else ""
        raise InputError(
            f"{arguments.input} holds no CT{beside}; expected image files such as ct.nii.gz or ct.nrrd, or DICOM "
            "files of a CT, in it or in its subfolders"
        )
    return cohort


def preview(batch: Batch) -> None:
    """Print what would be done."""
    from ..system.names import shown

    for name, text in batch.cohort.failed:
        print(f"{name}: will fail: {text}")
    for plan in batch.plans:
        files = plan.case.files
        where = files[0] if len(files) == 1 else f"{len(files)} slices in {Path(files[0]).parent}"
        masks = ", ".join(path.name for path in plan.masks)
        print(f"{plan.case.name}: {_state(batch.earlier[plan.case.name])}: {shown(where)} -> {masks}")
    todo = len(batch.todo)
    print(f"{counted(todo, 'case')} to do, {batch.finished} finished; nothing was written")


def _state(earlier: Earlier) -> str:
    return earlier.todo or "; ".join(text for text in ("finished", earlier.kept) if text)


def check_earlier(batch: Batch, resume: bool) -> None:
    """Raise InputError rather than replace results that nobody spoke of."""
    from ..batch.plan import RESULT
    from ..errors import InputError

    there = sum((plan.folder / RESULT).exists() for plan in batch.plans)
    if there and not resume:
        raise InputError(
            f"{batch.output} holds results of {there} of these cases already; add --resume to keep what is up to "
            "date and do the rest, or choose another folder"
        )


def choose_engine(arguments: argparse.Namespace, bundle: Bundle, needed: bool) -> Engine | None:
    """What does the cases: this process, or Dask workers; a damaged model is said at once."""
    from ..batch.run import run_here
    from ..cascade.load import load_model
    from ..model.bundle import verify_model
    from ..system.streams import StandardInput

    cancelled = StandardInput().closed if arguments.watch_stdin else None
    if not needed:
        return None
    if arguments.scheduler is None and arguments.workers == 1:
        model = load_model(bundle, arguments.device, arguments.precision)
        return partial(run_here, model=model, threshold=arguments.threshold, cancelled=cancelled)
    from ..batch.dask import Work, run_on_cluster
    from ..system.processes import check_installed

    check_installed()
    verify_model(bundle.path)
    work = Work(
        bundle.path.resolve(),
        digest=bundle.digest,
        device=arguments.device,
        precision=arguments.precision,
        threshold=arguments.threshold,
    )
    return partial(
        run_on_cluster, work=work, workers=arguments.workers, address=arguments.scheduler or "", cancelled=cancelled
    )


def _sayer(total: int) -> Callable[[Outcome], None]:
    """Says what became of each case; failures and warnings go to standard error."""
    numbers = count(1)

    def say(outcome: Outcome) -> None:
        stream = sys.stderr if outcome.failed else sys.stdout
        state = "failed: " if outcome.failed else "to be checked first: " if outcome.check else ""
        print(f"[{next(numbers)}/{total}] {outcome.case}: {state}{outcome.text}", file=stream, flush=True)
        for warning in outcome.warnings:
            print(f"warning: {outcome.case}: {warning}", file=sys.stderr, flush=True)

    return say
