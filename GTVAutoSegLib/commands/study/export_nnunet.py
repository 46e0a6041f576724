"""``gtvautoseg export-nnunet``: a data set as nnU-Net v2 expects it, to compare with."""

from __future__ import annotations

import argparse
from pathlib import Path

# nnU-Net's own data sets have the first ones.
USUAL_ID = 500


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("dataset", metavar="DATASET", type=Path, help="data set folder, see 'train'")
    parser.add_argument("output", metavar="OUT", type=Path, help="nnU-Net's folder of raw data sets (nnUNet_raw)")
    parser.add_argument("--id", type=int, default=USUAL_ID, metavar="NNN", help=f"number of the data set ({USUAL_ID})")
    parser.add_argument(
        "--run", type=Path, metavar="RUN", help="folder of a training whose folds are taken (default: a new one's)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Export, and say what nnU-Net has to be told."""
    from ...study.nnunet_export import SPLITS, export_nnunet
    from ...system.progress import progress_bar

    with progress_bar("case") as progress:
        folder = export_nnunet(
            arguments.dataset, output=arguments.output, number=arguments.id, run=arguments.run, progress=progress
        )
    print(f"written: {folder}")
    print(
        f"after nnUNetv2_plan_and_preprocess -d {arguments.id}, and before any training, copy {folder / SPLITS} into "
        f"nnUNet_preprocessed/{folder.name}, or nnU-Net makes folds of its own"
    )
