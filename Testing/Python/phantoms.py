"""Synthetic CTs: an elliptic body in air with a bright ball in it."""

from __future__ import annotations

import numpy as np

from GTVAutoSegLib.images.volume import Volume


def body_ct(shape=(10, 64, 72), seed: int = 0) -> np.ndarray:
    """HU, int16 (z, y, x): air at -1000, a body at about 40 HU in an off-centre ellipse, a ball at 120 HU."""
    z, y, x = np.ogrid[tuple(slice(n) for n in shape)]
    depth, height, width = shape
    body = ((y - height * 0.55) / (height * 0.3)) ** 2 + ((x - width * 0.45) / (width * 0.35)) ** 2 < 1
    ball = ((z - depth / 2) / (depth / 4)) ** 2 + ((y - height / 2) / 8) ** 2 + ((x - width / 2) / 8) ** 2 < 1
    noise = np.random.default_rng(seed).normal(0, 10, shape)
    hu = np.where(body, 40.0, -1000.0) + np.where(ball & body, 80.0, 0.0) + noise
    return hu.clip(-1024, 3071).round().astype(np.int16)


def phantom(shape=(10, 64, 72), spacing=(1.0, 1.0, 3.0), **geometry) -> Volume:
    """`body_ct` with a geometry."""
    return Volume(body_ct(shape), spacing=spacing, source="phantom", **geometry)
