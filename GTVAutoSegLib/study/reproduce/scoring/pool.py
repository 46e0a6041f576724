"""The test cases measured by several processes, of which one that dies takes nothing with it but its case."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from functools import partial
from typing import TypeVar

from ....system.processes import Ended, WorkerDied, run_jobs
from ....system.progress import Progress
from ....training.data.dataset import Case

T = TypeVar("T")


def over_cases(
    measure: Callable[[Case], T],
    cases: Sequence[Case],
    jobs: int,
    progress: Progress | None = None,
) -> tuple[dict[str, T], str]:
    """Measure cases.

    Args:
        measure: of one case; what it raises ends the others.
        cases: which.
        jobs: processes, a case each; one case after another in this process when it is 1.
        progress: called with "scoring", cases done, and cases in all.

    Returns:
        What was found, by the case's name and in the order of ``cases``; and which cases have nothing because every
        process that tried them died, a sentence, or "".
    """
    found: dict[str, T] = {}
    died = []
    with closing(_measured(measure, cases, jobs)) as measured:
        for ended in measured:
            if isinstance(ended.error, WorkerDied):
                died.append(ended.job.name)
                continue
            found[ended.job.name] = ended.result()
            if progress is not None:
                progress("scoring", len(found), len(cases))
    sentence = (
        f"the process that scores {', '.join(sorted(died))} died, for lack of memory perhaps; run again with "
        "--report-only while no other program needs the memory"
    )
    return {case.name: found[case.name] for case in cases if case.name in found}, sentence if died else ""


def _measured(measure: Callable[[Case], T], cases: Sequence[Case], jobs: int) -> Generator[Ended[Case, T], None, None]:
    if jobs > 1:
        yield from run_jobs(partial(_measure, measure=measure), cases, workers=min(jobs, len(cases)))
    else:
        yield from (Ended(case, measure(case)) for case in cases)


def _measure(case: Case, _: Callable[[], bool], measure: Callable[[Case], T]) -> T:
    return measure(case)
