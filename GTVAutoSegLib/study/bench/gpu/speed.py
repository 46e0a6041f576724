"""Time and memory on a device: a cold start, warm runs by step, and slices of the classifier a second."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

import torch

from ....images.write import write_image
from ..process import run_timed
from .masks import on_device
from .place import Place

ROUNDS = 3


@dataclass(frozen=True)
class Speed:
    """One precision on the phantom.

    Attributes:
        precision: "fp32" or "fp16".
        cold_s: the whole process of ``gtvautoseg segment``, from start to mask.
        first_s: the first run of a process, in which the device chooses its kernels.
        seconds: by step, of the best later run; "total" is all of it.
        slices_per_s: of the classifier.
        memory_mb: most memory of the device, MiB; None where it does not say.
    """

    precision: str
    cold_s: float
    first_s: float
    seconds: dict[str, float]
    slices_per_s: float
    memory_mb: float | None


def measure(place: Place, precision: str) -> Speed:
    """Measure the phantom."""
    ct = place.folder / "ct.nrrd"
    write_image(place.phantom.array, place.phantom, ct)
    words = ["segment", str(ct), "--output", str(place.folder / "cold.nrrd"), "--model", str(place.bundle)]
    cold, _ = run_timed([*words, "--device", place.device, "--precision", precision], torch.get_num_threads())
    cascade = on_device(place, str(place.bundle), precision)
    is_cuda = place.device.startswith("cuda")
    if is_cuda:
        torch.cuda.reset_peak_memory_stats(place.device)
    found = []
    for _ in range(1 + ROUNDS):
        started = perf_counter()
        result = cascade.segment(place.phantom)
        found.append({**result.timings, "total": perf_counter() - started})
    best = min(found[1:], key=lambda steps: steps["total"])
    memory = torch.cuda.max_memory_allocated(place.device) / 2**20 if is_cuda else None
    per_second = len(result.picked) / best["classifying"]
    return Speed(
        precision=precision,
        cold_s=cold,
        first_s=found[0]["total"],
        seconds=best,
        slices_per_s=per_second,
        memory_mb=memory,
    )
