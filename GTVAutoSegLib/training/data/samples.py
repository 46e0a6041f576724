"""A contact sheet of augmented training slices, for a person to judge whether patients still look like patients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from ...errors import InputError
from ...system.files import temporary_folder, whole_file
from ..presets import Preset
from ..progress.monitor import contact_sheet
from .augmentation import augment, draw
from .batches import as_input
from .folds import read_dataset
from .slice_store import build_store
from .slices import SliceSet
from .tasks import Task

MOST_CASES = 8


def write_samples(dataset: Path, task: Task, preset: Preset, output: Path, count: int) -> None:
    """Draw slices with tumour, each beside itself augmented, with the outline of the mask.

    Args:
        dataset: folder; its first cases are used.
        task: window and size.
        preset: the segmenter's augmentation and the seed.
        output: .png file.
        count: of slices.

    Raises:
        InputError: the data set cannot be used, or no slice shows tumour.
        DiskError: the picture cannot be written.
    """
    cases, _ = read_dataset(dataset)
    with temporary_folder() as store:
        slices = SliceSet(tuple(build_store(cases[:MOST_CASES], task.preprocessing, store)))
        abnormal = np.flatnonzero(slices.abnormal)
        if len(abnormal) == 0:
            raise InputError(f"the first {MOST_CASES} cases of {dataset} show no tumour; expected labels with some")
        generator = np.random.default_rng(preset.seed)
        chosen = np.sort(generator.choice(abnormal, size=count, replace=len(abnormal) < count))
        stored, masks = slices.batch(chosen)
    settings = preset.segmenter.augmentation
    images = as_input(stored, torch.device("cpu"))
    numbers = draw(count, settings, torch.Generator().manual_seed(preset.seed))
    seen, seen_masks = augment(images, masks, numbers, settings.noise_amount)
    figure = Figure(figsize=(16, 8.5), layout="constrained")
    figure.suptitle(f"{task.id}: {count} slices with tumour; outline: mask")
    titles = ("as stored", "augmented, as the networks see them")
    for panel, title, pair in zip(figure.subplots(1, 2), titles, ((images, masks), (seen, seen_masks))):
        panel.imshow(contact_sheet(*pair), interpolation="none")
        panel.set_title(title)
        panel.axis("off")
    with whole_file(output, ".png") as temporary:
        figure.savefig(temporary, dpi=100)
