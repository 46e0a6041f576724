"""What a run of the benchmark measures, and what it found."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

# On which kind of device a precision is to be had; fp32 on all.
DEVICE_OF = {"int8": "cpu", "fp16": "cuda"}


def default_threads() -> tuple[int, ...]:
    """All cores, then one."""
    cores = os.cpu_count() or 1
    return (cores, 1) if cores > 1 else (1,)


@dataclass(frozen=True)
class BenchSettings:
    """A run; every combination of widths, sizes, shrinks, threads, precisions and devices is measured.

    Attributes:
        widths: channels of the networks' first stage.
        sizes: sides of the network input, pixels.
        shrinks: argument ``shrink`` of the classifier.
        threads: of the networks on a CPU.
        precisions: as ``load_model`` takes them; empty for every one that the device, machine and model have.
        devices: empty for every one that works.
        slices: of the phantom.
        positive: how many of them show tumour.
        side: rows and columns of the phantom.
        cts: real CTs, measured with ``model``; without any, the phantom is measured.
        model: id or path, for ``cts``.
        rounds: warm runs of each combination, alternating; the best counts.
        cold: starts of the whole process of each combination; the best counts.
        against: other systems, measured in the same rounds.
        patches: how many of their patches are computed, 0 for all.
    """

    widths: tuple[int, ...] = (64, 32)
    sizes: tuple[int, ...] = (512, 256)
    shrinks: tuple[int, ...] = (1,)
    threads: tuple[int, ...] = field(default_factory=default_threads)
    precisions: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    slices: int = 100
    positive: int = 18
    side: int = 512
    cts: tuple[Path, ...] = ()
    model: str = "sts-gtv"
    rounds: int = 3
    cold: int = 2
    against: tuple[str, ...] = ()
    patches: int = 3


def describe_networks(width: int, size: int, shrink: int) -> str:
    """A model for people."""
    return f"width {width}, {size} x {size}" + (f", classifier at 1/{shrink}" if shrink > 1 else "")


@dataclass(frozen=True)
class Variant:
    """One combination: a model on a device, at a precision, with so many threads."""

    model: str
    width: int
    size: int
    shrink: int
    device: str
    precision: str
    threads: int


@dataclass(frozen=True)
class Row:
    """What one combination took.

    Attributes:
        ct: which.
        variant: what was measured.
        slices: of the CT.
        picked: how many slices the classifier picked.
        as_expected: whether those are the phantom's positive slices; None for a real CT.
        cold_s: the whole process of ``gtvautoseg segment``, from start to mask; None when left out.
        cold_memory_mb: its peak memory, MiB; None where the system does not say.
        seconds: by step, of the best warm round; "total" is `Cascade.segment`, in which reading and writing are not.
        memory_mb: peak memory of the warm process, MiB.
        over_floor: by stage, its time over that of its convolutions at the rate of the matrix product.
        against: how many times longer another system took, by its name.
    """

    ct: str
    variant: Variant
    slices: int
    picked: int
    as_expected: bool | None
    cold_s: float | None
    cold_memory_mb: float | None
    seconds: dict[str, float]
    memory_mb: float | None
    over_floor: dict[str, float]
    against: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class OpponentRow:
    """What another system took: forward passes and blending only, without reading, resampling and export.

    Attributes:
        name: of the system.
        threads: of its networks.
        patches: of the whole CT.
        timed: how many of them were computed; the time of the rest is by multiplication.
        seconds: for all patches.
        patch_s: of one patch.
        memory_mb: peak memory, MiB.
    """

    name: str
    threads: int
    patches: int
    timed: int
    seconds: float
    patch_s: float
    memory_mb: float | None
