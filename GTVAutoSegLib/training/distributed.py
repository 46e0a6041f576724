"""Device, precision and processes of a training, through Lightning Fabric."""

from __future__ import annotations

import os
from typing import Any, Literal

import torch
import torch.distributed
from lightning_fabric import Fabric
from torch import Tensor, nn

from ..cascade.device import resolve_device

# By the name a user gives: what Lightning Fabric calls it.
PRECISIONS: dict[str, Literal["32-true", "bf16-mixed"]] = {"fp32": "32-true", "bf16": "bf16-mixed"}


def make_fabric(device: str, precision: str = "auto") -> Fabric:
    """Join the processes that ``torchrun`` started, or run alone.

    Args:
        device: "auto", "cpu", "cuda", "cuda:1" or "mps"; under torchrun each process takes a GPU of its own.
        precision: key of `PRECISIONS`; "auto" is bfloat16 (mixed) on GPUs that compute in it, float32 elsewhere.

    Raises:
        DeviceError: there is no such device.
    """
    chosen = resolve_device(device)
    precision = resolve_precision(chosen, precision)
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if processes == 1:
        devices = 1 if chosen.index is None else [chosen.index]
        fabric = Fabric(accelerator=chosen.type, devices=devices, precision=PRECISIONS[precision])
    else:
        here = int(os.environ.get("LOCAL_WORLD_SIZE", processes))
        fabric = Fabric(
            accelerator=chosen.type,
            devices=here,
            num_nodes=processes // here,
            strategy="ddp",
            precision=PRECISIONS[precision],
        )
    fabric.launch()
    return fabric


def resolve_precision(device: torch.device, precision: str) -> str:
    """The key of `PRECISIONS` that "auto" stands for on a device; others stay as they are."""
    if precision != "auto":
        return precision
    half = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bf16" if half else "fp32"


def share_batch_norm(network: nn.Module, fabric: Fabric) -> nn.Module:
    """Let batch normalisation see the batch of all processes, so that their number does not change the result."""
    if fabric.world_size == 1:
        return network
    if fabric.device.type == "cuda":
        shared: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(network)
        return shared
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.__class__ = SharedBatchNorm2d
    return network


class SharedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation over the batch of all processes; PyTorch's own works on GPUs only."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (N, C, H, W); N may differ between the processes."""
        if not self.training:
            return super().forward(x)
        assert self.running_mean is not None and self.running_var is not None  # noqa: S101 - always tracked here
        assert self.num_batches_tracked is not None and self.momentum is not None  # noqa: S101
        count = x.new_tensor(float(x.numel() // x.shape[1]))
        torch.distributed.all_reduce(count)
        mean = _sum(x.sum(dim=(0, 2, 3))) / count
        centred = x - mean[:, None, None]
        variance = _sum(centred.square().sum(dim=(0, 2, 3))) / count
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        output: Tensor = centred * scale[:, None, None] + self.bias[:, None, None]
        return output


class _Sum(torch.autograd.Function):
    """Sum over all processes; a change of any one's value changes the sum that every process goes on with."""

    @staticmethod
    def forward(_: Any, value: Tensor) -> Tensor:
        total = value.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        torch.distributed.all_reduce(total)
        return total


def _sum(value: Tensor) -> Tensor:
    total: Tensor = _Sum.apply(value)  # type: ignore[no-untyped-call]  # PyTorch's own has no types
    return total
