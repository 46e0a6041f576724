"""Balance-Sampling Strategy: how many normal slices an epoch sees (paper section 3.4)."""

from __future__ import annotations

import numpy as np

# theta: normal slices per abnormal slice; None keeps all of them.
RATIOS: dict[str, float | None] = {"0": 0.0, "0.5": 0.5, "1": 1.0, "2": 2.0, "4": 4.0, "n": None}


def balanced_indices(abnormal: np.ndarray, theta: str, seed: int, epoch: int, *, static: bool = False) -> np.ndarray:
    """Choose and shuffle the slices of one epoch: all abnormal ones, and a fresh draw of normal ones.

    Args:
        abnormal: bool (n,), which training slices show tumour.
        theta: "0", "1", "2", "4" or "n".
        seed: of the run.
        epoch: each epoch draws anew; the same seed and epoch give the same slices.
        static: every epoch sees the normal slices of the first one, in another order (as the authors' code does).

    Returns:
        int64 indices into ``abnormal``.

    Raises:
        ValueError: theta is unknown.
    """
    if theta not in RATIOS:
        raise ValueError(f"sampling ratio is '{theta}', expected one of {', '.join(RATIOS)}")
    positives, normals = np.flatnonzero(abnormal), np.flatnonzero(~abnormal)
    ratio = RATIOS[theta]
    wanted = len(normals) if ratio is None else min(len(normals), round(ratio * len(positives)))
    drawn = np.random.default_rng((seed, 0 if static else epoch)).choice(normals, size=wanted, replace=False)
    return np.random.default_rng((seed, epoch, 1)).permutation(np.concatenate([positives, drawn]))
