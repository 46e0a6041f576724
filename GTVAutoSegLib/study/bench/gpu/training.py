"""Ten training steps of both stages on a device and on the CPU, and a training that is stopped and resumed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ....errors import Cancelled
from ....networks import SANet, SliceClassifier
from ..phantom import make_phantom
from .place import CheckFailedError, Place

if TYPE_CHECKING:
    from ....training.progress.monitor import Monitor

STEPS, BATCH, SIDE = 10, 4, 64
NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "classifier": lambda: SliceClassifier(width=16, dropout=0.0),  # other numbers are drawn for it on a GPU
    "segmenter": lambda: SANet(width=16),
}
# A GPU rounds the products of convolutions to 10 bits, and AdamW blows that up where a gradient is nearly zero.
TOLERANCE = 0.02


class PhantomSlices:
    """Slices of a phantom, every second one with tumour."""

    def __init__(self) -> None:
        phantom = make_phantom(STEPS * BATCH, STEPS * BATCH // 2, SIDE)
        grey = ((phantom.hu.astype(np.float32) + 160) / 400).clip(0, 1) * 255
        self.images, self.masks = torch.from_numpy(grey.astype(np.uint8))[:, None], torch.from_numpy(phantom.tumour)

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, indices: np.ndarray) -> tuple[Tensor, Tensor]:
        """As `training.data.batches.Samples`."""
        return self.images[indices], self.masks[indices]

    def draw(self, theta: str, seed: int, epoch: int, *, static: bool) -> np.ndarray:  # noqa: ARG002  a protocol's
        """All slices, shuffled."""
        return np.random.default_rng(seed + epoch).permutation(len(self))


def check_steps(place: Place) -> str:
    """Loss and validation figure of ten steps, in float32."""
    found = []
    for stage in NETWORKS:
        here, there = (train(place, stage, device, epochs=1)[0] for device in (place.device, "cpu"))
        text = f"{stage}: mean loss {here['loss']:.5f}, on the CPU {there['loss']:.5f}"
        if abs(here["loss"] - there["loss"]) > TOLERANCE * abs(there["loss"]):
            raise CheckFailedError(f"{text}; expected a difference of at most {TOLERANCE:.0%}")
        found.append(text)
    return "; ".join(found)


def check_resume(place: Place) -> str:
    """Stopped in its second epoch and continued, against one that was not stopped."""
    from ....training.progress.monitor import Monitor

    whole = train(place, "segmenter", place.device, epochs=2)
    steps: list[int] = []

    class Stopping(Monitor):
        def step(self, epoch: int, done: int, total: int) -> None:
            steps.append(epoch * total + done)

    stop = Stopping(lambda: len(steps) > STEPS + 2)
    try:
        train(place, "segmenter", place.device, epochs=2, folder="stopped", monitor=stop)
    except Cancelled:
        pass
    else:
        raise CheckFailedError("a training that was to be stopped went on; expected that it stops after the step")
    resumed = train(place, "segmenter", place.device, epochs=2, folder="stopped")
    text = f"loss of the second epoch {resumed[1]['loss']:.5f}, unstopped {whole[1]['loss']:.5f}"
    if len(resumed) != 2 or abs(resumed[1]["loss"] - whole[1]["loss"]) > TOLERANCE * abs(whole[1]["loss"]):
        raise CheckFailedError(f"{text}; expected a difference of at most {TOLERANCE:.0%}")
    return text


def train(
    place: Place,
    stage: str,
    device: str,
    *,
    epochs: int,
    folder: str = "",
    monitor: Monitor | None = None,
    ema: float = 0.0,
) -> list[dict[str, Any]]:
    """Train on the phantom's slices, ten steps an epoch; the log.

    Args:
        place: whose folder is used.
        stage: "classifier" or "segmenter".
        device: to train on.
        epochs: in all.
        folder: in that of ``place``; one of its own by default. A training begun there is continued.
        monitor: told about every step.
        ema: decay of the average of the weights.
    """
    from ....training.engine.engine import make_engine
    from ....training.loop import Job, fit
    from ....training.presets import TrainSettings
    from ....training.stages import STAGES

    slices = PhantomSlices()
    loss = "ce" if stage == "classifier" else "cr"
    settings = TrainSettings(loss=loss, batch=BATCH, epochs=epochs, learning_rate=1e-4, ema=ema)
    job = Job(
        stage=STAGES[stage],
        build=NETWORKS[stage],
        training=slices,
        validation=slices,
        settings=settings,
        theta="1",
    )
    path: Path = place.folder / (folder or f"{stage}-{device.replace(':', '-')}-{epochs}")
    path.mkdir(exist_ok=True)
    return fit(job, path, make_engine(device, "fp32"), monitor)
