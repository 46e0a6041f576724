"""The probability behind a mask: kept in 8 bits where it is not nearly 0, so that the threshold can still be moved.

Nothing here imports torch: a slider in Slicer's process follows it.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..system.files import check_writable, temporary_folder, whole_file
from ..system.json_text import parse_json
from ..system.tags import MASK_THRESHOLD_TAG, PROBABILITY_TAG
from .itk import opened, reading_image, write_image
from .masks.structure import Structure
from .runs import keep_largest
from .volume import Volume, bounding_box, box_at, cut_out, triple

LEVELS = 256
# Level that is kept at least: a threshold of 0.02 and less is of no use to anybody.
FAINTEST = 5
LARGEST_SIDE = 1 << 16  # voxels; rows and columns of DICOM have 16 bits
SUFFIX = ".nrrd"
HEADER = "GTVAutoSeg_Probability"


@dataclass(frozen=True)
class Probability:
    """Foreground probability of the slices that were segmented, cropped to where it reaches a threshold of 0.02.

    Attributes:
        values: uint8 (z, y, x) in storage order: 256 times the probability, rounded down, at most 255.
        start: where the crop begins in the CT, (z, y, x).
        shape: voxels of the CT, (z, y, x).
        threshold: the model's own.
        keep_components: how many of the largest connected parts of a mask stay; 0 keeps all.
    """

    values: np.ndarray = field(repr=False)
    start: tuple[int, int, int]
    shape: tuple[int, int, int]
    threshold: float = 0.5
    keep_components: int = 0

    def mask(self, threshold: float | None = None) -> np.ndarray:
        """The mask at a threshold.

        Args:
            threshold: probability from which a voxel is tumour; the model's own by default.

        Returns:
            uint8 (z, y, x) on the CT's grid, 0 and 1, after post-processing.

        Raises:
            InputError: the threshold is no probability above 0.
        """
        return self.whole(self.cut(threshold)[0])

    @property
    def box(self) -> tuple[slice, slice, slice]:
        """Where the values lie in the CT."""
        return triple(box_at(self.start, self.values.shape))

    def whole(self, values: np.ndarray) -> np.ndarray:
        """Values of the crop on the CT's grid, (z, y, x), 0 elsewhere."""
        return cut_out(values, self.box, box_at((0, 0, 0), self.shape))

    def cut(self, threshold: float | None = None) -> tuple[np.ndarray, int, int]:
        """The mask within the crop, uint8; how many parts there were, and how many voxels of them were left out."""
        chosen = self.threshold if threshold is None else threshold
        check_mask_threshold(chosen)
        inside = (self.values >= level_of(chosen)).astype(np.uint8)
        if self.keep_components == 0:
            return inside, 0, 0
        return (inside, *keep_largest(inside, self.keep_components))

    def write(self, path: str | Path, volume: Volume) -> None:
        """Write it as a compressed .nrrd that lies where it belongs on the CT; viewers show it as a volume of 0 to 255.

        Raises:
            DiskError: the file could not be written.
        """
        with whole_file(Path(path), SUFFIX) as temporary:
            self._write(temporary, volume)

    def to_bytes(self, volume: Volume) -> bytes:
        """The content of the file that `write` would make."""
        with temporary_folder() as folder:
            path = folder / f"probability{SUFFIX}"
            self._write(path, volume)
            return path.read_bytes()

    def _write(self, path: Path, volume: Volume) -> None:
        origin = np.array(volume.origin) + volume.steps @ self.start[::-1]
        cropped = replace(volume, array=self.values, origin=tuple(origin.tolist()))
        facts = {
            "start": self.start,
            "shape": self.shape,
            "threshold": self.threshold,
            "keep_components": self.keep_components,
        }
        write_image(self.values, cropped, path, {HEADER: json.dumps(facts)})


def check_probability_file(path: Path) -> None:
    """Check before a run that a probability can be written.

    Raises:
        InputError: another suffix than .nrrd, or a folder missing or not writable.
    """
    if not path.name.lower().endswith(SUFFIX) or path.name.lower().endswith(f".seg{SUFFIX}"):
        raise InputError(f"{path} has another suffix than {SUFFIX}, the format of a probability; rename it")
    check_writable(path)


