"""What a training asks of devices and processes, and who answers: one device itself, several through Lightning Fabric.

Slicer's Python brings PyTorch and no Fabric, and one device needs no more; its weights are the same to the bit.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ...cascade.device import resolve_device
from ...errors import InputError
from .single import SingleDevice

# By the name a user gives: what Lightning Fabric calls it.
PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed"}


class Engine(Protocol):
    """Device, precision and processes; `single.SingleDevice` is one, and so is Lightning's ``Fabric``."""

    @property
    def device(self) -> torch.device:
        """Where this process computes."""

    @property
    def world_size(self) -> int:
        """Number of processes."""

    @property
    def global_rank(self) -> int:
        """Of this process among them."""

    @property
    def is_global_zero(self) -> bool:
        """Whether this is the process that writes and speaks."""

    def setup(self, module: nn.Module, /, *optimizers: Optimizer) -> Any:
        """Network and optimiser to train with: on the device, in the precision, for the processes."""

    def backward(self, tensor: Tensor, /) -> None:
        """Gradients of a loss."""

    def clip_gradients(
        self, module: Any, optimizer: Any, /, *, max_norm: float, error_if_nonfinite: bool
    ) -> Tensor | None:
        """Scale the gradients down to a largest norm."""

    def no_backward_sync(self, module: Any, /, *, enabled: bool) -> AbstractContextManager[Any]:
        """A context whose gradients are not yet averaged over the processes."""

    def autocast(self) -> AbstractContextManager[Any]:
        """A context in the precision."""

    def all_reduce(self, data: Tensor, /, *, reduce_op: str) -> Any:
        """The tensor over all processes."""

    def barrier(self) -> None:
        """Wait for all processes."""

    def rank_zero_first(self) -> AbstractContextManager[Any]:
        """A context that the first process goes through before the others."""


def make_engine(device: str, precision: str = "auto") -> Engine:
    """Join the processes that ``torchrun`` started, or run alone.

    Args:
        device: "auto", "cpu", "cuda", "cuda:1" or "mps"; under torchrun each process takes a GPU of its own.
        precision: key of `PRECISIONS`; "auto" is bfloat16 (mixed) on GPUs that compute in it, float32 elsewhere.

    Raises:
        DeviceError: there is no such device.
        InputError: there are several processes and no Lightning Fabric.
    """
    chosen = resolve_device(device)
    precision = resolve_precision(chosen, precision)
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if processes == 1:
        return SingleDevice(chosen, bf16=precision == "bf16")
    return _several(chosen, precision, processes)


def resolve_precision(device: torch.device, precision: str) -> str:
    """The key of `PRECISIONS` that "auto" stands for on a device; others stay as they are."""
    if precision != "auto":
        return precision
    half = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bf16" if half else "fp32"


def _several(device: torch.device, precision: str, processes: int) -> Engine:
    try:
        from lightning_fabric import Fabric
    except ImportError as error:
        raise InputError(
            f"{processes} processes were started, which train together through lightning-fabric, and it is not "
            "installed; run: pip install 'gtvautoseg[train]', or start one process"
        ) from error
    here = int(os.environ.get("LOCAL_WORLD_SIZE", processes))
    options: dict[str, Any] = {"devices": here, "num_nodes": processes // here, "precision": PRECISIONS[precision]}
    fabric = Fabric(accelerator=device.type, strategy="ddp", **options)
    fabric.launch()
    engine: Engine = fabric
    return engine
