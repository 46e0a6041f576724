"""What a trained network makes of its fold's validation cases and of the test cases, kept on disk.

Each network looks at every slice once. Whether a classifier stands in front only decides which of the slices count,
so that any classifier can be put before any segmenter without running either again.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from torch import nn

from ....cascade.inference import BatchRunner
from ....cascade.preprocess import Box, body_box, paste_back
from ....errors import RunError
from ....images.probability import level_of
from ....images.read import read_volume
from ....system.files import whole_file
from ....system.settings import PreprocessSettings
from ....training.data.batches import as_input
from ....training.data.dataset import Case
from ....training.data.slices import StoredCase
from ....training.results.threshold import SliceFigures

MASK_THRESHOLD = 0.5
PREDICTIONS, FIGURES = "predictions.npz", "figures.json"
BOXES = "boxes.npy"


@dataclass
class NetworkOnCases:
    """Runs one network over stored cases and keeps the time that it takes.

    Attributes:
        network: in evaluation mode.
        device: where it runs.
        seconds: spent in the network so far, see `clock_of`.
        slices: looked at so far.
    """

    network: nn.Module
    device: torch.device
    seconds: float = field(default=0.0, init=False)
    slices: int = field(default=0, init=False)

    def __call__(self, case: StoredCase) -> Iterator[tuple[np.ndarray, torch.Tensor]]:
        """Yield rows of a case's slices and the probability of tumour: float (k,), or (k, N, N)."""
        runner = BatchRunner(self.device, case.size)
        cpu = torch.device("cpu")
        everything = np.arange(len(case.abnormal))
        for rows, output in runner.run(
            "predicting",
            (self.network,),
            everything,
            lambda rows: as_input(torch.from_numpy(case.images(np.array(rows))), cpu),
            self._timed,
        ):
            self.slices += len(rows)
            yield np.array(rows), output[:, 1]

    @contextmanager
    def _timed(self, _: str) -> Iterator[None]:
        now = clock_of(self.device)
        started = now()
        yield
        self.seconds += now() - started


def clock_of(device: torch.device) -> Callable[[], float]:
    """What times work on a device: processor time on a CPU, which other programs do not lengthen, else a clock."""
    return time.process_time if device.type == "cpu" else time.perf_counter


def slice_probabilities(run: NetworkOnCases, case: StoredCase) -> np.ndarray:
    """A classifier on one case; float32 (slices,)."""
    return np.concatenate([probability.numpy() for _, probability in run(case)])


def slice_areas(run: NetworkOnCases, case: StoredCase) -> np.ndarray:
    """A segmenter on one case: pixels outlined rightly, outlined, and of the label; int64 (3, slices)."""
    columns = []
    for rows, probability in run(case):
        outlined, truth = (probability >= MASK_THRESHOLD).numpy(), case.masks(rows)
        columns.append([area.sum(axis=(1, 2)) for area in (outlined & truth, outlined, truth)])
    return np.concatenate(columns, axis=1)


def native_mask(run: NetworkOnCases, case: StoredCase, boxes: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A segmenter on every slice of one case; uint8, ``shape`` (slices, y, x) in axial order on the CT's own grid."""
    levels = np.zeros(shape, np.uint8)
    for rows, probability in run(case):
        for row, plane in zip(rows, probability):
            paste_back(plane, Box(*(int(edge) for edge in boxes[row])), levels[row])
    return (levels >= level_of(MASK_THRESHOLD)).astype(np.uint8)


def stored_boxes(case: Case, stored: StoredCase, settings: PreprocessSettings) -> tuple[np.ndarray, tuple[int, ...]]:
    """Body boxes int64 (slices, 4), and the CT's shape in axial order; found once and kept beside the stored slices."""
    path = stored.folder / BOXES
    if not path.is_file():
        volume = read_volume(case.image)
        hu = volume.axial.of(volume.array)
        found = [body_box(plane, settings) for plane in hu]
        rows = [(box.top, box.bottom, box.left, box.right) for box in found]
        with whole_file(path) as temporary:
            np.save(temporary, np.array([hu.shape[1:] * 2, *rows]))
    kept = np.load(path)
    return kept[1:], (len(kept) - 1, int(kept[0][0]), int(kept[0][1]))


def pack(mask: np.ndarray) -> np.ndarray:
    """A mask (slices, y, x) as bits; its shape goes first, as 12 bytes."""
    return np.concatenate([np.array(mask.shape, np.uint32).view(np.uint8), np.packbits(mask)])


def unpack(packed: np.ndarray) -> np.ndarray:
    """Undo `pack`; uint8."""
    shape = tuple(int(side) for side in packed[:12].view(np.uint32))
    return np.unpackbits(packed[12:], count=int(np.prod(shape))).reshape(shape)


def figures_of(probability: np.ndarray, areas: np.ndarray) -> SliceFigures:
    """What `training.results.threshold` chooses by."""
    return SliceFigures(probability, *areas)


def load_predictions(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Read arrays of `save_predictions` by name.

    Raises:
        RunError: the file is missing or damaged, or lacks one of them.
    """
    try:
        with np.load(path) as arrays:
            return {name: arrays[name] for name in names}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error) as error:
        raise RunError(
            f"{path} is damaged ({error}); delete {FIGURES} beside it and run the same command again: the network "
            "predicts anew, its training is kept"
        ) from error


def save_predictions(path: Path, **arrays: np.ndarray) -> None:
    """Write arrays by name, whole or not at all."""
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
