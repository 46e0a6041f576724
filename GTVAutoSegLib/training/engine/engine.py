"""What a training asks of devices and processes, and who answers: one device itself, several through Lightning Fabric.

Slicer's Python brings PyTorch and no Fabric, and one device needs no more; its weights are the same to the bit.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeAlias

import torch

from ...cascade.device import resolve_device
from ...errors import InputError
from .single import SingleDevice

if TYPE_CHECKING:
    from lightning_fabric import Fabric

# By the name a user gives: what Lightning Fabric calls it.
PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed"}
# What a training asks of devices and processes: the methods of `single.SingleDevice`, which Fabric has as well.
Engine: TypeAlias = "SingleDevice | Fabric"


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
