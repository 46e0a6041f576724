"""``python -m GTVAutoSegLib.study.taught MODEL DATASET ... [--runs RUN ...]``: which CTs a model has learned from.

For models of runs that are older than this record: `TrainingData.voxels_sha256` is computed from the CTs and written
into ``model.json``; weights stay as they are. That these are all of its CTs (`TrainingData.every_ct`) is written only
where the runs that made it show it: every case that taught in them is one of the data sets', image and label the same.
Runs are the model's own and those of the models that it began with, one after another.
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


def taught_by(run: Path) -> dict[str, str]:
    """Content of image and label of each case that taught a network of a run, by its name.

    Raises:
        InputError: the folder is no run.
    """
    configuration = read_configuration(run)
    names: set[str] = set()
    for fold, validation in configuration.folds.items():
        names |= set(configuration.training.get(fold, configuration.cases.keys() - set(validation)))
    return {name: configuration.cases[name] for name in sorted(names)}


def told(data: TrainingData, cases: Sequence[Case], runs: Iterable[Path]) -> TrainingData:
    """The training data with what its CTs are known by.

    Args:
        data: of the model.
        cases: that taught it.
        runs: all that made it, or none where nobody has them: then nobody knows whether these are all.

    Raises:
        InputError: a run learned from another case, or the runs did not learn from one of these.
    """
    runs = list(runs)
    contents = {content_of(case): case for case in cases} if runs else {}
    used: set[str] = set()
    for run in runs:
        for name, content in taught_by(run).items():
            if content not in contents:
                raise InputError(f"{run} learned from the case {name}, which is in none of the data sets; name its set")
            used.add(content)
    idle = [case for content, case in contents.items() if content not in used]
    if idle:
        raise InputError(f"no run learned from {idle[0].image}; give the data sets that taught, and no others")
    known = {voxels_sha256(read_volume(case.image)) for case in cases}
    return replace(data, voxels_sha256=tuple(sorted(known)), every_ct=bool(runs))


def main(arguments: Sequence[str] | None = None) -> None:
    """Compute and write it."""
    parser = argparse.ArgumentParser(prog="python -m GTVAutoSegLib.study.taught", description=__doc__)
    parser.add_argument("model", metavar="MODEL", help="id, or path of a bundle's folder")
    parser.add_argument("datasets", metavar="DATASET", type=Path, nargs="+", help="folders of the cases that taught it")
    parser.add_argument("--runs", metavar="RUN", type=Path, nargs="+", default=[], help="all runs that made the model")
    options = parser.parse_args(arguments)
    check_recordable(options.model)
    cases = [case for dataset in options.datasets for case in find_cases(dataset)]
    data = told(read_bundle(options.model).info.training_data, cases, options.runs)
    path = record(options.model, "training_data", as_json(data))
    which = "all that it learned from" if data.every_ct else "perhaps not all that it learned from"
    print(f"{len(data.voxels_sha256)} CTs, {which}; written: {path}")


if __name__ == "__main__":
    main()
