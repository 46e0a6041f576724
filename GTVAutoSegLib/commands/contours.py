"""The option that says how outlines are drawn, the same for all commands that write an RTSTRUCT."""

from __future__ import annotations

import argparse

from ..images.masks.structure import CONTOURS, SMOOTH


def add_contours(parser: argparse.ArgumentParser) -> None:
    """Declare ``--contours``."""
    parser.add_argument(
        "--contours",
        choices=CONTOURS,
        default=SMOOTH,
        help="of an RTSTRUCT: smooth (default), or pixel: midway between pixels; both give the mask back voxel for "
        "voxel",
    )
