"""The test cases measured by several processes, of which one that dies takes nothing with it but its case."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from ....training.data.dataset import Case

T = TypeVar("T")


def over_cases(
    measure: Callable[[Case], T],
    cases: Sequence[Case],
    jobs: int,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[dict[str, T], str]:
    """Measure cases.

    Args:
        measure: of one case; what it raises ends the others.
        cases: which.
        jobs: processes, a case each; one case after another in this process when it is 1.
        progress: called with cases done, and cases in all.

    Returns:
        What was found, by the case's name and in the order of ``cases``; and which cases have nothing because their
        process died even when no other ran beside it, a sentence, or "".
    """
    found: dict[str, T] = {}

    def keep(case: Case, result: T) -> None:
        found[case.name] = result
        if progress is not None:
            progress(len(found), len(cases))

    if jobs == 1:
        for case in cases:
            keep(case, measure(case))
        return found, ""
    _at_once(measure, cases, jobs, keep)
    # A dead process fails every case that was waiting; one after the other they also have more memory.
    for case in [case for case in cases if case.name not in found]:
        _at_once(measure, [case], 1, keep)
    died = [case.name for case in cases if case.name not in found]
    sentence = (
        f"the process that scores {', '.join(died)} died, for lack of memory perhaps; run again with --report-only "
        "while no other program needs the memory"
    )
    return {case.name: found[case.name] for case in cases if case.name in found}, sentence if died else ""


def _at_once(measure: Callable[[Case], T], cases: Sequence[Case], jobs: int, keep: Callable[[Case, T], None]) -> None:
    """Measure cases in processes of their own, as far as these live."""
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        try:
            waiting: dict[Future[T], Case] = {pool.submit(measure, case): case for case in cases}
        except BrokenProcessPool:  # so early that not all were handed over
            return
        try:
            for future in as_completed(waiting):
                if not isinstance(future.exception(), BrokenProcessPool):
                    keep(waiting[future], future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
