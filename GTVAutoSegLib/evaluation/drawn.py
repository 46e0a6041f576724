"""How good a volume becomes that is completed from a few drawn slices: the person is simulated by the label.

Ways: "ends", the first and last slice and some evenly between are drawn; "inside", the ends are only named, and the
slices drawn lie at (i + 1/2) / K of the range; "found", the same slices are drawn and the ends have to be found.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from ..cascade.completion.complete import COMPLETER, INTERPOLATION, complete
from ..cascade.person import WAYS
from ..images.metrics import added_path_length, compare
from ..images.placement import tumour_slices
from ..images.read import read_volume
from ..images.volume import Volume
from ..system.csv_text import to_csv
from ..system.progress import Progress, followed
from ..training.data.dataset import Case, read_label

if TYPE_CHECKING:
    from ..cascade.completion.completer import Completer

COMPLETING = "completing"
FOUND = "found"
WHOLE, OPEN = "whole", "untouched"


@dataclass(frozen=True)
class DrawnFigure:
    """One completion of one case.

    Attributes:
        case: its name.
        way: "inside", "ends" or "found".
        drawn: how many slices were drawn.
        method: "interpolation" or "completer".
        part: "whole" tumour, or only the slices left "untouched" by the person.
        dsc: Dice similarity coefficient.
        hd95_mm: the larger directed 95th percentile of the surface distances, mm; NaN when a mask is empty.
        added_path_mm: length of the label's outline that would still have to be drawn, mm.
        end_error: slices by which first and last are off, their mean; 0 where they are named.
    """

    case: str
    way: str
    drawn: int
    method: str
    part: str
    dsc: float
    hd95_mm: float
    added_path_mm: float
    end_error: float


def evaluate_drawn(
    cases: Sequence[Case],
    counts: Sequence[int],
    completer: Completer,
    progress: Progress | None = None,
) -> Iterator[DrawnFigure]:
    """Complete every case from its own label, in every way, with and without the network.

    A tumour of so few slices that nothing is left to complete does not count for that way and number.

    Args:
        cases: of a data set; those without tumour are left out.
        counts: how many slices are drawn; the way "ends" needs two.
        completer: the network.
        progress: called with "completing", cases done, and cases in all.

    Raises:
        InputError: a case cannot be read.
    """
    for case in followed(cases, COMPLETING, progress, len(cases)):
        volume = read_volume(case.image)
        label = read_label(case, volume)
        if label.any():
            yield from _of_case(case.name, volume=volume, label=label, counts=counts, completer=completer)


def _of_case(
    name: str, volume: Volume, label: np.ndarray, counts: Sequence[int], completer: Completer
) -> Iterator[DrawnFigure]:
    for way in (*WAYS, FOUND):
        for count in counts:
            if way == "ends" and count < 2:
                continue
            first, last, drawn = drawn_slices(label, volume, "inside" if way == FOUND else way, count)
            if not drawn or last - first + 1 <= len(drawn):
                continue
            ends = (None, None) if way == FOUND else (first, last)
            for network in (None, completer):
                if network is None and way == FOUND:
                    continue  # without a network nothing finds the ends
                result = complete(
                    volume, label, drawn=drawn, find_ends=way == FOUND, completer=network, first=ends[0], last=ends[1]
                )
                off = (abs(result.first - first) + abs(result.last - last)) / 2
                method = INTERPOLATION if network is None else COMPLETER
                for part, cleared in ((WHOLE, []), (OPEN, drawn)):
                    masks = [without_slices(mask, cleared, volume) for mask in (result.mask, label)]
                    agreement = compare(masks[0], masks[1], volume)
                    path = float(added_path_length(masks[0], masks[1], volume).sum())
                    yield DrawnFigure(
                        name,
                        way=way,
                        drawn=count,
                        method=method,
                        part=part,
                        dsc=agreement.dsc,
                        hd95_mm=agreement.hd95_mm,
                        added_path_mm=path,
                        end_error=off,
                    )


def drawn_slices(label: np.ndarray, volume: Volume, way: str, count: int) -> tuple[int, int, list[int]]:
    """First and last slice of a tumour, and the slices that a person draws of it: none where the label has a gap.

    Args:
        label: bool (z, y, x), not empty.
        volume: its CT.
        way: of `WAYS`.
        count: how many slices are drawn.
    """
    marked = np.flatnonzero(tumour_slices(label, volume)).tolist()
    chosen = WAYS[way](marked[0], marked[-1], count)
    return marked[0], marked[-1], [index for index in chosen if index in set(marked)]


def without_slices(mask: np.ndarray, slices: Sequence[int], volume: Volume) -> np.ndarray:
    """A copy of a mask (z, y, x) with some slices emptied."""
    rest = mask.astype(bool)
    volume.axial.by_slice(rest)[list(slices)] = False
    return rest


@dataclass(frozen=True)
class DrawnSummary:
    """Means over the cases of a way, a number of drawn slices and a part of the tumour.

    Attributes:
        way: "inside", "ends" or "found".
        drawn: how many slices were drawn.
        part: "whole" or "untouched".
        cases: how many count.
        dsc: by method.
        hd95_mm: by method, over the cases where both masks show something.
        added_path_mm: by method.
        better: cases on which the completer has the higher DSC.
        end_error: slices by which the ends are off.
    """

    way: str
    drawn: int
    part: str
    cases: int
    dsc: dict[str, float]
    hd95_mm: dict[str, float]
    added_path_mm: dict[str, float]
    better: int
    end_error: float


def summarise_drawn(figures: Sequence[DrawnFigure]) -> list[DrawnSummary]:
    """Means, in the order in which ways, numbers and parts first appear."""
    groups: dict[tuple[str, int, str], list[DrawnFigure]] = {}
    for figure in figures:
        groups.setdefault((figure.way, figure.drawn, figure.part), []).append(figure)
    return [_summary(*key, group) for key, group in groups.items()]


def _summary(way: str, drawn: int, part: str, group: Sequence[DrawnFigure]) -> DrawnSummary:
    methods = [name for name in (INTERPOLATION, COMPLETER) if any(figure.method == name for figure in group)]
    by_method = {name: {figure.case: figure for figure in group if figure.method == name} for name in methods}
    plain, network = by_method.get(INTERPOLATION, {}), by_method[COMPLETER]

    def means(attribute: str) -> dict[str, float]:
        return {
            name: _mean([getattr(figure, attribute) for figure in figures.values()])
            for name, figures in by_method.items()
        }

    return DrawnSummary(
        way,
        drawn=drawn,
        part=part,
        cases=len(network),
        dsc=means("dsc"),
        hd95_mm=means("hd95_mm"),
        added_path_mm=means("added_path_mm"),
        better=sum(network[case].dsc > plain[case].dsc for case in plain),
        end_error=_mean([figure.end_error for figure in network.values()]),
    )


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def drawn_csv(figures: Sequence[DrawnFigure]) -> str:
    """One line a figure; what is undefined stays empty."""
    return to_csv([[field.name for field in fields(DrawnFigure)], *map(astuple, figures)], ".4f")


def drawn_table(summaries: Sequence[DrawnSummary]) -> str:
    """The means as a Markdown table: interpolation -> completer."""
    lines = [
        "| way | drawn | part | cases | DSC | better | HD95, mm | path to add, mm | ends off by |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for one in summaries:
        better = f"{one.better} of {one.cases}" if INTERPOLATION in one.dsc else ""
        ends = f"{one.end_error:.1f}" if one.way == FOUND else ""
        cells = [_pair(one.dsc, 3), better, _pair(one.hd95_mm, 1), _pair(one.added_path_mm, 0), ends]
        lines.append(f"| {one.way} | {one.drawn} | {one.part} | {one.cases} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _pair(values: dict[str, float], digits: int) -> str:
    return " -> ".join(f"{value:.{digits}f}" for value in values.values())
