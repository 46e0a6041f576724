"""A new model against the present one on the same cases, which a training run has not learned from, case by case."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..cascade.cascade import Cascade
from ..cascade.load import load_model
from ..cascade.person import simulated_box
from ..errors import InputError
from ..images.metrics import added_path_length, compare
from ..images.read import read_volume
from ..images.volume import Volume
from ..model.bundle import find_model, verify_model
from ..system.progress import Progress, followed
from ..training.configuration import FILE as RUN
from ..training.data.dataset import Case, read_label
from ..training.data.folds import read_dataset
from ..training.data.imports.voxels import voxels_sha256
from .cases import Failure
from .folds import held_out

COMPARING = "comparing"
OLD, NEW = "old", "new"


@dataclass(frozen=True)
class Side:
    """One of the two that are compared.

    Attributes:
        given: how it was asked for: a model's id or path, or the folder of a run.
        name: for people.
        bundles: by case, path of the bundle that outlines it; of a run, the fold that did not learn from the case.
        remarks: for whoever reads its figures.
    """

    given: str
    name: str
    bundles: Mapping[str, Path]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outlined:
    """What one side makes of a case.

    Attributes:
        dsc: Dice similarity coefficient.
        hd95_mm: 95th percentile of the surface distance, mm; NaN where mask or label is empty.
        added_path_length_mm: how much of the label would have to be drawn anew, in all slices.
    """

    dsc: float
    hd95_mm: float
    added_path_length_mm: float


@dataclass(frozen=True)
class Pair:
    """Both sides on one case; `voxels` is what its CT is known by."""

    case: str
    voxels: str
    old: Outlined
    new: Outlined


def plan_comparison(dataset: Path, old: str, new: str) -> tuple[list[Case], dict[str, Side]]:
    """The cases that both are measured on, and which bundle outlines each.

    Args:
        dataset: folder; where a side is a run, the one that it was trained on.
        old: the present model: id or path; or the folder of a run.
        new: the new one, in the same way.

    Returns:
        The cases, and the sides by `OLD` and `NEW`. Runs leave the cases that a finished fold validates.

    Raises:
        InputError: the data set, or a run, cannot be used; both are the same; or two runs have no such case in common.
        ModelError: there is no such model, or it is damaged.
    """
    cases, _ = read_dataset(dataset)
    sides = {key: _side(dataset, cases, given) for key, given in ((OLD, old), (NEW, new))}
    if sides[OLD].name == sides[NEW].name:
        sides = {key: replace(side, name=f"{side.name} ({side.given})") for key, side in sides.items()}
    chosen = [case for case in cases if all(case.name in side.bundles for side in sides.values())]
    if not chosen:
        raise InputError(
            f"{old} and {new} have no case of {dataset} in common that they have not learned from; expected runs with "
            "the same folds"
        )
    one, other = (sides[key].bundles for key in (OLD, NEW))
    digests = {path: verify_model(path).digest for path in {*one.values(), *other.values()}}
    same = [case.name for case in chosen if digests[one[case.name]] == digests[other[case.name]]]
    if same:
        raise InputError(f"{old} and {new} are the same model (for the case {same[0]}); expected two to compare")
    return chosen, sides


def measure_pairs(
    cases: Sequence[Case],
    sides: Mapping[str, Side],
    *,
    device: str = "auto",
    slack_mm: float | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Iterator[Pair | Failure]:
    """Let both sides outline every case; in the order of bundles, so that each is loaded once.

    Args:
        cases: of `plan_comparison`.
        sides: of `plan_comparison`.
        device: for the networks, which compute in float32.
        slack_mm: of a simulated box around the label that both look inside; None for the whole CT.
        progress: called with "comparing", cases done, and cases in all.
        cancelled: asked between batches; the comparison stops when it returns True.

    Raises:
        ModelError: a model is damaged, or PyTorch is missing.
        RunError: memory ran out.
        Cancelled: ``cancelled`` returned True.
    """
    ordered = sorted(cases, key=lambda case: [str(sides[key].bundles[case.name]) for key in (OLD, NEW)])

    @lru_cache(maxsize=2)
    def load(path: Path) -> Cascade:
        # The reference, so that figures do not depend on the machine.
        return load_model(path, device, "fp32")

    for case in followed(ordered, COMPARING, progress, len(ordered)):
        yield _compared(case, [load(sides[key].bundles[case.name]) for key in (OLD, NEW)], slack_mm, cancelled)


def _compared(
    case: Case, models: Sequence[Cascade], slack_mm: float | None, cancelled: Callable[[], bool] | None
) -> Pair | Failure:
    try:
        volume = read_volume(case.image)
        reference = read_label(case, volume)
        region = None if slack_mm is None else simulated_box(reference, volume, slack_mm, case.name)
        masks = [model.segment(volume, region=region, cancelled=cancelled).mask for model in models]
        return Pair(case.name, voxels_sha256(volume), *(_outlined(mask, reference, volume) for mask in masks))
    except InputError as error:
        return Failure(case.name, str(error))


def _outlined(mask: np.ndarray, reference: np.ndarray, volume: Volume) -> Outlined:
    found = compare(mask, reference, volume)
    return Outlined(found.dsc, found.hd95_mm, float(added_path_length(mask > 0, reference, volume).sum()))


def _side(dataset: Path, cases: Sequence[Case], given: str) -> Side:
    if (Path(given) / RUN).is_file():
        parts, remarks = held_out(Path(given), dataset)
        bundles = {case.name: part.bundle for part in parts for case in part.cases}
        info = verify_model(parts[0].bundle).info
        several = (f"the model of all folds of {given} is not what was measured, but each fold's own",)
        more = several if len(parts) > 1 else ()
        return Side(given, f"{info.id} {info.version}", bundles, (*remarks, *more))
    bundle = verify_model(find_model(given))
    name = f"{bundle.info.id} {bundle.info.version}"
    return Side(given, name, dict.fromkeys([case.name for case in cases], bundle.path))
