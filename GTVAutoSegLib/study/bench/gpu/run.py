"""All checks of a GPU one after the other, and the table of what they found."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch

from .... import __version__
from ....cascade.device import describe, resolve_device
from ....errors import DeviceError, GTVAutoSegError
from ..machine import describe_machine
from . import masks, memory, training, worker
from .place import CheckFailedError, LeftOutError, Place
from .speed import Speed, measure

OK, FAILED, LEFT_OUT = "ok", "FAILED", "left out"
CHECKS: dict[str, Callable[[Place], str]] = {
    "shipped samples, fp32": partial(masks.check_samples, precision="fp32"),
    "shipped samples, fp16": partial(masks.check_samples, precision="fp16"),
    "phantom, fp32": partial(masks.check_phantom, precision="fp32"),
    "phantom, fp16": partial(masks.check_phantom, precision="fp16"),
    "memory runs out": memory.check_memory,
    "no kernels for this GPU": worker.check_missing_kernels,
    "kept worker, cancel": worker.check_worker,
    "ten training steps": training.check_steps,
    "training resumed": training.check_resume,
}


@dataclass(frozen=True)
class Finding:
    """What a check came to: `OK`, `FAILED` or `LEFT_OUT`, and a sentence."""

    name: str
    state: str
    detail: str
    seconds: float


@dataclass(frozen=True)
class GpuReport:
    """What a GPU was found to do.

    Attributes:
        machine: what it is in.
        device: its name.
        versions: of the package, PyTorch and CUDA.
        findings: one for each check.
        speed: by precision.
    """

    machine: dict[str, Any]
    device: str
    versions: dict[str, str | None]
    findings: tuple[Finding, ...]
    speed: tuple[Speed, ...] = field(default=())

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return all(one.state != FAILED for one in self.findings)


def cuda_device() -> str:
    """The first CUDA device.

    Raises:
        DeviceError: there is none, or it does not work.
    """
    if not torch.cuda.is_available():
        built = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built without CUDA"
        raise DeviceError(
            f"this machine has no CUDA device that PyTorch {torch.__version__} ({built}) can use; run the check on a "
            "machine with an NVIDIA GPU, its driver, and a CUDA build of PyTorch"
        )
    return str(resolve_device("cuda"))


def run_gpu(say: Callable[[str], None]) -> GpuReport:
    """Check and measure the first CUDA device.

    Args:
        say: is given a line for each finding.

    Raises:
        DeviceError: there is none.
    """
    device = cuda_device()
    with tempfile.TemporaryDirectory() as folder:
        return run_checks(Place(device, Path(folder)), say)


def run_checks(
    place: Place, say: Callable[[str], None], checks: Mapping[str, Callable[[Place], str]] = CHECKS
) -> GpuReport:
    """Make the checks and measure; a check that fails does not keep the others from being made."""
    findings = []
    for name, check in checks.items():
        findings.append(_finding(name, check, place))
        say(f"{findings[-1].state:8}  {name}: {findings[-1].detail}")
    speed = []
    for precision in ("fp32", "fp16") if place.device.startswith("cuda") else ("fp32",):
        say(f"measuring {precision}")
        speed.append(measure(place, precision))
    versions = {"gtvautoseg": __version__, "torch": torch.__version__, "cuda": torch.version.cuda}
    name = describe(torch.device(place.device))
    return GpuReport(
        machine=describe_machine(), device=name, versions=versions, findings=tuple(findings), speed=tuple(speed)
    )


def _finding(name: str, check: Callable[[Place], str], place: Place) -> Finding:
    started = time.perf_counter()
    try:
        state, detail = OK, check(place)
    except LeftOutError as error:
        state, detail = LEFT_OUT, str(error)
    except (CheckFailedError, GTVAutoSegError) as error:
        state, detail = FAILED, str(error)
    except Exception as error:  # the next check may still tell something
        state, detail = FAILED, f"{type(error).__name__}: {error}"
    return Finding(name, state, detail, round(time.perf_counter() - started, 1))


def report_text(report: GpuReport) -> str:
    """Two tables in Markdown; the rows of the second are made for docs/benchmarks.md."""
    lines = ["| check | | found | seconds |", "|---|---|---|---|"]
    lines += [f"| {one.name} | {one.state} | {one.detail} | {one.seconds} |" for one in report.findings]
    lines += ["", "| device | precision | cold | first run | warm | classifier | segmenter | slices/s | memory |"]
    lines.append("|---|---|---|---|---|---|---|---|---|")
    where = f"{report.device}, PyTorch {report.versions['torch']}"
    lines += [f"| {where} | {_cells(one)} |" for one in report.speed]
    return "\n".join(lines)


def _cells(speed: Speed) -> str:
    steps = [speed.seconds[name] for name in ("total", "classifying", "segmenting")]
    times = [f"{value:.2f} s" for value in (speed.cold_s, speed.first_s, *steps)]
    memory = "not said" if speed.memory_mb is None else f"{speed.memory_mb:.0f} MiB"
    return " | ".join([speed.precision, *times, f"{speed.slices_per_s:.0f}", memory])
