"""Which device runs the cascade, and whether it really can."""

from __future__ import annotations

import re

import torch
from torch import nn

from ..errors import DeviceError

# Only CUDA has a class for it. "DefaultCPUAllocator: can't allocate memory" on Linux and macOS, "not enough memory" on
# Windows; oneDNN, which computes convolutions on a CPU, only says what it could not make. That it has no descriptor for
# a primitive means that it cannot compute such a thing at all. cuBLAS and cuDNN, which compute on an NVIDIA GPU, have a
# status for it; cuDNN may also say only that it found no way to compute a convolution.
OUT_OF_MEMORY = re.compile(
    r"out of memory|can't allocate memory|cannot allocate memory|not enough memory|std::bad_alloc"
    r"|could not create a memory object|could not create a primitive(?! descriptor)"
    r"|STATUS_ALLOC_FAILED|unable to find (?:a valid cuDNN algorithm|an engine)",
    re.IGNORECASE,
)


def resolve_device(name: str) -> torch.device:
    """Turn "auto", "cpu", "cuda", "cuda:1" or "mps" into a device that exists.

    "auto" takes the first GPU that passes `probe`, else the CPU.

    Raises:
        DeviceError: the name is unknown, or there is no such device; the message lists those there are.
    """
    if name == "auto":
        return next((device for device in gpus() if probe(device) is None), torch.device("cpu"))
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", name):
        raise DeviceError(f"device '{name}' is unknown; expected auto, cpu, cuda, cuda:1 or mps")
    device = torch.device(name if name != "cuda" else "cuda:0")
    if device.type != "cpu" and device not in gpus():
        there = ", ".join(["cpu", *(str(gpu) for gpu in gpus())])
        raise DeviceError(f"device '{name}' is not available here; expected auto or one of: {there}")
    reason = probe(device)
    if reason is not None:
        raise DeviceError(f"device '{name}' does not work ({reason}); update its driver or PyTorch, or use cpu")
    return device


def gpus() -> list[torch.device]:
    """Every accelerator PyTorch reports, working or not."""
    found = [torch.device("cuda", index) for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        found.append(torch.device("mps"))
    return found


def probe(device: torch.device) -> str | None:
    """Run a tiny convolution on the device; None when that works, else the reason it does not.

    A GPU newer than the PyTorch build is reported as available, and only fails when a kernel is launched.
    """
    try:
        nn.Conv2d(1, 1, 3).to(device)(torch.zeros(1, 1, 8, 8, device=device)).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        return str(error).strip().splitlines()[0]
    return None


def describe(device: torch.device) -> str:
    """Device name for results: ``cuda:0 (NVIDIA A100)``."""
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that the device's memory ran out."""
    return isinstance(error, torch.cuda.OutOfMemoryError) or OUT_OF_MEMORY.search(str(error)) is not None
