"""What Slicer asks for when an outline in its scene is to become a case: the files, and what its segment knows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ....errors import InputError
from ....images.masks.packed import unpack
from ....images.masks.single import read_single
from ....images.read import read_volume
from ....images.volume import Volume
from ....report.record.edits import measure_edit
from ....system.files import write_json
from ....system.json_text import read_json
from ....system.settings import as_json, parse_settings
from .case import EditFigures, Provenance
from .collect import Collected, Origin, collect


@dataclass(frozen=True)
class CollectWish:
    """What goes with CT and outline.

    Attributes:
        provenance: of the outline; what was edited is measured here.
        origin: series and patient of the CT.
        automatic: the outline as the model left it, see `images.masks.packed`; "" where nobody knows.
    """

    provenance: Provenance
    origin: Origin = field(default_factory=Origin)
    automatic: str = ""

    def write(self, path: Path) -> None:
        """Write it as a file for the child process: a patient's number is nothing for a command line."""
        write_json(path, as_json(self))


def collect_files(ct: Path, outline: Path, dataset: Path, wish: Path) -> Collected:
    """Collect a CT and an outline from files.

    Args:
        ct: image file.
        outline: on its grid.
        dataset: folder of the data set.
        wish: what `CollectWish.write` wrote.

    Raises:
        InputError: a file cannot be used, or as for `collect`.
        DiskError: as for `collect`.
    """
    try:
        asked = parse_settings(CollectWish, read_json(wish), wish.name)
    except (OSError, ValueError) as error:
        raise InputError(f"{wish} cannot be read ({error}); collect the case again") from error
    volume = read_volume(ct)
    mask = read_single(outline, volume).mask
    edited = edited_since(asked.automatic, mask, volume)
    return collect(volume, mask, dataset, replace(asked.provenance, edited=edited), origin=asked.origin)


def edited_since(automatic: str, mask: np.ndarray, volume: Volume) -> EditFigures | None:
    """How much a person changed of an outline as the model left it, see `images.masks.packed`; None where unknown."""
    try:
        before = unpack(automatic) if automatic else None
    except ValueError:  # changed by hand: nobody knows then what was edited
        return None
    if before is None or before.shape != mask.shape:
        return None
    return EditFigures.of(measure_edit(before, mask, volume))