def level_of(threshold: float) -> int:
    """The lowest level that reaches a threshold above 0; exact where 256 times the threshold is whole, as for 0.5."""
    return min(max(1, math.ceil(threshold * LEVELS)), LEVELS - 1)


def check_mask_threshold(threshold: float) -> None:
    """Raise InputError for a threshold of the mask that is no probability above 0."""
    if not 0 < threshold <= 1:
        raise InputError(f"the mask threshold is {threshold}, expected a probability above 0 and up to 1")


def probability_of(levels: np.ndarray, threshold: float, keep_components: int) -> Probability:
    """Crop the levels of a whole CT.

    Args:
        levels: uint8 (z, y, x), see `Probability.values`; 0 on slices that were not segmented.
        threshold: the model's own.
        keep_components: of its post-processing.
    """
    box = bounding_box(levels >= FAINTEST) or (slice(0, 1),) * 3
    return Probability(
        levels[box].copy(),
        start=triple(side.start for side in box),
        shape=triple(levels.shape),
        threshold=threshold,
        keep_components=keep_components,
    )


def following(structure: Structure, probability: Probability | None, threshold: float | None = None) -> Structure:
    """The structure with the probability behind it, whose level its smooth outlines then follow.

    Args:
        structure: of a run.
        probability: of the same run; None leaves the structure as it is.
        threshold: from which a voxel was tumour; None for the model's own.
    """
    if probability is None:
        return structure
    level = level_of(probability.threshold if threshold is None else threshold) - 0.5
    return replace(structure, probability=probability.whole(probability.values), threshold=level)


def following_tags(structure: Structure, tags: Mapping[str, str]) -> Structure:
    """The structure with the probability that the tags of its segment keep, where there is one on its CT's voxels.

    A slice that no longer is what the probability gives, as one that a person has edited, does not follow it.
    """
    probability, threshold = kept_probability(tags)
    fits = probability is not None and probability.shape == structure.mask.shape
    return following(structure, probability, threshold) if fits else structure


def kept_probability(tags: Mapping[str, str]) -> tuple[Probability | None, float | None]:
    """The probability that a segment's tags keep, and the threshold a person has chosen for it, or None.

    What cannot be read in them counts as not there.
    """
    probability, chosen = _decoded(tags.get(PROBABILITY_TAG, "")), tags.get(MASK_THRESHOLD_TAG, "")
    try:
        threshold = float(chosen) if chosen else None
        if threshold is not None:
            check_mask_threshold(threshold)
    except (InputError, ValueError):
        return None, None
    return probability, threshold


@lru_cache(maxsize=2)
def _decoded(text: str) -> Probability | None:
    try:
        return probability_from_bytes(base64.b64decode(text, validate=True)) if text else None
    except (InputError, ValueError):
        return None


def read_probability(path: str | Path) -> Probability:
    """Read what `Probability.write` wrote.

    Raises:
        InputError: it is no such file.
    """
    path = Path(path)
    try:
        with reading_image():
            image = opened(str(path), "NrrdImageIO").Execute()
        facts = parse_json(image.GetMetaData(HEADER))
        values = sitk.GetArrayFromImage(image)
        found = Probability(
            values,
            start=triple(map(int, facts["start"])),
            shape=triple(map(int, facts["shape"])),
            threshold=float(facts["threshold"]),
            keep_components=int(facts["keep_components"]),
        )
        if found.keep_components < 0 or max(found.shape) > LARGEST_SIDE:
            raise ValueError("no result has these")
        check_mask_threshold(found.threshold)
    except (InputError, RuntimeError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise InputError(
            f"{path} holds no probability of a result; expected the file that 'segment --probability' wrote"
        ) from error
    fits = all(s >= 0 and s + n <= whole for s, n, whole in zip(found.start, values.shape, found.shape))
    if values.dtype != np.uint8 or values.ndim != 3 or not fits:
        raise InputError(f"{path} is damaged: its values do not fit into its CT; run 'segment --probability' again")
    return found


def probability_from_bytes(content: bytes) -> Probability:
    """Read what `Probability.to_bytes` gave; raises InputError."""
    with temporary_folder() as folder:
        path = folder / f"probability{SUFFIX}"
        path.write_bytes(content)
        return read_probability(path)
