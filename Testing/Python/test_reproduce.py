"""The paper's tables: what is trained once, what is measured, and that a killed run goes on."""

from __future__ import annotations

import csv
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import write_dataset, write_preset, write_task
from reproductions import prepared, request_of, write_inputs
from scipy import stats

from GTVAutoSegLib.cascade.load import load_model
from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.evaluation.statistics import compare_systems, summarise
from GTVAutoSegLib.images.read import read_volume
from GTVAutoSegLib.study.reproduce.pages.caption import Caption
from GTVAutoSegLib.study.reproduce.parts import Setup, make_part, plan_parts, shown_recipe
from GTVAutoSegLib.study.reproduce.run import prepare, reproduce, shorten
from GTVAutoSegLib.study.reproduce.scoring.predictions import pack, unpack
from GTVAutoSegLib.study.reproduce.scoring.scores import Pair, mask_of
from GTVAutoSegLib.study.reproduce.split import read_split
from GTVAutoSegLib.study.reproduce.systems import HCF, TABLES
from GTVAutoSegLib.study.reproduce.timing import Speed, epochs_within, makespan, network_of
from GTVAutoSegLib.study.reproduce.training import do_part, is_done
from GTVAutoSegLib.training.presets import load_preset

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Ten phantoms, a task and a preset."""
    return write_inputs(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """A run of table 6 with every file it writes."""
    folder = tmp_path_factory.mktemp("run")
    said: list[str] = []
    assert reproduce(request_of(data, folder, epochs=1, folds=1), said.append) == 0
    return folder, said


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_table_lists_the_papers_rows():
    names = {name: [system.name for system in table().systems] for name, table in TABLES.items()}
    assert len(names["table2"]) == 14
    assert names["table2"][-1] == "HCF"
    assert len(names["table3"]) == 25
    assert len(names["table4"]) == 18
    assert {"w/o SAM and HCF", "w/o SAM", "w/o HCF", "w/o PPM", "HCF"} <= set(names["table5"])
    assert names["table6"] == ["Dice", "CE", "Focal", "Tversky", "Dice + CE", "CR"]
    assert all(len(set(rows)) == len(rows) for rows in names.values())


def few_tumours(setup: Setup) -> Setup:
    """The same with one slice of ten showing tumour, so that every sampling ratio takes other slices."""
    stored = {name: replace(case, abnormal=(True,) + (False,) * 9) for name, case in setup.stored.items()}
    return replace(setup, stored=stored)


def test_all_tables_train_shared_networks_once(data, tmp_path):
    setup = few_tumours(prepared(data, tmp_path / "run"))
    one_by_one = sum(len(plan_parts(setup, [table()])) for table in TABLES.values())
    together = plan_parts(setup, [table() for table in TABLES.values()])
    assert len({part.folder for part in together}) == len(together)
    assert len(together) < one_by_one
    # Table 4 brings nothing that table 2 does not need, with one classifier for all.
    table2 = {part.folder for part in plan_parts(setup, [TABLES["table2"]()])}
    table4 = {part.folder for part in plan_parts(setup, [TABLES["table4"]()])}
    assert table4 < table2
    assert sum(part.recipe.stage == "classifier" for part in together) == 4 * len(setup.folds)


def test_a_training_is_another_when_anything_it_depends_on_is(data, tmp_path):
    setup = few_tumours(prepared(data, tmp_path / "run"))
    fold, other = setup.folds
    recipe = HCF.segmenter
    base = make_part(setup, recipe, fold)
    slower = replace(setup, preset=replace(setup.preset, segmenter=replace(setup.preset.segmenter, learning_rate=1e-4)))
    changed = [
        make_part(setup, recipe, other),
        make_part(setup, replace(recipe, loss="dice"), fold),
        make_part(setup, replace(recipe, theta="4"), fold),
        make_part(setup, replace(recipe, arguments=(("alignment", False),)), fold),
        make_part(slower, recipe, fold),
        make_part(replace(setup, task=setup.task.resized(48, None)), recipe, fold),
        make_part(replace(setup, precision="bf16"), recipe, fold),
    ]
    assert len({part.folder for part in (base, *changed)}) == len(changed) + 1
    # What the task and the preset say anyway makes no other training, nor does where it runs.
    assert make_part(setup, replace(recipe, theta="1", loss="cr"), fold).folder == base.folder
    assert make_part(replace(setup, threads=7, device="auto"), recipe, fold).folder == base.folder


def test_sampling_ratios_that_take_the_same_slices_are_one_training(data, tmp_path):
    setup = prepared(data, tmp_path / "run")  # two of three slices of a phantom show tumour
    fold = setup.folds[0]
    parts = [make_part(setup, replace(HCF.segmenter, theta=theta), fold) for theta in ("0", "1", "2", "4", "n")]
    assert len({part.folder for part in parts}) == 2
    assert {part.recipe.theta for part in parts[1:]} == {"n"}
    assert [shown_recipe(setup, part).split(", ")[1] for part in parts[:2]] == ["theta 0", "theta 1 (= n)"]


def test_test_cases_are_kept_aside_and_the_folder_val_is_the_test_set(data, tmp_path):
    split = read_split(data / "phantoms", None, 0)
    assert (len(split.training), len(split.test)) == (8, 2)
    assert read_split(data / "phantoms", None, 0) == split
    assert read_split(data / "phantoms", None, 1) != split
    write_dataset(tmp_path / "divided/train", 4)
    (tmp_path / "divided/val").mkdir()
    for name in ("patient2", "patient3"):
        (tmp_path / f"divided/train/{name}").rename(tmp_path / f"divided/val/{name}")
    divided = read_split(tmp_path / "divided", None, 0)
    assert [case.name for case in divided.training] == ["patient0", "patient1"]
    assert [case.name for case in divided.test] == ["patient2", "patient3"]
    few = read_split(data / "phantoms", 5, 0)
    assert (len(few.training), len(few.test)) == (4, 1)


def test_figures_are_means_over_cases_and_their_spread_over_folds():
    values = np.array([[0.5, 0.7, math.nan], [0.6, 0.9, 0.9]])
    found = summarise(values)
    assert found.mean == pytest.approx((0.6 + 0.8) / 2)
    assert found.std == pytest.approx(np.std([0.6, 0.8], ddof=1))
    assert found.std_cases == pytest.approx(np.std([0.55, 0.8, 0.9], ddof=1))
    assert (found.undefined, found.total) == (1, 6)
    one = summarise(values[:1])
    assert math.isnan(one.std)
    assert math.isnan(summarise(np.full((2, 2), math.nan)).mean)


def test_differences_are_paired_by_case():
    generator = np.random.default_rng(0)
    theirs = generator.uniform(0.2, 0.9, (3, 40))
    noise = generator.normal(0.05, 0.02, (3, 40))
    found = compare_systems(theirs + noise, theirs)
    cases = noise.mean(axis=0)
    # The interval of a mean of many cases is the textbook's, far narrower than the spread over patients.
    expected = stats.norm.interval(0.95, cases.mean(), cases.std() / math.sqrt(40))
    assert (found.low, found.high) == pytest.approx(expected, abs=3e-4)
    assert found.mean == pytest.approx(cases.mean())
    assert found.p == pytest.approx(stats.wilcoxon(cases).pvalue)
    # With n cases that all differ in one direction the exact two-sided p is 2 / 2^n.
    assert compare_systems(theirs[:1, :6] + [[1, 2, 3, 4, 5, 6]], theirs[:1, :6]).p == pytest.approx(2 / 2**6)
    same = compare_systems(theirs, theirs)
    assert (same.mean, same.low, same.high, same.p) == (0, 0, 0, 1)
    assert compare_systems(np.array([[math.nan]]), np.array([[1.0]])) is None
    # Two patients whose CTs differ, one up and one down by as much: no warning of an undefined statistic.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        even = compare_systems(np.array([[1.0, -1.0, 2.0, -2.0]]), np.zeros((1, 4)), patients="aabb")
    assert (even.patients, even.mean, even.p) == (2, 0, 1)


def test_a_plan_lasts_as_long_as_its_busiest_place():
    assert makespan([3, 2, 2], 1) == 7
    assert makespan([3, 2, 2], 2) == 4
    assert makespan([], 2) == 0


def test_a_budget_gives_every_network_the_same_epochs_or_is_refused(data, tmp_path):
    setup = prepared(data, tmp_path / "run")
    setup = replace(setup, preset=shorten(load_preset("small"), None))
    parts = plan_parts(setup, [TABLES["table6"]()])
    speeds = {network_of(part.recipe): Speed(step=1.0, batch=8, slice=0.01) for part in parts}
    short, long = (epochs_within(seconds, parts, setup, speeds, 2) for seconds in (100, 1000))
    assert 1 <= short < long <= 30
    with pytest.raises(InputError, match=r"less than one epoch for each of 14 networks takes .* raise --budget"):
        epochs_within(1, parts, setup, speeds, 2)
    shortened = shorten(setup.preset, short)
    assert {shortened.classifier.epochs, shortened.segmenter.epochs} == {short}
    assert shortened.segmenter.restart_epochs <= short


def test_the_caption_says_how_the_run_was_scaled_down(data, tmp_path):
    request = request_of(data, tmp_path / "run", epochs=1)
    setup = prepared(data, tmp_path / "run", epochs=1)
    text = Caption(request, request.preset, setup).markdown("table6")
    assert "8 cases to learn from in 5 folds, 2 of them run, 2 test cases, on which nothing was chosen" in text
    assert "All rows stand behind the same classifier, one a fold; CR is HCF." in text
    assert "at most 1 epoch instead of 2 for every network" in text
    assert "32 x 32 pixels, networks of width 4 (paper: 512 x 512, 64)" in text
    assert "phantoms OUT --task task.json --preset tiny" in text and "--folds 2 --epochs 1" in text
    budget = Caption(replace(request, epochs=None, budget_hours=0.5), request.preset, setup)
    assert "(chosen for a budget of 0.5 h)" in budget.short


def test_masks_are_packed_and_unpacked_exactly():
    mask = (np.random.default_rng(0).random((3, 5, 7)) > 0.5).astype(np.uint8)
    assert (unpack(pack(mask)) == mask).all()


def test_a_complete_table_is_written(finished, data):
    folder, said = finished
    rows = rows_of(folder / "table6.csv")
    assert [row["system"] for row in rows] == ["Dice", "CE", "Focal", "Tversky", "Dice + CE", "CR"]
    for row in rows:
        assert row["folds"] == "1"
        assert row["failure"] == ""
        assert 0 <= float(row["dsc_mean"]) <= 1
        assert float(row["training_seconds"]) > 0
        assert float(row["multiply_adds"]) > 0
    assert float(rows[-1]["dsc_minus_hcf"]) == 0
    assert float(rows[0]["paper_lung_dsc_mean"]) == 50.7
    text = (folder / "table6.md").read_text()
    assert "| CR |" in text
    assert "Not complete" not in text
    assert (folder / "table6.png").read_bytes().startswith(b"\x89PNG")
    assert any("estimated time" in line for line in said)
    systems = json.loads((folder / "table6.json").read_text())["systems"]
    assert systems["CR"]["fold_0"]["cases"].keys() == json.loads((folder / "split.json").read_text())["test"].keys()


def test_tables_are_rebuilt_from_what_is_kept_and_nothing_is_trained_again(finished, data, capsys):
    folder, _ = finished
    before = {path: path.stat().st_mtime_ns for path in (folder / "trainings").rglob("*") if path.is_file()}
    table = (folder / "table6.csv").read_text()
    (folder / "table6.csv").unlink()
    said: list[str] = []
    assert reproduce(request_of(data, folder, epochs=1, folds=1), said.append, report_only=True) == 0
    assert (folder / "table6.csv").read_text() == table
    assert before == {path: path.stat().st_mtime_ns for path in (folder / "trainings").rglob("*") if path.is_file()}


def test_a_systems_masks_are_those_of_the_cascade(finished, data, tmp_path):
    """Networks see stored slices, whose grey values are rounded to bytes: pixels at the very edge may differ."""
    from bundles import write_description

    folder, _ = finished
    setup = prepared(data, folder, epochs=1, folds=1)
    fold = setup.folds[0]
    parts = {recipe.stage: make_part(setup, recipe, fold) for recipe in HCF.recipes}
    bundle = tmp_path / "model"
    bundle.mkdir()
    for stage, part in parts.items():
        (bundle / f"{stage}.safetensors").write_bytes((part.folder / "weights.safetensors").read_bytes())
    write_description(bundle, size=32, arguments={"in_channels": 1, "width": 4})
    model = load_model(bundle, "cpu")
    mask = mask_of(Pair(parts["segmenter"], parts["classifier"]), setup)
    for name in setup.test:
        volume = read_volume(setup.cases[name].image)
        expected = volume.axial.of(model.segment(volume, threshold=mask.threshold).mask)
        found, _ = mask.read(name, setup.task.postprocessing)
        assert found.shape == expected.shape
        assert (found != expected).mean() < 0.002
        assert expected.any()


def test_a_system_that_fails_is_in_the_table_and_stops_no_other(finished, data, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished[0], folder)
    setup = prepared(data, folder, epochs=1, folds=1)
    broken = make_part(setup, TABLES["table6"]().systems[0].segmenter, setup.folds[0])
    (broken.folder / "figures.json").unlink()
    (broken.folder / "state.pt").write_bytes(b"no training")
    Pair(broken, make_part(setup, HCF.classifier, setup.folds[0])).path(setup).unlink()
    assert reproduce(request_of(data, folder, epochs=1, folds=1), lambda text: None) == 1
    dice, *others = rows_of(folder / "table6.csv")
    assert dice["folds"] == "0"
    assert "is damaged" in dice["failure"]
    assert all(row["folds"] == "1" for row in others)
    assert re.search(r"Not complete:\n\n- Dice: .*state.pt is damaged", (folder / "table6.md").read_text())


def test_a_killed_run_goes_on_where_it_stood(data, tmp_path):
    write_preset(tmp_path / "long.json", epochs=20, patience=20)
    options = ["reproduce", "table6", data / "phantoms", tmp_path / "run", "--task", data / "task.json"]
    options += ["--preset", tmp_path / "long.json", "--folds", "1", "--device", "cpu", "--store", data / "slices"]
    command = [sys.executable, "-m", "GTVAutoSegLib", *map(str, options)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            logs = wait_for(lambda: ended(process) or list((tmp_path / "run").glob("trainings/*/log.jsonl")))
            first = logs[0]
            wait_for(lambda: ended(process) or len(first.read_text().splitlines()) >= 3)
        finally:
            process.send_signal(signal.SIGKILL)
    # Its child ends with it: nothing is written any more.
    time.sleep(1)
    kept = first.read_text().splitlines()
    time.sleep(1)
    assert first.read_text().splitlines() == kept
    assert len(kept) < 20
    state = torch.load(first.parent / "state.pt", weights_only=True)
    assert len(state["history"]) - len(kept) in (0, 1)

    setup = prepared(data, tmp_path / "run", preset=load_preset(str(tmp_path / "long.json")), folds=1)
    part = next(part for part in plan_parts(setup, [TABLES["table6"]()]) if part.folder == first.parent)
    assert do_part(setup, part) == ""
    assert is_done(part)
    log = first.read_text().splitlines()
    assert len(log) == 20
    assert log[: len(kept)] == kept  # times included: nothing that was finished is trained again


def ended(process: subprocess.Popen) -> bool:
    assert process.poll() is None, process.returncode
    return False


def wait_for(condition, seconds: float = 300):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise TimeoutError


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--folds", "9"], r"--folds is 9; expected 1 to 5"),
        (["--cases", "2"], r"gives 1 case to learn from and 1 to test on; expected at least two and one"),
        (["--folds", "none"], r"'none' is not a whole number from 1 upwards"),
        (["--budget", "-1"], r"'-1' is not a number of hours above 0"),
        (["--epochs", "1", "--budget", "1"], r"not allowed with argument"),
        (["--report-only"], r"holds no system that is finished with these options"),
        (["--task", "brain"], r"task 'brain' does not exist"),
        (["--preset", "huge"], r"preset 'huge' does not exist"),
    ],
)
def test_bad_options_are_one_sentence(options, sentence, data, tmp_path, capsys):
    base = ["reproduce", "table6", str(data / "phantoms"), str(tmp_path / "run"), "--store", str(data / "slices")]
    task = [] if "--task" in options else ["--task", str(write_task(tmp_path / "task.json"))]
    preset = [] if "--preset" in options else ["--preset", str(write_preset(tmp_path / "preset.json"))]
    try:
        code = main([*base, *task, *preset, *options])
    except SystemExit as end:
        code = end.code
    assert code == 2
    error = capsys.readouterr().err
    assert re.search(sentence, error), error
    assert "Traceback" not in error


def test_the_task_has_to_be_known(data, tmp_path, capsys):
    assert main(["reproduce", "table6", str(data / "phantoms"), str(tmp_path / "run")]) == 2
    assert "no task is named like the data set's folder (phantoms)" in capsys.readouterr().err
    assert main(["reproduce", "table6", str(tmp_path / "nothing"), str(tmp_path / "run")]) == 2
    assert "is not a folder; expected a data set" in capsys.readouterr().err


def test_a_folder_of_another_split_is_refused(finished, data):
    folder, _ = finished
    with pytest.raises(InputError, match=r"belongs to other cases or another seed \(split.json differs\)"):
        prepare(request_of(data, folder, cases=6), lambda text: None)
