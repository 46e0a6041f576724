"""Where the random numbers of a device stand, so that an epoch goes on in its middle as if it had not stopped."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def derived_seed(*numbers: int) -> int:
    """A seed that depends on all of the numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def random_state(device: torch.device) -> dict[str, Tensor]:
    """The states of the generators that a training draws from: that of the CPU, and a GPU's own."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        states["mps"] = torch.mps.get_rng_state()
    return states


def restore_random_state(device: torch.device, states: dict[str, Tensor]) -> None:
    """Set the generators to these states; one without a state, as on another kind of device, stays as it is."""
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
    elif device.type == "mps" and "mps" in states:
        torch.mps.set_rng_state(states["mps"])
