"""Building and reading the slice store: slices per second.

    python -m GTVAutoSegLib.study.bench.parts.store [--size 512] [--cases 4] [--slices 100]

The cases are phantoms of 512 x 512 pixels, written as .nii.gz as StructSeg's are.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ....system.settings import PreprocessSettings
from ....training.data.dataset import find_cases
from ....training.data.slice_store import build_store
from ....training.data.slices import SliceSet
from ..phantom import body_ct


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--cases", type=int, default=4)
    parser.add_argument("--slices", type=int, default=100)
    arguments = parser.parse_args()
    settings = PreprocessSettings(size=arguments.size)
    total = arguments.cases * arguments.slices
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for number in range(arguments.cases):
            write_case(root / "data" / f"case{number}", arguments.slices, number)
        cases = find_cases(root / "data")
        for text in ("build", "open again"):
            started, busy = time.perf_counter(), time.process_time()
            stored = build_store(cases, settings, root / "store")
            seconds, busy = time.perf_counter() - started, time.process_time() - busy
            print(f"{text}: {total / seconds:.0f} slices/s, {1000 * busy / total:.2f} ms of one core a slice")
        slices = SliceSet(tuple(stored))
        order = np.random.default_rng(0).permutation(len(slices))
        started = time.perf_counter()
        for chosen in np.array_split(order, len(order) // 16):
            slices.batch(chosen)
        print(f"read in random batches of 16: {total / (time.perf_counter() - started):.0f} slices/s")


def write_case(folder: Path, slices: int, seed: int) -> None:
    """A phantom CT of 512 x 512 pixels with its label."""
    folder.mkdir(parents=True)
    hu = body_ct((slices, 512, 512), seed)
    for name, array in (("data", hu), ("label", (hu > 90).astype(np.uint8))):
        sitk.WriteImage(sitk.GetImageFromArray(array), folder / f"{name}.nii.gz")


if __name__ == "__main__":
    main()
