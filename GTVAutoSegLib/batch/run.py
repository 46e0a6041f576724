"""A batch in one process: while the network looks at a case, the next is read and the one before is written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ..errors import Cancelled
from ..images.volume import Volume
from ..model.bundle import Bundle
from ..report.record.audit import now
from ..system.lock import locked
from ..system.names import counted
from .case import Outcome, failure, read_case, refuse_doubts, write_or_fail
from .cohort import Cohort
from .correction import correct
from .earlier import Earlier, look, set_aside
from .plan import BatchSettings, Plan, plan_case
from .summary import write_summary
from .trail import note_edit, note_run

if TYPE_CHECKING:
    from ..cascade.cascade import Cascade

LOG = "batch.log"

Engine = Callable[[Sequence[Plan]], Generator[Outcome]]


@dataclass(frozen=True)
class Batch:
    """All that a run has to do.

    Attributes:
        cohort: where the cases come from.
        output: folder of the results.
        bundle: the model.
        plans: one for each case.
        earlier: by name of the case, what lies in its folder already.
    """

    cohort: Cohort
    output: Path
    bundle: Bundle
    plans: tuple[Plan, ...]
    earlier: dict[str, Earlier]

    @property
    def todo(self) -> dict[str, str]:
        """Name and reason of the cases that have to be done."""
        return {name: one.todo for name, one in self.earlier.items() if one.todo}

    @property
    def changed(self) -> dict[str, str]:
        """Name of the cases with files that a person changed since, and what becomes of these."""
        return {name: one.kept_files or one.todo for name, one in self.earlier.items() if one.changed}

    @property
    def to_correct(self) -> tuple[Plan, ...]:
        """Finished cases with a corrected mask that their other files do not follow yet."""
        found = (plan for plan in self.plans if not self.earlier[plan.case.name].todo)
        return tuple(plan for plan in found if self.earlier[plan.case.name].uncorrected)

    @property
    def finished(self) -> int:
        """How many cases have their results already."""
        return len(self.plans) - len(self.todo)


def plan_batch(cohort: Cohort, output: Path, bundle: Bundle, settings: BatchSettings | None = None) -> Batch:
    """Plan a run; nothing is written."""
    settings = settings or BatchSettings()
    plans = tuple(plan_case(case, output, bundle, settings) for case in cohort.cases)
    return Batch(cohort, output=output, bundle=bundle, plans=plans, earlier=_look(plans))


def _look(plans: Iterable[Plan]) -> dict[str, Earlier]:
    return {plan.case.name: look(plan) for plan in plans}


def run_batch(batch: Batch, engine: Engine | None, say: Callable[[Outcome], None]) -> list[Outcome]:
    """Do what is to be done, keep ``batch.log``, and write ``summary.csv`` and ``summary.html``.

    The summary is also written when the run is interrupted, and tells from the disk what is finished.

    Args:
        batch: the plan; its output folder exists.
        engine: does cases, and yields an outcome for each, in any order; not asked when there is nothing to do.
        say: called with each outcome.

    Returns:
        The outcomes; rows of a table that gave no case are failed ones.

    Raises:
        InputError: another run is writing to the folder.
    """
    outcomes: list[Outcome] = []

    def tell(outcome: Outcome) -> None:
        outcomes.append(outcome)
        _log(log, outcome)
        say(outcome)

    with locked(batch.output), (batch.output / LOG).open("a", encoding="utf-8") as log:
        batch = replace(batch, earlier=_look(batch.plans))  # another run may have been writing since it was planned
        _log_start(batch, log)
        stuck = _set_aside(batch)
        for outcome in (*(Outcome(name, text, failed=True) for name, text in batch.cohort.failed), *stuck):
            tell(outcome)
        for plan in batch.to_correct:
            outcome = correct(plan, batch.earlier[plan.case.name], batch.bundle)
            note_edit(plan, batch.earlier[plan.case.name])
            tell(outcome)
        todo = batch.todo.keys() - {outcome.case for outcome in stuck}
        plans = {plan.case.name: plan for plan in batch.plans if plan.case.name in todo}
        try:
            if engine is not None and plans:
                # Closed before the summary is written, whatever happens: then nothing is being written any more.
                with closing(engine(list(plans.values()))) as running:
                    for outcome in running:
                        if not outcome.failed:
                            note_run(plans[outcome.case])
                        tell(outcome)
            for outcome in _removed(batch.plans, {outcome.case for outcome in outcomes if outcome.failed}):
                tell(outcome)
        finally:
            told = {outcome.case for outcome in outcomes}
            _note_untold([plan for name, plan in plans.items() if name not in told], log)
            failures = {outcome.case: outcome.text for outcome in outcomes if outcome.failed}
            done = write_summary(
                batch.output, plans=batch.plans, failures=failures, skipped=batch.cohort.skipped, bundle=batch.bundle
            )
            left = len(batch.plans) + len(batch.cohort.failed) - done - len(failures)
            _write(log, f"end: {done} done, {len(failures)} failed, {left} not done")
    return outcomes


def _set_aside(batch: Batch) -> list[Outcome]:
    """Clear the way for what is to be done; a case whose folder resists has failed."""
    stuck = []
    for plan in batch.plans:
        if plan.case.name in batch.todo:
            try:
                set_aside(plan)
            except Exception as error:
                stuck.append(failure(plan, error))
    return stuck


def _note_untold(plans: Sequence[Plan], log: IO[str]) -> None:
    """Put cases that are done, and that a cancelled run did not come to tell of, into audit trail and log."""
    for plan in plans:
        if not look(plan).todo:
            note_run(plan)
            _write(log, f"done: {plan.case.name}, as the run was ended")


def _removed(plans: Sequence[Plan], failed: Collection[str]) -> Iterator[Outcome]:
    """Cases that were done, and whose results somebody has taken away meanwhile."""
    for plan in plans:
        if plan.case.name not in failed and look(plan).todo:
            text = "its results were removed or replaced while the batch was running; run again with --resume"
            yield Outcome(plan.case.name, text, failed=True)


def run_here(
    plans: Sequence[Plan], model: Cascade, threshold: float | None = None, cancelled: Callable[[], bool] | None = None
) -> Generator[Outcome]:
    """Do cases in this process; at most three are in memory, whatever their number.

    Args:
        plans: what to do.
        model: for all of them.
        threshold: slice probability from which a slice is segmented; None for the model's own.
        cancelled: asked between batches of slices; the run stops when it returns True.

    Raises:
        Cancelled: ``cancelled`` returned True; finished cases stay.
    """
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        behind: Future[Outcome] | None = None
        for plan, reading in _one_ahead(reader, plans):
            try:
                volume = reading.result()
                refuse_doubts(plan, volume, model.bundle)
                result = model.segment(volume, threshold=threshold, cancelled=cancelled, region=plan.case.region)
            except Cancelled:
                raise
            except Exception as error:
                yield failure(plan, error)
                continue
            if behind is not None:
                yield behind.result()
            behind = writer.submit(write_or_fail, plan, volume, result, model.bundle)
        if behind is not None:
            yield behind.result()


def _one_ahead(reader: ThreadPoolExecutor, plans: Iterable[Plan]) -> Iterator[tuple[Plan, Future[Volume]]]:
    """Each plan with its CT on the way; the one after it is already being read."""
    reading = ((plan, reader.submit(read_case, plan)) for plan in plans)
    yield from (one for one, _ in pairwise(chain(reading, [None])) if one is not None)


def _log_start(batch: Batch, log: IO[str]) -> None:
    info, todo = batch.bundle.info, counted(len(batch.todo), "case")
    _write(log, f"start: model {info.id} {info.version}, {todo} to do, {batch.finished} finished")
    for skipped in batch.cohort.skipped:
        _write(log, f"skipped: {skipped.what}: {skipped.reason}")
    for name, reason in batch.todo.items():
        _write(log, f"to do: {name}: {reason}")
    for name, one in batch.earlier.items():
        if one.kept:
            _write(log, f"kept: {name}: {one.kept}")


def _log(log: IO[str], outcome: Outcome) -> None:
    _write(log, f"{'failed' if outcome.failed else 'done'}: {outcome.case}: {outcome.text}")
    if outcome.check:
        _write(log, f"check: {outcome.case}: to be looked at before any use")
    for warning in outcome.warnings:
        _write(log, f"warning: {outcome.case}: {warning}")
    if outcome.details:
        log.write(outcome.details)


def _write(log: IO[str], text: str) -> None:
    log.write(f"{now()} {' '.join(text.split())}\n")
    log.flush()
