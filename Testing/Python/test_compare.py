"""A new model against the present one, on cases that the new one has not learned from."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from bundles import make_bundle
from datasets import watched, write_dataset, write_preset, write_task

from GTVAutoSegLib.cascade.load import load_model
from GTVAutoSegLib.cascade.person import simulated_box
from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.errors import Cancelled, DiskError
from GTVAutoSegLib.evaluation import comparison
from GTVAutoSegLib.evaluation.verdict import NOTHING
from GTVAutoSegLib.images.metrics import added_path_length, compare
from GTVAutoSegLib.images.read import read_volume


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data") / "ward", 4)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory) -> Path:
    """Four folds of one case."""
    folder = tmp_path_factory.mktemp("run")
    task, preset = write_task(folder / "task.json", version="1.1.0"), write_preset(folder / "preset.json", epochs=1)
    arguments = ["train", task, data, folder / "run", "--preset", preset, "--device", "cpu"]
    assert main([str(argument) for argument in arguments]) == 0
    return folder / "run"


@pytest.fixture(scope="module")
def present(tmp_path_factory) -> Path:
    """Finds tumour everywhere, and tells nothing of its training."""
    return make_bundle(tmp_path_factory.mktemp("models") / "phantom", size=32, bias=9.0)


def compared(data: Path, old: Path, new: Path, out: Path, *options: str) -> int:
    return main(["compare", str(data), str(old), str(new), "--output", str(out), "--device", "cpu", *options])


def test_every_case_is_outlined_by_the_fold_that_did_not_learn_from_it(data, run, present, tmp_path, capsys):
    assert compared(data, present, run, tmp_path) == 0
    found = json.loads((tmp_path / "comparison.json").read_text())
    assert [case["case"] for case in found["cases"]] == [f"patient{n}" for n in range(4)]
    assert found["learned"] == {"old": "unknown", "new": "none"}
    assert any(text.endswith("is not what was measured, but each fold's own") for text in found["remarks"])
    # As `evaluate` measures the same folds.
    assert main(["evaluate", str(data), "--run", str(run), "--output", str(tmp_path / "e"), "--device", "cpu"]) == 0
    rows = list(csv.DictReader((tmp_path / "e" / "cases.csv").read_text().splitlines()))
    ours = {row["case"]: float(row["dsc"]) for row in rows if row["variant"] == "cascade"}
    assert {case["case"]: pytest.approx(case["new"]["dsc"], abs=1e-5) for case in found["cases"]} == ours
    assert found["models"]["new"]["name"] == "phantom 1.1.0" and len(found["models"]["new"]["bundles"]) == 4
    assert "The old model, phantom 1.0.0, does not tell which CTs it has learned from" in capsys.readouterr().out
    rows = list(csv.DictReader((tmp_path / "comparison.csv").read_text().splitlines()))
    assert float(rows[0]["dsc_old"]) == pytest.approx(found["cases"][0]["old"]["dsc"], abs=1e-5)
    page = (tmp_path / "comparison.html").read_text()
    assert found["sentence"] in page and "patient3" in page and not re.search(r"(?:src|href)=\"(?!data:)", page)


def test_a_new_model_on_its_own_cases_shows_nothing(data, run, present, tmp_path, capsys):
    assert compared(data, present, run / "phantom", tmp_path) == 0
    found = json.loads((tmp_path / "comparison.json").read_text())
    assert found["learned"]["new"] == "all" and found["verdict"] == NOTHING
    assert found["sentence"].startswith("Nothing is shown: the new model has learned from cases it was measured on")
    assert found["cases"][2]["learned"] == ["new"]


def test_of_a_run_with_one_finished_fold_its_cases_are_compared(data, run, present, tmp_path, capsys):
    one = shutil.copytree(run, tmp_path / "run")
    for number in (0, 2, 3):
        shutil.rmtree(one / f"fold_{number}" / "phantom")
    assert compared(data, present, one, tmp_path / "out") == 0
    (case,) = json.loads((tmp_path / "out" / "comparison.json").read_text())["cases"]
    assert [case["case"]] == json.loads((run / "folds.json").read_text())["folds"][1]
    assert "and it takes at least 6 patients to show one" in capsys.readouterr().out


def test_runs_whose_finished_folds_share_no_case_are_refused(data, run, tmp_path, capsys):
    for number in range(2):
        one = shutil.copytree(run, tmp_path / f"run{number}")
        for other in {0, 1, 2, 3} - {number}:
            shutil.rmtree(one / f"fold_{other}" / "phantom")
    assert compared(data, tmp_path / "run0", tmp_path / "run1", tmp_path / "out") == 2
    assert "have no case of" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_sides_of_one_name_and_version_are_told_apart_by_what_was_given(data, run):
    _, sides = comparison.plan_comparison(data, str(run / "fold_0" / "phantom"), str(run / "fold_1" / "phantom"))
    names = [side.name for side in sides.values()]
    assert names == [f"phantom 1.1.0 ({run / f'fold_{number}' / 'phantom'})" for number in range(2)]


def test_both_are_computed_in_the_reference_precision(data, run, present, tmp_path, monkeypatch):
    asked = []
    load = comparison.load_model
    monkeypatch.setattr(comparison, "load_model", lambda *given: (asked.append(given[1:]), load(*given))[1])
    assert compared(data, present, run / "phantom", tmp_path) == 0
    assert asked == [("cpu", "fp32")] * 2


def test_no_volume_of_a_case_is_held_while_the_next_is_read(data, run, present, monkeypatch):
    held = watched(monkeypatch, comparison)
    cases, sides = comparison.plan_comparison(data, str(present), str(run))
    assert len(list(comparison.measure_pairs(cases, sides, device="cpu"))) == 4
    assert held == [0] * 4


def test_the_same_model_twice_and_a_wrong_box_are_refused(data, run, present, tmp_path, capsys):
    assert compared(data, present, present, tmp_path) == 2
    assert "are the same model (for the case patient0)" in capsys.readouterr().err
    assert compared(data, run / "fold_0" / "phantom", run, tmp_path) == 2
    assert "are the same model (for the case" in capsys.readouterr().err
    for box in ("-1", "1000"):
        assert compared(data, present, run, tmp_path, "--box", box) == 2
        assert f"--box is {box}; expected mm from 0 to 1000" in capsys.readouterr().err
    assert compared(data, present, run, data) == 2
    assert "is the data set itself" in capsys.readouterr().err


def test_a_case_that_cannot_be_measured_is_named_and_the_others_are_compared(data, run, present, tmp_path, capsys):
    ours = shutil.copytree(data, tmp_path / "ward")
    (ours / "patient2" / "data.nii.gz").write_bytes(b"short")
    assert compared(ours, present, run / "phantom", tmp_path / "out", "--box", "10") == 1
    assert "failed: patient2: " in capsys.readouterr().err
    found = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert found["failed"] == ["patient2"] and len(found["cases"]) == 3


def test_a_program_follows_it_and_stops_it(data, run, present, tmp_path, monkeypatch):
    events: list[dict] = []
    monkeypatch.setattr("GTVAutoSegLib.commands.learning.following.claim_standard_output", lambda: events.append)
    assert compared(data, present, run, tmp_path / "out", "--progress", "json") == 0
    assert [one["done"] for one in events[:-1]] == [1, 2, 3, 4] and events[0]["stage"] == "comparing"
    assert Path(events[-1]["report"]).is_file() and events[-1]["verdict"] == NOTHING
    (tmp_path / "stop").touch()
    stopped = ("--progress", "json", "--cancel-file", str(tmp_path / "stop"))
    assert compared(data, present, run, tmp_path / "other", *stopped) == Cancelled.exit_code
    assert events[-1]["code"] == "cancelled" and list((tmp_path / "other").iterdir()) == []


def test_both_look_inside_the_box_and_what_is_drawn_anew_is_the_references(data, run, present, tmp_path):
    found = {}
    for box in ((), ("--box", "5")):
        out = tmp_path / f"out{len(box)}"
        assert compared(data, present, run, out, *box) == 0
        found[len(box)] = [case["old"] for case in json.loads((out / "comparison.json").read_text())["cases"]]
    for number, (whole, boxed) in enumerate(zip(found[0], found[2])):
        volume = read_volume(data / f"patient{number}" / "data.nii.gz")
        reference = read_volume(data / f"patient{number}" / "label.nii.gz").array > 0
        region = simulated_box(reference, volume, 5, f"patient{number}")
        mask = load_model(present, "cpu", "fp32").segment(volume, region=region).mask
        assert boxed["dsc"] == pytest.approx(compare(mask, reference, volume).dsc, abs=1e-5)
        assert boxed["dsc"] > whole["dsc"]
        # It outlines all of the CT, whose border is nowhere the tumour's: all of the reference has to be drawn.
        drawn = added_path_length(np.zeros_like(reference), reference, volume).sum()
        assert whole["added_path_length_mm"] == pytest.approx(drawn, abs=1e-3)


def test_the_command_knows_whose_cases_are(data, run, present, tmp_path):
    names = [f"patient{number}" for number in range(4)]
    patients = data / "patients.json"
    patients.write_text(json.dumps(dict.fromkeys(names[:2], "one")))
    try:
        assert compared(data, present, run, tmp_path) == 0
    finally:
        patients.unlink()
    assert json.loads((tmp_path / "comparison.json").read_text())["metrics"]["dsc"]["patients"] == 3


def test_a_data_set_that_brings_train_and_val_is_compared_too(present, tmp_path):
    for part in ("train", "val"):
        write_dataset(tmp_path / "ward" / part, 1)
    (tmp_path / "ward" / "val" / "patient0").rename(tmp_path / "ward" / "val" / "other")
    assert compared(tmp_path / "ward", present, make_bundle(tmp_path / "phantom", size=32), tmp_path / "out") == 0


def test_a_damaged_list_of_patients_is_said_before_anything_is_measured(present, tmp_path, capsys):
    write_dataset(tmp_path / "ward", 2)
    (tmp_path / "ward" / "patients.json").write_text("{")
    assert compared(tmp_path / "ward", present, make_bundle(tmp_path / "phantom", size=32), tmp_path / "out") == 2
    assert "patients.json cannot be read" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_where_the_figures_are_the_page_is(data, present, tmp_path, monkeypatch):
    """Slicer takes a comparison for made when its figures are there."""
    from GTVAutoSegLib.system import files

    real = files.write_text

    def full(path, text):
        if path.suffix == ".html":
            raise DiskError(f"{path} could not be written")
        real(path, text)

    monkeypatch.setattr(files, "write_text", full)
    assert compared(data, present, make_bundle(tmp_path / "phantom", size=32), tmp_path / "out") == DiskError.exit_code
    assert not (tmp_path / "out" / "comparison.json").exists()
