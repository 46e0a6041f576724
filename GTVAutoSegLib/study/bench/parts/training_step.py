"""What a training step is made of: loading, augmentation, network; steps per second and peak memory.

    python -m GTVAutoSegLib.study.bench.parts.training_step [--size 256] [--width 32] [--batch 16] [--device cpu]

The store is built from phantoms first. Loading overlaps with the network in a training; here it is measured alone,
so its share is an upper bound.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from ....networks import SANet, SliceClassifier
from ....system.settings import PreprocessSettings
from ....training.data.augmentation import AugmentationSettings, augment, draw
from ....training.data.batches import as_input
from ....training.data.dataset import find_cases
from ....training.data.slice_store import build_store
from ....training.data.slices import SliceSet
from ....training.losses import LOSSES
from ....training.stages import STAGES
from .store import write_case

NETWORKS = {"classifier": SliceClassifier, "segmenter": SANet}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(2):
            write_case(Path(folder) / "data" / f"case{number}", 60, number)
        settings = PreprocessSettings(size=arguments.size)
        slices = SliceSet(tuple(build_store(find_cases(Path(folder) / "data"), settings, Path(folder) / "store")))
        print(f"{arguments.batch} slices of {arguments.size} x {arguments.size}, width {arguments.width}, {device}")
        for stage in STAGES:
            step(stage, slices, arguments, device)


def step(stage: str, slices: SliceSet, arguments: argparse.Namespace, device: torch.device) -> None:
    """Measure one stage."""
    network = NETWORKS[stage](width=arguments.width).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters())
    loss = LOSSES["ce" if stage == "classifier" else "cr"]
    settings, generator = AugmentationSettings(), torch.Generator().manual_seed(0)
    order = np.random.default_rng(0)
    seconds: dict[str, float] = defaultdict(float)
    half = torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")
    for number in range(arguments.steps + 1):
        if number == 1:  # the first one warms up
            seconds.clear()
        chosen = order.integers(len(slices), size=arguments.batch)
        with timed(seconds, "loading", device):
            images, masks = slices.batch(chosen)
            images, masks = as_input(images, device), masks.to(device)
        with timed(seconds, "augmentation", device):
            numbers = draw(len(chosen), settings, generator)
            images, masks = augment(images, masks, numbers, settings.noise_amount)
        with timed(seconds, "network", device):
            with half:
                logits = network(images.contiguous(memory_format=torch.channels_last))
            loss(logits.float(), STAGES[stage].target(masks)).backward()
            optimizer.step()
            optimizer.zero_grad()
    total = sum(seconds.values())
    shares = ", ".join(f"{name} {100 * value / total:.1f} %" for name, value in seconds.items())
    print(f"{stage}: {arguments.steps / total:.2f} steps/s; {shares}; peak memory {peak_memory(device)}")


@contextmanager
def timed(seconds: dict[str, float], name: str, device: torch.device) -> Iterator[None]:
    """Add the time of a block."""
    started = time.perf_counter()
    yield
    if device.type == "cuda":
        torch.cuda.synchronize()
    seconds[name] += time.perf_counter() - started


def peak_memory(device: torch.device) -> str:
    """Highest use so far: of the GPU, or of the process."""
    if device.type == "cuda":
        return f"{torch.cuda.max_memory_allocated() / 1e9:.1f} GB on the GPU"
    import resource  # not on Windows

    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9:.1f} GB"


if __name__ == "__main__":
    main()
