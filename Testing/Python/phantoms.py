"""Synthetic CTs: an elliptic body in air with a bright ball in it."""

from __future__ import annotations

from GTVAutoSegLib.images.volume import Volume
from GTVAutoSegLib.study.bench.phantom import body_ct

__all__ = ["body_ct", "phantom"]


def phantom(shape=(10, 64, 72), spacing=(1.0, 1.0, 3.0), **geometry) -> Volume:
    """`body_ct` with a geometry."""
    return Volume(body_ct(shape), spacing=spacing, source="phantom", **geometry)
