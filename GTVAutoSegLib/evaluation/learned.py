"""Whether a model has learned from the cases that it is measured on, or was chosen on them, as far as it tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..model.bundle import Bundle
from ..system.names import some_of

NONE, SOME, ALL, UNKNOWN = "none", "some", "all", "unknown"
LIMITS = "a resampled CT, and another CT of the same patient, would not be noticed"


@dataclass(frozen=True)
class Learned:
    """What is known.

    Attributes:
        kind: `NONE`, `SOME` or `ALL` of the cases; `UNKNOWN` where the model does not tell all of its CTs.
        cases: names of those that it has learned from.
        chosen: names of those on which its epochs or thresholds were chosen.
    """

    kind: str
    cases: tuple[str, ...] = ()
    chosen: tuple[str, ...] = ()

    def sentence(self, model: str) -> str:
        """For people; "" where it has learned from none of the cases, and was chosen on none.

        Args:
            model: what it is called, begins the sentence.
        """
        said: list[str] = []
        if self.cases:
            count = "all" if self.kind == ALL else str(len(self.cases))
            said.append(f"has learned from {count} of these cases ({some_of(self.cases)})")
        if self.chosen:
            said.append(f"has its epochs or thresholds from {len(self.chosen)} of these cases ({some_of(self.chosen)})")
        if self.kind == UNKNOWN:
            said.append("does not tell which CTs it has learned from: if these are among them, its figures flatter")
        elif said:
            said[-1] += ", so its figures flatter"
        return f"{model} {', and '.join(said)}" if said else ""


def learned_from(bundles: Bundle | Mapping[str, Bundle], voxels: Mapping[str, str]) -> Learned:
    """Whether a model has learned from some cases, or was chosen on them.

    Args:
        bundles: of the model; or, of a run, that of each case, by its name.
        voxels: `training.data.imports.voxels.voxels_sha256` of each case's CT, by its name.
    """
    asked = {name: (bundles[name] if isinstance(bundles, Mapping) else bundles).info.training_data for name in voxels}
    told = {name: asked[name].learned_from(one) for name, one in voxels.items()}
    known = tuple(name for name, answer in told.items() if answer)
    chosen = tuple(name for name, one in voxels.items() if one in asked[name].chosen_on)
    if known:
        return Learned(ALL if len(known) == len(told) else SOME, known, chosen)
    return Learned(UNKNOWN if None in told.values() else NONE, chosen=chosen)
