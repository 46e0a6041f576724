"""What becomes of the weights beside the gradient: decay, and the moving average."""

from __future__ import annotations

from typing import Any

from torch import nn


def average_weights(network: nn.Module, average: nn.Module, decay: float) -> None:
    """Move the exponential moving average a step towards the network, buffers included."""
    for mean, value in zip(average.state_dict().values(), network.state_dict().values()):
        if mean.is_floating_point():
            mean.lerp_(value.detach(), 1 - decay)
        else:
            mean.copy_(value)


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """What AdamW is given: kernels and matrices decay, biases and factors do not."""
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
