"""Which rungs pay, and the table of a ladder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from ...evaluation.boxes import unboxed
from ...evaluation.cases import ALL_SLICES, CASCADE, TRUE_SLICES
from ...evaluation.statistics import Difference, compare_systems
from ...system.json_text import read_json
from ..rung import read_cases
from .plan import Rung
from .runs import COST, Workplace

HEAD = (
    "| rung | data | DSC below | DSC | difference of the cascade | of the segmenter on all slices | on the true slices "
    "| training s | evaluation s | MB | kept |\n|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---|"
)
BOTH = "both"
COSTS = {"train_seconds": 0, "evaluate_seconds": 0, "megabytes": 1}  # decimals


@dataclass(frozen=True)
class Step:
    """What one rung gave over the one that was kept below it.

    Attributes:
        rung: it.
        below: that it is compared with; None for the first.
        kept: whether it pays: the cascade gains on every data set, and the interval over the cases of all of them
            lies above zero.
    """

    rung: Rung
    below: Rung | None
    kept: bool


def scores(place: Workplace, rung: Rung, sites: Iterable[str], variant: str, seeds: Sequence[int]) -> np.ndarray:
    """DSC (seeds x boxes, cases) of some data sets, the cases of one after the other."""
    columns = []
    for site in sites:
        rows = []
        for seed in seeds:
            found = read_cases(place.cases(rung, site, seed))
            for name, values in found.items():
                if unboxed(name)[0] == variant:
                    rows.append([values[case] for case in sorted(values)])
        columns.append(np.array(rows))
    return np.concatenate(columns, axis=1)


def difference(place: Workplace, rung: Rung, below: Rung, sites: Sequence[str], variant: str = CASCADE) -> Difference:
    """A rung minus the one below it: each case's mean over seeds and boxes, paired bootstrap over cases.

    Raises:
        InputError: they are of different cases, or of none.
    """
    seeds = place.ladder.seeds_of(rung)
    ours, theirs = (scores(place, one, sites=sites, variant=variant, seeds=seeds) for one in (rung, below))
    found = compare_systems(ours, theirs) if ours.shape == theirs.shape else None
    if found is None:
        raise InputError(f"'{rung.name}' and '{below.name}' are of different cases; remove the older one's folder")
    return found


def pays(place: Workplace, rung: Rung, below: Rung) -> bool:
    """Whether a rung is kept, see `Step`."""
    sites = list(place.ladder.sites)
    gains = all(difference(place, rung, below, [site]).mean > 0 for site in sites)
    return gains and difference(place, rung, below, sites).low > 0


def table(place: Workplace, steps: Sequence[Step]) -> str:
    """As Markdown: a line for each rung and data set, and one over the cases of all."""
    lines = [HEAD]
    sites = list(place.ladder.sites)
    for step in steps:
        groups = [*([site] for site in sites), *([sites] if step.below is not None and len(sites) > 1 else [])]
        lines += [_line(place, step, group) for group in groups]
    return "\n".join(lines)


def _line(place: Workplace, step: Step, sites: Sequence[str]) -> str:
    rung, below, single = step.rung, step.below, len(sites) == 1
    seeds = place.ladder.seeds_of(rung)
    after = f"{scores(place, rung, sites=sites, variant=CASCADE, seeds=seeds).mean():.3f}"
    name = sites[0] if single else BOTH
    verdict = "" if single and below is not None else "yes" if step.kept else "no"
    costs = [_cost(place, rung, sites[0], key) if single else "" for key in COSTS]
    if below is None:
        return f"| {rung.title} | {name} | | {after} | | | | {' | '.join(costs)} | {verdict} |"
    before = f"{scores(place, below, sites=sites, variant=CASCADE, seeds=seeds).mean():.3f}"
    gains = [
        _interval(difference(place, rung, below, sites, variant=one)) for one in (CASCADE, ALL_SLICES, TRUE_SLICES)
    ]
    title = f"{rung.title} (over {below.name}{', one seed' if len(seeds) == 1 else ''})"
    return f"| {title} | {name} | {before} | {after} | {' | '.join(gains)} | {' | '.join(costs)} | {verdict} |"


def _interval(found: Difference) -> str:
    return f"{found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


def _cost(place: Workplace, rung: Rung, site: str, key: str) -> str:
    """Mean over the seeds."""
    values = [read_json(place.folder(rung, site, seed) / COST)[key] for seed in place.ladder.seeds_of(rung)]
    return f"{float(np.mean(values)):.{COSTS[key]}f}"
