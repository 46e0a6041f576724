"""Batch normalisation over the batch of all processes."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed
from torch import Tensor, nn

from .engine import Engine


def share_batch_norm(network: nn.Module, engine: Engine) -> nn.Module:
    """Let batch normalisation see the batch of all processes, so that their number does not change the result."""
    if engine.world_size == 1:
        return network
    if engine.device.type == "cuda":
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
