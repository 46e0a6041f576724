"""The paper's six augmentations for image and mask together, batched on the training device (section 4.2).

Drawing and applying are separate: `draw` makes random numbers, `augment` is a pure function of them. Zoom, rotation,
flip and distortion are one resampling, so the image is interpolated once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional as F

GREY = ("intensity", "brightness", "contrast", "gamma", "blur")
CONTROL_POINTS = 13  # about 40 pixels apart at 512 x 512: the smoothness of the authors' distortion


@dataclass(frozen=True)
class AugmentationSettings:
    """Strengths and probabilities.

    Attributes:
        zoom: smallest and largest scale of the content.
        rotation: largest angle either way, degrees.
        flip_vertical: probability of turning the slice upside down.
        flip_horizontal: probability of swapping left and right (0 in the paper).
        distortion: probability of an elastic distortion.
        distortion_strength: its displacement, root mean square, as a fraction of the side.
        erasing: probability of blanking a rectangle, in image and mask.
        erasing_area: smallest and largest area of that rectangle, as a fraction of the slice.
        noise: probability of salt-and-pepper noise.
        noise_amount: fraction of pixels it hits.
        intensity: probability of other brightness, contrast and gamma (0 in the paper).
        brightness: largest shift either way, as a fraction of the window.
        contrast: largest change of the distance to the slice's mean, as a fraction of it.
        gamma: largest logarithm of the exponent, either way.
        blur: probability of a coarser resolution: shrunk to one half to nine tenths of the side, and stretched again.
    """

    zoom: tuple[float, float] = (0.8, 1.2)
    rotation: float = 15.0
    flip_vertical: float = 0.5
    flip_horizontal: float = 0.0
    distortion: float = 0.5
    distortion_strength: float = 0.0035
    erasing: float = 0.5
    erasing_area: tuple[float, float] = (0.01, 0.05)
    noise: float = 0.1
    noise_amount: float = 0.05
    intensity: float = 0.0
    brightness: float = 0.1
    contrast: float = 0.25
    gamma: float = 0.3
    blur: float = 0.0

    def __post_init__(self) -> None:
        """Raise ValueError when a value makes no sense."""
        for name in ("flip_vertical", "flip_horizontal", "distortion", "erasing", "noise", "noise_amount", *GREY):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected a probability from 0 to 1")
        for name, low, high in (("zoom", 0.1, 10.0), ("erasing_area", 0.0, 0.5)):
            first, last = getattr(self, name)
            if not low <= first <= last <= high:
                raise ValueError(f"{name} is {[first, last]}, expected [smallest, largest] within {low} and {high}")
        if not 0 <= self.rotation <= 180 or not 0 <= self.distortion_strength <= 0.1:
            raise ValueError(
                f"rotation is {self.rotation} and distortion_strength {self.distortion_strength}, "
                "expected 0 to 180 degrees and 0 to 0.1"
            )


@dataclass(frozen=True)
class Draw:
    """Random numbers for one batch of n slices.

    Attributes:
        affine: (n, 2, 3) for `torch.nn.functional.affine_grid`.
        displacement: (n, 2, CONTROL_POINTS, CONTROL_POINTS), in grid units (2 is the side).
        erased: (n, 4) top, bottom, left, right as fractions of the side; an empty rectangle where nothing is erased.
        noise_seed: int64 (n,), seed of each slice's pixel noise; -1 where there is none.
        grey: (n, 3), shift, factor and exponent of the grey values; 0, 1 and 1 change nothing.
        coarse: (n,), the side as which a blurred slice is seen, as a fraction of its own; 1 changes nothing.
    """

    affine: Tensor
    displacement: Tensor
    erased: Tensor
    noise_seed: Tensor
    grey: Tensor
    coarse: Tensor

    def of(self, rows: slice) -> Draw:
        """The numbers of some slices of the batch; each slice has its own, so a batch may be cut anywhere."""
        return Draw(*(getattr(self, part.name)[rows] for part in fields(self)))


def draw(count: int, settings: AugmentationSettings, generator: torch.Generator) -> Draw:
    """Draw the parameters of ``count`` slices on the CPU, so that every device gets the same ones."""

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    def happens(probability: float) -> Tensor:
        return torch.rand(count, generator=generator) < probability

    angle = uniform(-settings.rotation, settings.rotation) * (math.pi / 180)
    scale = 1 / uniform(*settings.zoom)
    flip_y = torch.where(happens(settings.flip_vertical), -1.0, 1.0)
    flip_x = torch.where(happens(settings.flip_horizontal), -1.0, 1.0)
    cosine, sine, zero = torch.cos(angle) * scale, torch.sin(angle) * scale, torch.zeros(count)
    # Rotation after flip: a flip of the diagonal alone would shear a turned slice.
    rows = [
        torch.stack([cosine * flip_x, -sine * flip_y, zero], 1),
        torch.stack([sine * flip_x, cosine * flip_y, zero], 1),
    ]
    points = (count, 2, CONTROL_POINTS, CONTROL_POINTS)
    strength = 2 * settings.distortion_strength * happens(settings.distortion)
    displacement = torch.randn(points, generator=generator) * strength.view(-1, 1, 1, 1)
    erased = _rectangles(uniform, happens(settings.erasing), settings.erasing_area)
    noise_seed = torch.where(happens(settings.noise), torch.randint(2**31, (count,), generator=generator), -1)
    changes = happens(settings.intensity)
    grey = [
        uniform(-settings.brightness, settings.brightness) * changes,
        1 + uniform(-settings.contrast, settings.contrast) * changes,
        torch.exp(uniform(-settings.gamma, settings.gamma) * changes),
    ]
    coarse = torch.where(happens(settings.blur), uniform(0.5, 0.9), 1.0)
    return Draw(
        torch.stack(rows, 1),
        displacement=displacement,
        erased=erased,
        noise_seed=noise_seed,
        grey=torch.stack(grey, 1),
        coarse=coarse,
    )


def augment(
    images: Tensor, masks: Tensor, numbers: Draw, noise_amount: float = 0.05, grey: int | None = None
) -> tuple[Tensor, Tensor]:
    """Apply one draw.

    Args:
        images: float (n, channels, N, N) in [0, 1], or volumes (n, channels, D, N, N), whose slices all move alike.
        masks: bool (n, N, N), or (n, D, N, N).
        numbers: what `draw` returned for n slices or volumes.
        noise_amount: fraction of the pixels of a noisy slice that become 0 or 1.
        grey: how many of the channels, the first ones, hold grey values; all by default.

    Returns:
        Images and masks of the same shapes and types. What moves in from outside is 0.
    """
    device, size = images.device, images.shape[-1]
    grid = F.affine_grid(numbers.affine.to(device), [len(images), 1, size, size], align_corners=False)
    shift = F.interpolate(numbers.displacement.to(device), size=(size, size), mode="bicubic", align_corners=False)
    grid = grid + shift.permute(0, 2, 3, 1)
    # To the resampling, the slices of a volume are so many channels.
    planes = masks.view(len(masks), -1, size, size)
    stacked = torch.cat([images.flatten(1, -3), planes.to(images.dtype)], dim=1)
    moved = F.grid_sample(stacked, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    kept = ~_inside(numbers.erased.to(device), size)[:, None]
    count = planes.shape[1]
    images = _greyed((moved[:, :-count] * kept).view(images.shape), numbers, grey)
    masks = ((moved[:, -count:] >= 0.5) & kept).view(masks.shape)
    return _salt_and_pepper(images, numbers, noise_amount), masks


def _rectangles(uniform: Callable[[float, float], Tensor], happens: Tensor, area: tuple[float, float]) -> Tensor:
    ratio = torch.exp(uniform(-0.7, 0.7))
    fraction = uniform(*area) * happens
    height, width = torch.sqrt(fraction * ratio), torch.sqrt(fraction / ratio)
    top, left = uniform(0, 1) * (1 - height), uniform(0, 1) * (1 - width)
    return torch.stack([top, top + height, left, left + width], 1)


def _inside(rectangles: Tensor, size: int) -> Tensor:
    """Bool (n, size, size): which pixel centres lie in each rectangle."""
    centres = (torch.arange(size, device=rectangles.device) + 0.5) / size
    rows = (centres >= rectangles[:, :1]) & (centres < rectangles[:, 1:2])
    columns = (centres >= rectangles[:, 2:3]) & (centres < rectangles[:, 3:])
    return rows[:, :, None] & columns[:, None, :]


def _greyed(images: Tensor, numbers: Draw, count: int | None) -> Tensor:
    """Other brightness, contrast, gamma and resolution of the first ``count`` channels."""
    unchanged = torch.tensor([0.0, 1.0, 1.0])
    for row in torch.nonzero((numbers.grey != unchanged).any(1) | (numbers.coarse < 1)).flatten().tolist():
        values = images[row, :count]
        shift, factor, exponent = numbers.grey[row].tolist()
        mean = values.mean()
        changed = ((values - mean) * factor + mean + shift).clamp(0, 1) ** exponent
        images[row, :count] = _coarser(changed, float(numbers.coarse[row]))
    return images


def _coarser(image: Tensor, fraction: float) -> Tensor:
    """Shrink (channels, ..., N, N) to a fraction of the side, and stretch it again."""
    if fraction >= 1:
        return image
    size = image.shape[-1]
    planes = image.reshape(1, -1, size, size)
    small = F.interpolate(planes, size=round(size * fraction), mode="bilinear", antialias=True, align_corners=False)
    return F.interpolate(small, size=size, mode="bilinear", align_corners=False).view(image.shape)


def _salt_and_pepper(images: Tensor, numbers: Draw, amount: float) -> Tensor:
    chosen = torch.nonzero(numbers.noise_seed >= 0).flatten()
    if len(chosen) == 0:
        return images
    side = images.shape[2:]
    seeds = numbers.noise_seed[chosen].tolist()
    dice = torch.stack([torch.rand((1, *side), generator=torch.Generator().manual_seed(seed)) for seed in seeds])
    dice, chosen = dice.to(images.device), chosen.to(images.device)
    noisy = torch.where(dice < amount / 2, 0.0, torch.where(dice > 1 - amount / 2, 1.0, images[chosen]))
    return images.index_copy(0, chosen, noisy)
