"""``gtvautoseg samples``: a picture of what the networks see during training."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...system.files import check_writable
from ..options import add_label, labelled
from .train import load_settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("task", metavar="TASK", help="name of a task, or a .json file of your own")
    parser.add_argument("dataset", metavar="DATASET", type=Path, help="data set folder, see 'train'")
    add_label(parser)
    parser.add_argument("output", metavar="OUT.png", type=Path, help="picture to write")
    parser.add_argument("--preset", default="paper", help="its augmentation is shown (paper)")


def run(arguments: argparse.Namespace) -> None:
    """Draw 16 random slices with tumour, augmented as the segmenter sees them, with the outline of the mask."""
    check_writable(arguments.output)
    task, preset = load_settings(arguments.task, arguments.preset)
    from ...training.progress.samples import write_samples

    task = task.resized(preset.size, preset.width)
    dataset = labelled(arguments.dataset, arguments.label)
    write_samples(dataset, task=task, preset=preset, output=arguments.output)
    print(f"written: {arguments.output}")
