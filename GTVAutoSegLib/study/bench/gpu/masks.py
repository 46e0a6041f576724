"""Masks of a device against those of a CPU in float32."""

from __future__ import annotations

import numpy as np

from ....cascade.assembly import in_precision
from ....cascade.cascade import Cascade
from ....cascade.load import load_model
from ....cascade.result import CascadeResult
from ....images.volume import Volume
from .place import CheckFailedError, Place

# Lowest Dice by precision: float32 differs by rounding only, but a GPU rounds the products of convolutions to 10 bits.
LOWEST_DSC = {"fp32": 0.999, "fp16": 0.995}


def check_phantom(place: Place, precision: str) -> str:
    """A phantom of 512 x 512 on the device, in "fp32" or "fp16"."""
    cascade = on_device(place, str(place.bundle), precision)
    return _compare("phantom", place.reference, cascade, place.phantom)


def check_samples(place: Place, precision: str) -> str:
    """The real CTs with the model that ships."""
    reference, cascade = load_model(place.model, "cpu", "fp32"), on_device(place, place.model, precision)
    found = [_compare(name, reference, cascade, ct) for name, ct in place.real_cts().items()]
    return "; ".join(found)


def on_device(place: Place, model: str, precision: str) -> Cascade:
    """A model on the device that is checked; fp16 on any, so that its code can be tried on a CPU too."""
    return in_precision(load_model(model, place.device, "fp32"), precision)


def dice(one: CascadeResult, other: CascadeResult) -> float:
    """Dice of two masks; 1 when both are empty."""
    a, b = one.mask > 0, other.mask > 0
    total = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / total if total else 1.0


def _compare(name: str, reference: Cascade, cascade: Cascade, ct: Volume) -> str:
    expected, found, lowest = reference.segment(ct), cascade.segment(ct), LOWEST_DSC[cascade.precision]
    if not expected.mask.any():
        raise CheckFailedError(f"{name}: the CPU outlined nothing, so that nothing can be compared")
    dsc = dice(found, expected)
    differing = np.flatnonzero(found.picked != expected.picked)
    text = f"{name}: DSC {dsc:.4f}, {len(differing)} of {len(found.picked)} slices decided otherwise"
    if dsc < lowest or len(differing):
        raise CheckFailedError(f"{text}; expected at least {lowest} and none")
    return text
