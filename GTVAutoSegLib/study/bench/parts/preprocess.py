"""Preprocessing as the cascade does it: milliseconds a slice.

    python -m GTVAutoSegLib.study.bench.parts.preprocess [--size 512] [--slices 100] [--threads 1]

A phantom of 512 x 512 pixels; body boxes, then window, crop and stretch. The cascade does both in one thread;
``--threads`` takes others for the body boxes of each batch.
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ....cascade.preprocess import Box, body_box, network_input
from ....system.allocator import keep_freed_memory
from ....system.settings import PreprocessSettings
from ..phantom import body_ct

BATCH = 4
ROUNDS = 5


def main() -> None:
    """Measure and print the best of several rounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--slices", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    keep_freed_memory()
    settings = PreprocessSettings(size=arguments.size)
    hu = body_ct((arguments.slices, 512, 512))
    rounds = [measure(hu, settings, arguments.threads) for _ in range(ROUNDS)]
    wall, busy = (min(column) for column in zip(*rounds))
    print(f"{wall:.2f} ms a slice on {os.cpu_count()} cores, {busy:.2f} ms of processor time")


def measure(hu: np.ndarray, settings: PreprocessSettings, threads: int) -> tuple[float, float]:
    """Wall and processor time a slice, ms."""
    started, busy = time.perf_counter(), time.process_time()
    for start in range(0, len(hu), BATCH):
        rows = range(start, min(start + BATCH, len(hu)))
        network_input(hu, rows, body_boxes(hu[start : start + BATCH], settings, threads), settings)
    seconds = (time.perf_counter() - started, time.process_time() - busy)
    return seconds[0] / len(hu) * 1000, seconds[1] / len(hu) * 1000


def body_boxes(planes: np.ndarray, settings: PreprocessSettings, threads: int) -> list[Box]:
    """The boxes of some slices (n, y, x)."""
    if threads == 1:
        return [body_box(plane, settings) for plane in planes]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda plane: body_box(plane, settings), planes))


if __name__ == "__main__":
    main()
