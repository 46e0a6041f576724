"""Simulated boxes that models are measured in: which make sense, and the names of what was measured inside."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import InputError

PREFIX = "box"
LARGEST_MM = 1000


def checked_slacks(asked: Sequence[float] | None) -> tuple[float, ...]:
    """Slack of the boxes that were asked for, mm; none where nobody asked.

    Raises:
        InputError: one is negative, too large or there twice.
    """
    slacks = tuple(asked or ())
    if len(set(slacks)) < len(slacks) or not all(0 <= slack < LARGEST_MM for slack in slacks):
        given = " ".join(f"{slack:g}" for slack in slacks)
        different = "different " if len(slacks) > 1 else ""
        raise InputError(f"--box is {given}; expected {different}mm from 0 to {LARGEST_MM}")
    return slacks


def boxed(variant: str, slack_mm: float | None) -> str:
    """The name of a variant that was measured inside a box; without a box its own."""
    return variant if slack_mm is None else f"{PREFIX}_{slack_mm:g}_{variant}"


def unboxed(variant: str) -> tuple[str, float | None]:
    """Variant and slack of a name that `boxed` has made."""
    if not variant.startswith(f"{PREFIX}_"):
        return variant, None
    _, slack, own = variant.split("_", 2)
    return own, float(slack)
