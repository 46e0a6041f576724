"""``python -m GTVAutoSegLib.study.rung BEFORE/cases.csv AFTER/cases.csv``: what one change gave, case by case.

For every variant that both evaluations hold: mean DSC before and after, and the mean difference with its 95 % interval
(paired bootstrap over cases). With one file: what the first stage gave, the cascade after the segmenter on all slices.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..evaluation.boxes import boxed, unboxed
from ..evaluation.cases import ALL_SLICES, CASCADE
from ..evaluation.report import heading
from ..evaluation.statistics import Difference, compare_systems

Row = tuple[float, float, Difference]  # mean before, mean after
HEAD = "| | cases | DSC before | DSC after | difference, 95 % interval |\n|---|---:|---:|---:|---:|"


def read_cases(path: Path) -> dict[str, dict[str, float]]:
    """DSC by variant and case of a ``cases.csv`` of ``gtvautoseg evaluate`` with one model.

    Raises:
        InputError: it cannot be read, or holds something else.
    """
    found: dict[str, dict[str, float]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                found.setdefault(row["variant"], {})[row["case"]] = float(row["dsc"])
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}); expected the cases.csv of an evaluation") from error
    return found


def compare(before: Path, after: Path) -> dict[str, Row]:
    """Mean DSC before and after, and the difference, by variant that both files hold.

    Raises:
        InputError: a file cannot be read, or they are of different cases or of no common variant.
    """
    first, second = read_cases(before), read_cases(after)
    rows = {}
    for variant in first:
        if variant not in second:
            continue
        if first[variant].keys() != second[variant].keys():
            raise InputError(f"{before} and {after} are of different cases; expected the same")
        rows[variant] = _compared(first[variant], second[variant])
    if not rows:
        raise InputError(f"{before} and {after} have no variant in common; expected the same boxes in both")
    return rows


def first_stage(path: Path) -> dict[str, Row]:
    """The same of one file, by cascade: its segmenter on all slices before, the cascade after.

    Raises:
        InputError: the file cannot be read, or holds no cascade.
    """
    found = read_cases(path)
    rows = {}
    for variant, values in found.items():
        own, slack = unboxed(variant)
        alone = found.get(boxed(ALL_SLICES, slack))
        if own == CASCADE and alone is not None and alone.keys() == values.keys():
            rows[variant] = _compared(alone, values)
    if not rows:
        raise InputError(f"{path} holds no cascade beside its segmenter; expected the evaluation of one model")
    return rows


def _compared(before: dict[str, float], after: dict[str, float]) -> Row:
    theirs, ours = (np.array([[values[case] for case in sorted(values)]]) for values in (before, after))
    difference = compare_systems(ours, theirs)
    assert difference is not None  # noqa: S101 - a cases.csv has at least one case, and a DSC is always defined
    return float(theirs.mean()), float(ours.mean()), difference


def table(rows: dict[str, Row]) -> str:
    """As Markdown."""
    lines = [HEAD]
    for variant, (before, after, found) in rows.items():
        lines.append(
            f"| {heading(variant)} | {found.cases} | {before:.3f} | {after:.3f} | "
            f"{found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}] |"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path, nargs="?")
    given = parser.parse_args(arguments)
    print(table(first_stage(given.before) if given.after is None else compare(given.before, given.after)))


if __name__ == "__main__":
    main()
