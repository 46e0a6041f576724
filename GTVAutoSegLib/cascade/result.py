"""What a run found: `CascadeResult` with its arrays, and `ResultRecord`, the same in plain values for JSON and people.

To add a figure to the record, add a field with a default to `ResultRecord` and fill it in `summarise`.
"""

from __future__ import annotations

import math
import platform
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..images.dicom.scanner import scanner_of
from ..images.masks.structure import mask_sha256
from ..images.placement import extent_mm, tumour_slices, volume_ml
from ..images.probability import Probability
from ..images.segment_info import SegmentInfo
from ..images.volume import Volume
from ..model.bundle import Bundle
from ..system import tags
from ..system.names import counted, span
from ..system.settings import as_json, parse_settings


@dataclass(frozen=True)
class CascadeResult:
    """What the cascade found.

    A slice index counts along the stored axis that is closest to head-feet, as a viewer of the file counts it.

    Attributes:
        mask: uint8 (z, y, x) on the CT's own grid, 1 is tumour.
        slice_probability: float32 (slices,), the classifier's output; NaN for slices left out by ``slices``.
        threshold: slice probability from which a slice was segmented.
        picked: bool (slices,), which slices were segmented.
        reason: why nothing was found, or "" when something was.
        warnings: sentences for the user.
        device: where it ran.
        precision: in which numbers.
        timings: seconds by step.
        probability: what the mask is cut from; None for a mask that did not come from a network.
        mask_threshold: probability from which a voxel is tumour.
    """

    mask: np.ndarray
    slice_probability: np.ndarray
    threshold: float
    picked: np.ndarray
    reason: str
    warnings: tuple[str, ...]
    device: str
    precision: str = "fp32"
    timings: dict[str, float] = field(default_factory=dict)
    probability: Probability | None = None
    mask_threshold: float = 0.5


@dataclass(frozen=True)
class InputRecord:
    """The CT: its path or name, voxels along x, y and z, their distance in mm, and its scanner ("" if unknown)."""

    source: str
    size: tuple[int, ...]
    spacing_mm: tuple[float, ...]
    scanner: str = ""


@dataclass(frozen=True)
class ModelRecord:
    """The model: id, version, and the digest of `Bundle`."""

    id: str
    version: str
    digest: str


@dataclass(frozen=True)
class MaskRecord:
    """What can be said of any mask that was made; the fields are the keys in JSON.

    Attributes:
        input: the CT.
        volume_ml: volume, mL.
        tumour_slices: slices with tumour, counted as in `CascadeResult`.
        extent_mm: the tumour's size along the axial x, y and z axes, mm.
        warnings: sentences for the user.
        mask_sha256: of the mask's bytes (z, y, x).
        timings: seconds by step, "total" among them.
        versions: of the software, by name.
    """

    input: InputRecord
    volume_ml: float
    tumour_slices: tuple[int, ...]
    extent_mm: tuple[float, ...]
    warnings: tuple[str, ...]
    mask_sha256: str
    timings: dict[str, float]
    versions: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """The record as JSON-ready values."""
        content: dict[str, Any] = as_json(self)
        return content


@dataclass(frozen=True)
class ResultRecord(MaskRecord):
    """What a run found, in plain values; fields without a word here are as in `CascadeResult`.

    Attributes:
        roi: name of the region.
        slice_probability: of each slice; None for one that was left out.
        picked_slices: slices that were segmented.
        model: what made it.
    """

    roi: str
    slice_probability: tuple[float | None, ...]
    threshold: float
    picked_slices: tuple[int, ...]
    reason: str
    model: ModelRecord
    device: str
    precision: str
    mask_threshold: float = 0.5

    @classmethod
    def from_json(cls, data: Any) -> ResultRecord:
        """Read a record from decoded JSON; further keys are left aside. Raises ValueError for what is none."""
        return parse_settings(cls, data, "the result", others=True)


def summarise(result: CascadeResult, volume: Volume, bundle: Bundle) -> ResultRecord:
    """Measure a result on its CT, and say what made it."""
    return ResultRecord(
        **measured(result.mask, volume, result.warnings, result.timings),
        roi=bundle.info.task.roi,
        slice_probability=tuple(None if math.isnan(p) else round(float(p), 6) for p in result.slice_probability),
        threshold=result.threshold,
        picked_slices=tuple(np.flatnonzero(result.picked).tolist()),
        reason=result.reason,
        model=ModelRecord(**bundle.identity),
        device=result.device,
        precision=result.precision,
        mask_threshold=result.mask_threshold,
    )


def measured(mask: np.ndarray, volume: Volume, warnings: Iterable[str], timings: Mapping[str, float]) -> dict[str, Any]:
    """The fields of a `MaskRecord`."""
    return {
        # No folders: they name patients and machines, and records are passed on.
        "input": InputRecord(
            Path(volume.source).name, volume.array.shape[::-1], tuple(volume.spacing), scanner_of(volume)
        ),
        "volume_ml": volume_ml(mask, volume),
        "tumour_slices": tuple(np.flatnonzero(tumour_slices(mask, volume)).tolist()),
        "extent_mm": tuple(extent_mm(mask, volume)),
        "warnings": tuple(warnings),
        "mask_sha256": mask_sha256(mask),
        "timings": {step: round(seconds, 4) for step, seconds in timings.items()},
        "versions": versions(),
    }


def reason_for_nothing(mask: np.ndarray, probability: np.ndarray, picked: int, threshold: float) -> str:
    """Why a mask is empty; "" where it is not. ``probability`` is that of each slice, NaN where nobody asked for it."""
    if mask.any():
        return ""
    if np.isnan(probability).all():
        return f"the segmenter outlined nothing on the {counted(picked, 'slice')} it was given"
    if picked:
        return f"the classifier picked {counted(picked, 'slice')}, and the segmenter outlined nothing there"
    best = int(np.nanargmax(probability))
    return (
        f"no slice reaches the threshold {threshold:.2f}: the highest slice probability is "
        f"{probability[best]:.4f}, at slice {best}"
    )


def versions() -> dict[str, str]:
    """Of the software that made a result, by name; PyTorch's where it took part."""
    import SimpleITK

    torch = sys.modules.get("torch")
    return {
        "gtvautoseg": __version__,
        "python": platform.python_version(),
        **({} if torch is None else {"torch": torch.__version__}),
        "SimpleITK": SimpleITK.Version_VersionString(),
        "numpy": np.__version__,
    }


def sentence(record: ResultRecord) -> str:
    """What was found, in one line."""
    if record.reason:
        return f"No tumour found: {record.reason}."
    extent = " x ".join(f"{length:.0f}" for length in record.extent_mm)
    return (
        f"{record.roi}: {record.volume_ml:.1f} mL on {span(record.tumour_slices)}, extent {extent} mm; "
        f"{record.timings['total']:.1f} s on {record.device}"
    )


def describe_segment(bundle: Bundle, record: ResultRecord | None = None) -> SegmentInfo:
    """Name, colour, DICOM terminology and origin of the segment a model makes.

    Args:
        bundle: the model.
        record: adds how it was run: slice threshold, device and precision.
    """
    info = bundle.info
    origin = {tags.MODEL_TAG: info.id, tags.VERSION_TAG: info.version, tags.DIGEST_TAG: bundle.digest}
    if record is not None:
        origin |= {
            tags.THRESHOLD_TAG: f"{record.threshold:g}",
            tags.DEVICE_TAG: record.device,
            tags.PRECISION_TAG: record.precision,
        }
    return SegmentInfo(info.task.roi, info.task.color, info.task.terminology, origin)
