"""8-bit integers against float32: milliseconds a slice by stage, and agreement of results over a data set.

    python -m GTVAutoSegLib.study.bench.parts.precision speed [--width 64] [--size 512] [--threads 2]
    python -m GTVAutoSegLib.study.bench.parts.precision agreement MODEL DATASET

Networks of `speed` have random weights, and both precisions run in turns, because other work on the machine changes
from minute to minute. With one thread, processor time is given.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from ....cascade.inference import CPU_BATCH_PIXELS, MAX_BATCH
from ....cascade.int8.convert import quantise
from ....cascade.load import load_model
from ....networks import SANet, SliceClassifier, channels_last
from ....system.allocator import keep_freed_memory
from ....training.data.dataset import find_cases
from ....training.results.calibration import compare, measure_ranges

ROUNDS = 5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(dest="action", required=True)
    speed_parser = actions.add_parser("speed")
    speed_parser.add_argument("--width", type=int, default=64)
    speed_parser.add_argument("--size", type=int, default=512)
    speed_parser.add_argument("--threads", type=int, default=2)
    agreement_parser = actions.add_parser("agreement")
    agreement_parser.add_argument("model")
    agreement_parser.add_argument("dataset", type=Path)
    arguments = parser.parse_args()
    if arguments.action == "agreement":
        reference = load_model(arguments.model, device="cpu", precision="fp32")
        other = load_model(arguments.model, device="cpu", precision="int8")
        print(compare(reference, other, find_cases(arguments.dataset)))
        return
    keep_freed_memory()
    torch.set_num_threads(arguments.threads)
    for name, build in (("classifier", SliceClassifier), ("segmenter", SANet)):
        speed(name, build(width=arguments.width).eval().requires_grad_(False), arguments.size)


@torch.inference_mode()
def speed(name: str, network: nn.Module, size: int) -> None:
    """Print the best of several rounds of each form of a network."""
    batch = max(1, min(MAX_BATCH, CPU_BATCH_PIXELS // size**2))
    images = F.avg_pool2d(torch.rand(batch, 1, size, size), 9, 1, 4).contiguous(memory_format=torch.channels_last)
    channels_last(network)
    small = quantise(network, measure_ranges(network, [images[:1]]))
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    best = {"fp32": float("inf"), "int8": float("inf")}
    for _ in range(ROUNDS):
        for precision, form in (("fp32", network), ("int8", small)):
            started = clock()
            form(images)
            best[precision] = min(best[precision], (clock() - started) / batch * 1000)
    ratio = best["fp32"] / best["int8"]
    print(f"{name}: fp32 {best['fp32']:.1f} ms, int8 {best['int8']:.1f} ms a slice, ratio {ratio:.1f}")


if __name__ == "__main__":
    main()
