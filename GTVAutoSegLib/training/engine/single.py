"""Training on one device by one process, with nothing but PyTorch."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


class SingleDevice:
    """An `engine.Engine` of one device; what it computes is what Lightning Fabric computes there, to the bit.

    Args:
        device: to train on.
        bf16: whether networks see and compute in bfloat16 where PyTorch's autocast does; their weights stay float32.

    Attributes:
        device: where this process computes.
        world_size: number of processes.
        global_rank: of this process among them.
        is_global_zero: whether this is the process that writes and speaks.
    """

    world_size = 1
    global_rank = 0
    is_global_zero = True

    def __init__(self, device: torch.device, *, bf16: bool = False) -> None:
        self.device = device
        self._bf16 = bf16
        if device.type == "cuda":
            torch.cuda.set_device(device)

    def setup(self, module: nn.Module, /, *optimizers: Optimizer) -> Any:
        """Network and optimisers to train with: on the device, in the precision, for the processes."""
        module.to(self.device)
        network = _Bfloat16(module, self) if self._bf16 else module
        return (network, *optimizers) if optimizers else network

    def backward(self, tensor: Tensor, /) -> None:
        """Gradients of a loss."""
        tensor.backward()

    def clip_gradients(
        self, _: nn.Module, optimizer: Optimizer, /, *, max_norm: float, error_if_nonfinite: bool
    ) -> Tensor:
        """Scale the gradients down to a largest norm (L2); returns the norm they had."""
        # In the optimiser's order, as Fabric adds them up: in the network's the last bit of the sum is another.
        parameters = [one for group in optimizer.param_groups for one in group["params"]]
        norm: Tensor = nn.utils.clip_grad_norm_(
            parameters, max_norm=max_norm, norm_type=2.0, error_if_nonfinite=error_if_nonfinite
        )
        return norm

    def no_backward_sync(self, _: nn.Module, /, *, enabled: bool) -> AbstractContextManager[None]:  # noqa: ARG002
        """A context whose gradients are not yet averaged over the processes; here there is one."""
        return nullcontext()

    def autocast(self) -> AbstractContextManager[Any]:
        """A context in the precision."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16) if self._bf16 else nullcontext()

    def all_reduce(self, data: Tensor, /, *, reduce_op: str) -> Tensor:  # noqa: ARG002
        """The tensor over all processes: itself."""
        return data

    def barrier(self) -> None:
        """Wait for all processes: for nobody."""

    def rank_zero_first(self) -> AbstractContextManager[None]:
        """A context that the first process goes through before the others; this one is the first and only one."""
        return nullcontext()


class _Bfloat16(nn.Module):
    """A network that is given bfloat16 and computes under autocast."""

    def __init__(self, network: nn.Module, engine: SingleDevice) -> None:
        super().__init__()
        self.network = network
        self.engine = engine

    def forward(self, images: Tensor) -> Any:
        """Floating point images in, the network's own kind of answer out."""
        with self.engine.autocast():
            return self.network(images.to(torch.bfloat16))
