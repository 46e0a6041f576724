"""What a run found, as plain values for JSON, reports and people."""

from __future__ import annotations

import hashlib
import math
import platform
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import __version__
from ..images.placement import extent_mm, tumour_slices, volume_ml
from ..images.segment_info import SegmentInfo
from ..images.volume import Volume
from ..model.bundle import Bundle

if TYPE_CHECKING:
    from .cascade import CascadeResult


def summarise(result: CascadeResult, volume: Volume, bundle: Bundle) -> dict[str, Any]:
    """Measure a result.

    Returns:
        JSON-ready values. ``volume_ml`` is in mL, ``extent_mm`` the tumour's size along the axial x, y and z axes in
        mm, ``tumour_slices`` and ``slice_probability`` follow the slice index of `CascadeResult`, ``timings`` are in
        seconds, ``mask_sha256`` is that of the mask's bytes (z, y, x).
    """
    import SimpleITK
    import torch

    return {
        "input": {"source": volume.source, "size": list(volume.array.shape[::-1]), "spacing_mm": list(volume.spacing)},
        "roi": bundle.info.task.roi,
        "volume_ml": volume_ml(result.mask, volume),
        "tumour_slices": np.flatnonzero(tumour_slices(result.mask, volume)).tolist(),
        "extent_mm": extent_mm(result.mask, volume),
        "slice_probability": [None if math.isnan(p) else round(float(p), 6) for p in result.slice_probability],
        "threshold": result.threshold,
        "picked_slices": np.flatnonzero(result.picked).tolist(),
        "reason": result.reason,
        "warnings": list(result.warnings),
        "mask_sha256": hashlib.sha256(np.ascontiguousarray(result.mask).data).hexdigest(),
        "model": {"id": bundle.info.id, "version": bundle.info.version, "digest": bundle.digest},
        "device": result.device,
        "precision": result.precision,
        "timings": {step: round(seconds, 4) for step, seconds in result.timings.items()},
        "versions": {
            "gtvautoseg": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "SimpleITK": SimpleITK.Version_VersionString(),
            "numpy": np.__version__,
        },
    }


def sentence(summary: dict[str, Any]) -> str:
    """What was found, in one line."""
    if summary["reason"]:
        return f"No tumour found: {summary['reason']}."
    slices = summary["tumour_slices"]
    where = f"{len(slices)} slices ({slices[0]} to {slices[-1]})" if len(slices) > 1 else f"slice {slices[0]}"
    extent = " x ".join(f"{length:.0f}" for length in summary["extent_mm"])
    return (
        f"{summary['roi']}: {summary['volume_ml']:.1f} mL on {where}, "
        f"extent {extent} mm; {summary['timings']['total']:.1f} s on {summary['device']}"
    )


def describe_segment(bundle: Bundle, result: CascadeResult | None = None) -> SegmentInfo:
    """Name, colour, DICOM terminology and origin of the segment a model makes.

    Args:
        bundle: the model.
        result: adds how it was run: slice threshold, device and precision.
    """
    info = bundle.info
    origin = {"GTVAutoSeg.Model": info.id, "GTVAutoSeg.Version": info.version, "GTVAutoSeg.Digest": bundle.digest}
    if result is not None:
        origin |= {
            "GTVAutoSeg.Threshold": f"{result.threshold:g}",
            "GTVAutoSeg.Device": result.device,
            "GTVAutoSeg.Precision": result.precision,
        }
    return SegmentInfo(info.task.roi, info.task.color, info.task.terminology, origin)
