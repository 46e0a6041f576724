"""The batch: its time against that of the networks alone, its memory over many cases, and several workers.

    python -m GTVAutoSegLib.study.bench.parts.batch overlap [--cases 20] [--slices 60] [--data FOLDER] [--model ID]
    python -m GTVAutoSegLib.study.bench.parts.batch memory [--cases 200] [--slices 20] [--side 128]
    python -m GTVAutoSegLib.study.bench.parts.batch workers [--cases 20] [--slices 60] [--side 512] [--model ID]

The cases are phantoms, written as .nii.gz, or with ``--data FOLDER`` the CTs of a data set (``*/data.nii.gz``), over
and over until there are enough. Memory is managed as ``gtvautoseg batch`` does. Without ``--model`` the networks are
fitted to a phantom, segment every slice, and are of the size given by ``--width`` and ``--size``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import cycle
from pathlib import Path

import psutil
import SimpleITK as sitk

from ....batch.case import Outcome
from ....batch.dask import Work, run_on_cluster
from ....batch.find import find_cohort
from ....batch.run import Engine, plan_batch, run_batch, run_here
from ....cascade.cascade import Cascade
from ....cascade.load import load_model
from ....images.read import read_volume
from ....system.allocator import keep_freed_memory
from ..fitted_bundle import write_fitted_bundle
from ..phantom import body_ct

EXTENT_MM = 250  # a box model takes a CT of that size as its own box
DEFAULTS = {"overlap": (20, 60, 512), "memory": (200, 20, 128), "workers": (20, 60, 512)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=DEFAULTS)
    parser.add_argument("--cases", type=int)
    parser.add_argument("--slices", type=int)
    parser.add_argument("--side", type=int)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--size", type=int, default=256)
    values = parser.parse_args()
    keep_freed_memory()
    cases, slices, side = (
        given or default
        for given, default in zip((values.cases, values.slices, values.side), DEFAULTS[values.what], strict=True)
    )
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "in").mkdir()
        if values.data:
            copy_cases(values.data, root / "in", cases)
        else:
            draw_cases(root / "in", cases, slices, side)
        # Without a model of the user's every slice is segmented: what is measured does not depend on luck.
        model, threshold = (values.model, None) if values.model else (str(root / "fitted"), 0.0)
        if not values.model:
            write_fitted_bundle(Path(model), values.width, values.size, side)
        what = f"cases of {values.data}" if values.data else f"cases of {slices} slices of {side} x {side}"
        print(f"{cases} {what}, {os.cpu_count()} cores")
        {"overlap": overlap, "memory": memory, "workers": workers}[values.what](root, model, threshold)


def draw_cases(folder: Path, cases: int, slices: int, side: int) -> None:
    """Write phantoms."""
    for number in range(cases):
        image = sitk.GetImageFromArray(body_ct((slices, side, side), number))
        image.SetSpacing((EXTENT_MM / side, EXTENT_MM / side, 3.0))
        sitk.WriteImage(image, folder / f"ct{number:03}.nii.gz")


def copy_cases(data: Path, folder: Path, cases: int) -> None:
    """Copy the CTs of a data set, again from the first when they come to an end."""
    paths = sorted(data.glob("*/data.nii.gz"))
    if not paths:
        raise SystemExit(f"{data} holds no */data.nii.gz; expected a data set")
    for number, path in zip(range(cases), cycle(paths)):
        shutil.copy(path, folder / f"ct{number:03}.nii.gz")


def overlap(root: Path, model: str, threshold: float | None) -> None:
    """The batch against the sum of the pure inference times, each case read beforehand.

    Processor time, which other programs on the machine hardly change, is the bound of what overlapping can reach: work
    beside networks that keep all cores busy is not hidden, only shared out.
    """
    cascade = load_model(model, "cpu")
    first = next((root / "in").iterdir())
    cascade.segment(read_volume(first), threshold=threshold)  # a first run is slower, and would count for one side only
    inference = processor = 0.0
    for path in sorted((root / "in").iterdir()):
        volume = read_volume(path)
        started, used = time.perf_counter(), time.process_time()
        cascade.segment(volume, threshold=threshold)
        inference += time.perf_counter() - started
        processor += time.process_time() - used
    used = time.process_time()
    seconds = _run(
        root,
        name="out",
        cascade=cascade,
        engine=partial(run_here, model=cascade, threshold=threshold),
        say=_say_nothing,
    )
    used = time.process_time() - used
    print(f"inference alone {inference:.1f} s, batch {seconds:.1f} s: {seconds / inference:.2f} times")
    print(f"processor time: {processor:.1f} s and {used:.1f} s: {used / processor:.2f} times")


def memory(root: Path, model: str, threshold: float | None) -> None:
    """Resident memory of the process after every tenth of the cases."""
    cascade = load_model(model, "cpu")
    every = max(1, len(list((root / "in").iterdir())) // 10)
    used: list[float] = []

    def note(_: Outcome) -> None:
        used.append(psutil.Process().memory_info().rss / 2**20)
        if len(used) % every == 0:
            print(f"{len(used):>5} cases: {used[-1]:.0f} MB")

    _run(root, name="out", cascade=cascade, engine=partial(run_here, model=cascade, threshold=threshold), say=note)


def workers(root: Path, model: str, threshold: float | None) -> None:
    """Cases a minute between the first and the last result, for 1 and 2 worker processes."""
    cascade = load_model(model, "cpu")
    bundle = cascade.bundle
    work = Work(bundle.path.resolve(), digest=bundle.digest, device="cpu", precision="auto", threshold=threshold)
    for count in (1, 2):
        _run(
            root,
            name=f"out{count}",
            cascade=cascade,
            engine=partial(run_on_cluster, work=work, workers=count),
            say=_say_nothing,
        )
        times = sorted(path.stat().st_mtime for path in (root / f"out{count}").glob("*/result.json"))
        print(f"{count} workers: {60 * (len(times) - 1) / (times[-1] - times[0]):.2f} cases a minute")


def _say_nothing(_: Outcome) -> None:
    return


def _run(root: Path, name: str, cascade: Cascade, engine: Engine, say: Callable[[Outcome], None]) -> float:
    """Seconds for all cases."""
    output = root / name
    output.mkdir()
    started = time.perf_counter()
    outcomes = run_batch(plan_batch(find_cohort(root / "in"), output, cascade.bundle), engine, say)
    seconds = time.perf_counter() - started
    failed = [outcome.text for outcome in outcomes if outcome.failed]
    if failed:
        raise SystemExit(f"{len(failed)} cases failed: {failed[0]}")
    return seconds


if __name__ == "__main__":
    main()
