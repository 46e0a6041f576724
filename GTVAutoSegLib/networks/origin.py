"""Where a network comes from; every network of a registry says it in its own file, as ``ORIGIN``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any


@dataclass(frozen=True)
class Origin:
    """One entry of the table in ``docs/networks.md``.

    Attributes:
        paper: who described it, and when.
        differs: what differs from the original.
        published: millions of parameters in table 2 of Shi et al. 2024; None when it is not there.
    """

    paper: str
    differs: str
    published: float | None = None


def variant(network: Any, origin: Origin, **arguments: Any) -> Any:
    """A network with other arguments, under a name and an origin of its own."""
    made = partial(network, **arguments)
    made.ORIGIN = origin  # type: ignore[attr-defined]
    return made


def origin_of(entry: Any) -> Origin:
    """The origin of an entry of a registry."""
    origin: Origin = entry.ORIGIN
    return origin
