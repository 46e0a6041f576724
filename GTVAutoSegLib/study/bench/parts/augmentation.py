"""Our augmentation (one resampling) against kornia's six, batched, on the same device: slices per second.

    python -m GTVAutoSegLib.study.bench.parts.augmentation [--size 256] [--batch 16] [--rounds 10] [--device cpu]

kornia is needed for this only: pip install kornia.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from kornia import augmentation as K

from ....training.data.augmentation import AugmentationSettings, augment, draw


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    images = torch.rand(arguments.batch, 1, arguments.size, arguments.size, device=arguments.device)
    masks = torch.zeros_like(images[:, 0], dtype=torch.bool)
    masks[:, 60:120, 60:120] = True
    settings = AugmentationSettings()
    generator = torch.Generator().manual_seed(0)

    def ours() -> None:
        augment(images, masks, draw(len(images), settings, generator), settings.noise_amount)

    six = kornia_six(settings)

    def kornias() -> None:
        six(images, masks[:, None].float())

    print(f"{arguments.batch} slices of {arguments.size} x {arguments.size}, {torch.get_num_threads()} threads")
    for name, run in (("ours", ours), ("kornia", kornias)):
        seconds, busy = measure(run, arguments.rounds, arguments.device)
        count = arguments.rounds * arguments.batch
        print(f"{name}: {count / seconds:.0f} slices/s, {1000 * busy / count:.2f} ms of one core a slice")


def kornia_six(settings: AugmentationSettings) -> K.AugmentationSequential:
    """The same six with the same probabilities, drawn for each slice."""
    return K.AugmentationSequential(
        K.RandomAffine(degrees=settings.rotation, scale=settings.zoom, p=1.0),
        K.RandomVerticalFlip(p=settings.flip_vertical),
        K.RandomElasticTransform(kernel_size=(63, 63), sigma=(20.0, 20.0), p=settings.distortion),
        K.RandomErasing(scale=settings.erasing_area, p=settings.erasing),
        K.RandomSaltAndPepperNoise(amount=settings.noise_amount, p=settings.noise),
        data_keys=["input", "mask"],
        same_on_batch=False,
    )


def measure(run: Callable[[], None], rounds: int, device: str) -> tuple[float, float]:
    """Wall-clock and processor seconds of some rounds, after one to warm up."""
    run()
    _wait(device)
    started, busy = time.perf_counter(), time.process_time()
    for _ in range(rounds):
        run()
    _wait(device)
    return time.perf_counter() - started, time.process_time() - busy


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
