"""Preprocessing as the cascade does it: milliseconds a slice.

    python -m Testing.benchmarks.preprocess [--size 512] [--slices 100]

A phantom of 512 x 512 pixels; body boxes in a thread for each core, then window, crop and stretch.
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ThreadPoolExecutor

from GTVAutoSegLib.allocator import keep_freed_memory
from GTVAutoSegLib.preprocess import body_box, network_input
from GTVAutoSegLib.settings import PreprocessSettings
from Testing.Python.phantoms import body_ct

BATCH = 4
ROUNDS = 5


def main() -> None:
    """Measure and print the best of several rounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--slices", type=int, default=100)
    arguments = parser.parse_args()
    keep_freed_memory()
    settings = PreprocessSettings(size=arguments.size)
    hu = body_ct((arguments.slices, 512, 512))
    rounds = [measure(hu, settings) for _ in range(ROUNDS)]
    wall, busy = (min(column) for column in zip(*rounds))
    print(f"{wall:.2f} ms a slice on {os.cpu_count()} cores, {busy:.2f} ms of processor time")


def measure(hu, settings: PreprocessSettings) -> tuple[float, float]:
    """Wall and processor time a slice, ms."""
    started, busy = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(hu), BATCH):
            rows = range(start, min(start + BATCH, len(hu)))
            boxes = list(pool.map(lambda row: body_box(hu[row], settings), rows))
            network_input(hu, rows, boxes, settings)
    seconds = (time.perf_counter() - started, time.process_time() - busy)
    return seconds[0] / len(hu) * 1000, seconds[1] / len(hu) * 1000


if __name__ == "__main__":
    main()
