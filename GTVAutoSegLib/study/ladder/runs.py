"""Training and measuring the rungs, by the same commands that a person would give; what is done is not done again."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import InputError, RunError
from ...evaluation.report import cases_csv
from ...model.stages import CascadeStage
from ...system.files import make_folder, whole_folder, write_json, write_text
from ...system.json_text import read_json
from .plan import FLIPS, FOLDS, JOINT, TRAINED, Z_HEAD, Ladder, Rung, settings_of

CASES, COST = "cases.csv", "cost.json"
Command = Callable[[Sequence[str]], None]


@dataclass(frozen=True)
class Workplace:
    """Where a ladder is made.

    Attributes:
        ladder: its rungs.
        data: folder of the data sets.
        output: a folder for each rung lands here.
        encoder_weights: what encoders begin with in rungs that ask for it.
        command: runs ``gtvautoseg`` with arguments.
    """

    ladder: Ladder
    data: Path
    output: Path
    encoder_weights: Path | None
    command: Command

    def folder(self, rung: Rung, site: str, seed: int) -> Path:
        """Where a rung's model, measurements and cost of a data set and seed are."""
        return self.output / rung.name / f"{site}-{seed}"

    def cases(self, rung: Rung, site: str, seed: int) -> Path:
        """The measurements of a rung."""
        return self.folder(rung, site, seed) / CASES


def gtvautoseg(arguments: Sequence[str]) -> None:
    """Run the command in a process of its own.

    Raises:
        RunError: it failed.
    """
    done = subprocess.run([sys.executable, "-m", "GTVAutoSegLib", *arguments], check=False)
    if done.returncode != 0:
        command = f"gtvautoseg {' '.join(arguments)}"
        raise RunError(f"'{command}' ended with {done.returncode}; mend what it says above, and begin again")


def climb(place: Workplace, rung: Rung, kept: Sequence[Rung]) -> None:
    """Make and measure one rung on every data set and with every seed of its.

    Args:
        place: where.
        rung: the one.
        kept: the rungs below whose changes it has, in order.

    Raises:
        InputError: it asks for what is not there.
        RunError: a training or an evaluation failed.
    """
    for seed in place.ladder.seeds_of(rung):
        for site in place.ladder.sites:
            if not place.cases(rung, site, seed).exists():
                _make(place, rung, rungs=[*kept, rung], site=site, seed=seed)


def _make(place: Workplace, rung: Rung, rungs: Sequence[Rung], site: str, seed: int) -> None:
    folder = place.folder(rung, site, seed)
    make_folder(folder)
    seconds = 0.0
    if rung.way == FLIPS:
        model = _mirrored(place, rungs, site, seed)
    elif rung.way == Z_HEAD:
        model = model_of(place, rungs, site, seed)
    else:
        model, seconds = _trained(place, rungs, site, seed)
    started = time.monotonic()
    cases = _with_head(place, model, site, seed) if rung.way == Z_HEAD else _measured(place, model, folder, site)
    cost = {
        "train_seconds": round(seconds, 1),
        "evaluate_seconds": round(time.monotonic() - started, 1),
        "megabytes": round(sum(file.stat().st_size for file in model.rglob("*") if file.is_file()) / 1e6, 2),
    }
    write_json(folder / COST, cost)
    # Last: what has its cases is done.
    write_text(folder / CASES, cases)


def _measured(place: Workplace, model: Path, folder: Path, site: str) -> str:
    boxes = [f"{slack:g}" for slack in place.ladder.boxes]
    dataset, output = place.data / site / "val", folder / "evaluation"
    place.command(["evaluate", str(dataset), "--model", str(model), "--box", *boxes, "--output", str(output)])
    return (output / CASES).read_text(encoding="utf-8")


def _with_head(place: Workplace, model: Path, site: str, seed: int) -> str:
    """Train a head along z and measure with it; its seconds are all counted as the evaluation's."""
    from .z_head import measure_head

    store = place.output / "slices" / site
    return cases_csv(measure_head(model, place.data / site, store=store, slacks=place.ladder.boxes, seed=seed))


def _trained(place: Workplace, rungs: Sequence[Rung], site: str, seed: int) -> tuple[Path, float]:
    """Train a rung's networks, or take those that are trained; returns model and seconds."""
    rung, ladder = rungs[-1], place.ladder
    joint = any(one.way == JOINT for one in rungs)
    settings = ladder.joint if joint else ladder.sites[site]
    folder = place.folder(rung, JOINT if joint else site, seed)
    run = folder / "run"
    task, preset = settings_of(ladder, settings, rungs, seed)
    make_folder(folder)
    for name, value in (("task", task), ("preset", preset)):
        write_json(folder / f"{name}.json", value)
    dataset = _joined(place) if joint else place.data / site
    if rung.way == FOLDS:
        dataset = dataset / "train"
    weights: list[str] = []
    if any(one.encoder_weights for one in rungs):
        if place.encoder_weights is None:
            raise InputError(f"rung '{rung.name}' begins with photographs; give --encoder-weights FILE")
        weights = ["--encoder-weights", str(place.encoder_weights)]
    store = place.output / "slices" / (JOINT if joint else site)
    files = (str(folder / "task.json"), str(dataset), str(run), "--preset", str(folder / "preset.json"))
    numbers = ("--device", "cpu", "--precision", "bf16", "--store", str(store), "--resume")
    place.command(["train", *files, *numbers, *weights])
    return run / task["id"], sum(_seconds(log) for log in run.rglob("log.jsonl"))


def _seconds(log: Path) -> float:
    """What a training takes: its fastest epoch as often as there are epochs, since other work may run beside it."""
    seconds = [float(json.loads(line)["seconds"]) for line in log.read_text(encoding="utf-8").splitlines()]
    return min(seconds) * len(seconds)


def model_of(place: Workplace, rungs: Sequence[Rung], site: str, seed: int) -> Path:
    """The model of the last rung in a list that trained one."""
    trained = [rung for rung in rungs if rung.way in TRAINED]
    joint = any(one.way == JOINT for one in trained)
    folder = place.folder(trained[-1], JOINT if joint else site, seed)
    return folder / "run" / str(read_json(folder / "task.json")["id"])


def _mirrored(place: Workplace, rungs: Sequence[Rung], site: str, seed: int) -> Path:
    """The model of the rung below, which also sees its slices mirrored."""
    source = model_of(place, rungs, site, seed)
    target = place.folder(rungs[-1], site, seed) / source.name
    if not target.exists():
        with whole_folder(target, "free space on the disk") as part:
            for file in source.iterdir():
                shutil.copy2(file, part / file.name)
            info: dict[str, Any] = read_json(part / "model.json")
            for stage in map(str, CascadeStage):
                info[stage]["flips"] = True
            write_json(part / "model.json", info)
    return target


def _joined(place: Workplace) -> Path:
    """A data set of links to the cases of all data sets."""
    joined = place.output / "joint-data"
    for site in place.ladder.sites:
        for split in ("train", "val"):
            make_folder(joined / split)
            for case in sorted((place.data / site / split).iterdir()):
                link = joined / split / case.name
                if case.is_dir() and not link.is_symlink():
                    link.symlink_to(case.resolve(), target_is_directory=True)
    return joined
