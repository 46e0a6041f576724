"""A contact sheet of augmented training slices, for a person to judge whether patients still look like patients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from ...errors import InputError
from ...report.pictures import OUTLINE, WHITE, encode_png
from ...system.files import temporary_folder, whole_file
from ..data.augmentation import augment, draw
from ..data.batches import as_input
from ..data.crop_set import samples_of
from ..data.folds import read_dataset
from ..data.slice_store import build_store
from ..data.tasks import Task
from ..presets import Preset

MOST_CASES, MOST_SAMPLES, COLUMNS = 8, 16, 4
YELLOW = np.array([255, 200, 0], np.uint8)
GAP = 16  # pixels between what is stored and what is seen


def write_samples(dataset: Path, task: Task, preset: Preset, output: Path) -> None:
    """Draw 16 slices with tumour, left as stored, right augmented as the networks see them, with the mask's outline.

    Args:
        dataset: folder; its first cases are used.
        task: window and size.
        preset: the segmenter's augmentation and the seed.
        output: .png file.

    Raises:
        InputError: the data set cannot be used, or no slice shows tumour.
        DiskError: the picture cannot be written.
    """
    cases, _ = read_dataset(dataset)
    with temporary_folder() as store:
        stored_cases = tuple(build_store(cases[:MOST_CASES], task.preprocessing, store))
        slices = samples_of(stored_cases, task.preprocessing)
        abnormal = np.flatnonzero(np.concatenate([case.abnormal for case in stored_cases]))
        if len(abnormal) == 0:
            raise InputError(f"the first {MOST_CASES} cases of {dataset} show no tumour; expected labels with some")
        generator = np.random.default_rng(preset.seed)
        chosen = np.sort(generator.choice(abnormal, size=MOST_SAMPLES, replace=len(abnormal) < MOST_SAMPLES))
        stored, masks = slices.batch(chosen)
    settings = preset.segmenter.augmentation
    images = as_input(stored, torch.device("cpu"))
    numbers = draw(MOST_SAMPLES, settings, torch.Generator().manual_seed(preset.seed))
    grey = task.preprocessing.grey_channels
    seen, seen_masks = augment(images, masks=masks, numbers=numbers, noise_amount=settings.noise_amount, grey=grey)
    first = task.preprocessing.channels  # in the first window
    sides = [_in_palette(contact_sheet(*pair)) for pair in ((images[:, :first], masks), (seen[:, :first], seen_masks))]
    gap = np.full((len(sides[0]), GAP), WHITE, np.uint8)
    with whole_file(output, ".png") as temporary:
        temporary.write_bytes(encode_png(np.concatenate([sides[0], gap, sides[1]], axis=1)))


def _in_palette(sheet: np.ndarray) -> np.ndarray:
    """A contact sheet (height, width, 3) in the colours of `pictures.encode_png`; whatever is not grey is outline."""
    grey = np.rint(sheet[..., 0] * (WHITE / 255)).astype(np.uint8)
    coloured = sheet[..., 0] != sheet[..., 2]
    return np.where(coloured, np.uint8(OUTLINE), grey)


def contact_sheet(images: Tensor, masks: Tensor) -> np.ndarray:
    """Slices side by side with the outline of their mask, uint8 (height, width, 3).

    Args:
        images: float (n, channels, N, N) in [0, 1]; the middle channel is shown, of the first 16 slices; of volumes
            (n, channels, D, N, N) the middle slice.
        masks: bool (n, N, N) or (n, D, N, N).
    """
    if images.ndim == 5:
        depth = images.shape[2] // 2
        images, masks = images[:, :, depth], masks[:, depth]
    middle = images[:MOST_SAMPLES, images.shape[1] // 2].mul(255).round().byte().cpu().numpy()
    tiles = np.repeat(middle[..., None], 3, axis=-1)
    for tile, mask in zip(tiles, masks.cpu().numpy()):
        tile[mask & ~ndimage.binary_erosion(mask)] = YELLOW
    missing, side = -len(tiles) % COLUMNS, tiles.shape[1]
    tiles = np.concatenate([tiles, np.zeros((missing, side, side, 3), np.uint8)])
    return tiles.reshape(-1, COLUMNS, side, side, 3).swapaxes(1, 2).reshape(-1, COLUMNS * side, 3)
