"""Names of what was measured inside a box."""

from __future__ import annotations

PREFIX = "box"


def boxed(variant: str, slack_mm: float | None) -> str:
    """The name of a variant that was measured inside a box; without a box its own."""
    return variant if slack_mm is None else f"{PREFIX}_{slack_mm:g}_{variant}"


def unboxed(variant: str) -> tuple[str, float | None]:
    """Variant and slack of a name that `boxed` has made."""
    if not variant.startswith(f"{PREFIX}_"):
        return variant, None
    _, slack, own = variant.split("_", 2)
    return own, float(slack)
