"""``python -m GTVAutoSegLib.study.taught MODEL DATASET ... [--runs RUN ...]``: which CTs a model has learned from.

For models of runs that are older than this record: `TrainingData.voxels_sha256` and `chosen_on` are computed from the
CTs and written into ``model.json``; weights stay as they are. That these are all of its CTs (`every_ct`) is written
only where the runs that made it show it: every case of them is one of the data sets', image and label the same. Runs
are the model's own and those of the models that it began with, one after another. Without runs all cases count as
cases that taught.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from ..errors import InputError
from ..images.read import read_volume
from ..model.bundle import read_bundle
from ..model.info import TrainingData
from ..model.store import check_recordable, record
from ..system.settings import as_json
from ..training.configuration import read_configuration
from ..training.data.dataset import Case, find_cases
from ..training.data.imports.voxels import voxels_sha256
from ..training.data.slice_store import content_of


def used_by(run: Path) -> tuple[dict[str, str], dict[str, str]]:
    """The cases that taught a network of a run, and those that validated one: image and label's content, by name.

    Raises:
        InputError: the folder is no run.
    """
    configuration = read_configuration(run)
    taught: set[str] = set()
    chosen: set[str] = set()
    for fold, validation in configuration.folds.items():
        taught |= set(configuration.training.get(fold, configuration.cases.keys() - set(validation)))
        chosen |= set(validation)
    by_name = configuration.cases
    return {name: by_name[name] for name in sorted(taught)}, {name: by_name[name] for name in sorted(chosen)}


def told(data: TrainingData, cases: Sequence[Case], runs: Iterable[Path]) -> TrainingData:
    """The training data with what its CTs are known by.

    Args:
        data: of the model.
        cases: that taught it or validated it; without runs, those that taught it.
        runs: all that made it, or none where nobody has them: then nobody knows whether these are all.

    Raises:
        InputError: a run used another case, or no run used one of these.
    """
    contents = {content_of(case): case for case in cases}
    taught: set[str] = set()
    chosen: set[str] = set()
    runs = list(runs)
    for run in runs:
        for into, found in zip((taught, chosen), used_by(run)):
            for name, content in found.items():
                if content not in contents:
                    raise InputError(f"{run} used the case {name}, which is in none of the data sets; name its set")
                into.add(content)
    idle = [case for content, case in contents.items() if content not in taught | chosen]
    if runs and idle:
        raise InputError(f"no run used {idle[0].image}; give the data sets of the runs, and no others")
    voxels = {content: voxels_sha256(read_volume(case.image)) for content, case in contents.items()}
    known = {voxels[content] for content in (taught if runs else contents)}
    held_out = {voxels[content] for content in chosen} - known
    return replace(data, voxels_sha256=tuple(sorted(known)), chosen_on=tuple(sorted(held_out)), every_ct=bool(runs))


def main(arguments: Sequence[str] | None = None) -> None:
    """Compute and write it."""
    parser = argparse.ArgumentParser(prog="python -m GTVAutoSegLib.study.taught", description=__doc__)
    parser.add_argument("model", metavar="MODEL", help="id, or path of a bundle's folder")
    parser.add_argument(
        "datasets", metavar="DATASET", type=Path, nargs="+", help="folders of the cases that taught and validated it"
    )
    parser.add_argument("--runs", metavar="RUN", type=Path, nargs="+", default=[], help="all runs that made the model")
    options = parser.parse_args(arguments)
    check_recordable(options.model)
    cases = [case for dataset in options.datasets for case in find_cases(dataset)]
    data = told(read_bundle(options.model).info.training_data, cases, options.runs)
    path = record(options.model, "training_data", as_json(data))
    which = "all that it learned from" if data.every_ct else "perhaps not all that it learned from"
    print(f"{len(data.voxels_sha256)} CTs, {which}; chosen on {len(data.chosen_on)} others; written: {path}")


if __name__ == "__main__":
    main()
