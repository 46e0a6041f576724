"""Whether a model has learned from the cases that it is measured on, by what its description tells of its CTs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..model.bundle import Bundle

NONE, SOME, ALL, UNKNOWN = "none", "some", "all", "unknown"
LIMITS = "a resampled CT, and another CT of the same patient, would not be noticed"


@dataclass(frozen=True)
class Learned:
    """What is known.

    Attributes:
        kind: `NONE`, `SOME` or `ALL` of the cases; `UNKNOWN` where the model does not tell all of its CTs.
        cases: names of those that it has learned from.
    """

    kind: str
    cases: tuple[str, ...] = ()

    def sentence(self, model: str) -> str:
        """For people; "" where it has learned from none of the cases.

        Args:
            model: what it is called, begins the sentence.
        """
        if self.kind == UNKNOWN:
            return f"{model} does not tell which CTs it has learned from: if these are among them, its figures flatter"
        if self.kind == NONE:
            return ""
        which = "all of these cases" if self.kind == ALL else f"{len(self.cases)} of these cases"
        names = ", ".join(self.cases[:5]) + ", ..." * (len(self.cases) > 5)
        return f"{model} has learned from {which} ({names}), so its figures flatter"


def learned_from(bundle: Bundle, voxels: Mapping[str, str]) -> Learned:
    """Whether a model has learned from some cases.

    Args:
        bundle: of the model.
        voxels: `training.data.imports.voxels.voxels_sha256` of each case's CT, by its name.
    """
    told = {name: bundle.info.training_data.learned_from(one) for name, one in voxels.items()}
    known = tuple(name for name, answer in told.items() if answer)
    if known:
        return Learned(ALL if len(known) == len(told) else SOME, known)
    return Learned(UNKNOWN if None in told.values() else NONE)
