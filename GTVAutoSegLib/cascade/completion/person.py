"""Which slices a person draws: simulated, for training and for measuring."""

from __future__ import annotations

from collections.abc import Callable


def inside(first: int, last: int, count: int) -> list[int]:
    """First and last are only named; the slices drawn lie at (i + 1/2) / count of the range."""
    length = last - first + 1
    return sorted({min(last, first + int((i + 0.5) / count * length)) for i in range(count)})


def ends(first: int, last: int, count: int) -> list[int]:
    """First, last and evenly between, ``count`` in all, at least two; fewer where the tumour has fewer slices."""
    if count < 2:
        raise ValueError(f"{count} slices cannot be both ends, expected at least 2")
    return sorted({round(first + i * (last - first) / (count - 1)) for i in range(count)})


WAYS: dict[str, Callable[[int, int, int], list[int]]] = {"inside": inside, "ends": ends}
