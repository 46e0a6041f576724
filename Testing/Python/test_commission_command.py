"""Commissioning: what the command measures, and what it refuses."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from bundles import make_bundle, make_completer
from commissions import read, run
from datasets import save, write_case, write_dataset

from GTVAutoSegLib.cascade.completion.complete import complete
from GTVAutoSegLib.cascade.completion.completer import load_completer
from GTVAutoSegLib.cascade.person import inside
from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.images.metrics import compare
from GTVAutoSegLib.images.read import read_volume
from GTVAutoSegLib.system.lock import locked


def test_several_processes_find_the_same(filed, clinic, everywhere, tmp_path):
    assert run(clinic, "--model", everywhere, "--output", tmp_path / "out", "--workers", 2) == 1

    one, two = read(filed), read(tmp_path / "out")
    for cases in (one["cases"], two["cases"]):
        for figures in cases:
            figures.pop("seconds")
    assert one["cases"] == two["cases"] and one["judgements"] == two["judgements"]
    assert one["data"] == two["data"]


def test_a_model_for_boxes_looks_inside_simulated_ones(tmp_path, clinic):
    crops = {"margin_mm": 5.0, "slack_mm": [1.0, 20.0], "shown_mm": 20.0}
    boxed = make_bundle(
        tmp_path / "boxed", size=32, bias=50.0, in_channels=3,
        preprocessing={"window": [-160, 240], "size": 32, "crops": crops},
    )  # fmt: skip

    assert run(clinic, "--model", boxed, "--output", tmp_path / "out") == 1

    content = read(tmp_path / "out")
    assert content["subject"]["boxes"] == [20.0, 10.0, 40.0]
    assert all(set(one["dsc_by_box"]) == {"20", "10", "40"} for one in content["cases"])
    assert all(one["dsc_by_box"]["20"] == one["dsc"] for one in content["cases"])
    assert content["cases"][0]["dsc_by_box"]["10"] > content["cases"][0]["dsc_by_box"]["40"]
    assert "By how the box is drawn" in (tmp_path / "out" / "commission.html").read_text()


def test_what_a_person_and_a_completer_make_together_is_measured_on_the_slices_between(tmp_path, capsys):
    root = write_dataset(tmp_path / "set", 2, slices=24)
    completer = make_completer(tmp_path / "completer")

    found = run(root, "--drawn", 3, "--completer", completer, "--output", tmp_path / "out")

    assert found == 1
    content = read(tmp_path / "out")
    assert content["subject"]["drawn"] == 3 and content["subject"]["model"]["id"] == "completer"
    for one in content["cases"]:
        volume = read_volume(root / one["case"] / "data.nii.gz")
        label = read_volume(root / one["case"] / "label.nii.gz").array > 0
        slices = np.flatnonzero(label.any(axis=(1, 2)))
        drawn = inside(int(slices[0]), int(slices[-1]), 3)
        whole = complete(
            volume, label, drawn=drawn, first=int(slices[0]), last=int(slices[-1]),
            completer=load_completer(completer, "cpu"),
        ).mask > 0  # fmt: skip
        label[drawn] = whole[drawn] = False
        assert one["slices"] == len(slices) - 3
        assert one["dsc"] == pytest.approx(compare(whole, label, volume).dsc, abs=1e-5)
    assert "draws the reference on 3 between" in (tmp_path / "out" / "commission.html").read_text()

    assert (
        run(root, "--drawn", 2, "--completer", completer, "--output", tmp_path / "b", "--against", tmp_path / "out")
        == 2
    )
    assert "is with 3 drawn slices, and this one with 2" in capsys.readouterr().err
    assert run(root, "--drawn", 99, "--completer", completer, "--output", tmp_path / "c") == 2
    assert "expected some that are and some that are not" in capsys.readouterr().err


def test_a_case_without_a_tumour_counts_only_as_a_false_one(tmp_path, everywhere):
    write_case(tmp_path / "set" / "ill", 0)
    write_case(tmp_path / "set" / "normal", 1, tumour=False)

    assert run(tmp_path / "set", "--model", everywhere, "--output", tmp_path / "out") == 1

    content = read(tmp_path / "out")
    found = {one["key"]: one["found"] for one in content["judgements"]}
    assert found["false_tumours_at_most"] == 1 and found["patients_at_least"] == 1
    assert found["dsc_mean_at_least"] == pytest.approx(content["cases"][0]["dsc"])


def test_a_ct_that_is_there_twice_is_no_second_patient(tmp_path, everywhere):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_case(tmp_path / "set" / name, seed)

    assert run(tmp_path / "set", "--model", everywhere, "--output", tmp_path / "out") == 1

    content = read(tmp_path / "out")
    assert [one["case"] for one in content["cases"]] == ["a", "c"]
    assert [(one["case"], "b and a hold the same CT" in one["reason"]) for one in content["failed"]] == [("b", True)]
    found = {one["key"]: one["found"] for one in content["judgements"]}
    assert found["patients_at_least"] == 2 and found["cases_failed_at_most"] == 1


def test_a_case_that_cannot_be_read_fails_by_name_and_is_not_passed_over(tmp_path, clinic, everywhere):
    broken = shutil.copytree(clinic, tmp_path / "set")
    save(np.zeros((6, 40, 43), np.uint8), broken / "patient1" / "label.nii.gz")

    assert run(broken, "--model", everywhere, "--output", tmp_path / "out") == 1

    content = read(tmp_path / "out")
    assert [one["case"] for one in content["failed"]] == ["patient1"] and len(content["cases"]) == 2
    page = (tmp_path / "out" / "commission.html").read_text()
    assert "patient1 could not be measured: label.nii.gz lies on another grid than data.nii.gz" in page
    assert str(tmp_path) not in page + (tmp_path / "out" / "commission.json").read_text()


@pytest.mark.parametrize("what", ["none", "empty", "no tumour", "no label"])
def test_a_data_set_without_a_usable_case_is_a_sentence(tmp_path, everywhere, capsys, what):
    root = tmp_path / "set"
    if what != "none":
        root.mkdir()
    if what in ("no tumour", "no label"):
        write_case(root / "normal", 0, tumour=False)
    if what == "no label":
        (root / "normal" / "label.nii.gz").unlink()

    assert run(root, "--model", everywhere, "--output", tmp_path / "out") == 2

    said = capsys.readouterr().err
    expected = {
        "none": "is not a folder",
        "empty": "holds no case",
        "no tumour": "has 1 label and no tumour in any",
        "no label": "has data but no label",
    }
    assert expected[what] in said and said.count("\n") == 1
    assert not (tmp_path / "out" / "commission.json").exists()


def test_a_damaged_model_is_told_before_a_case_is_read(tmp_path, clinic, everywhere, capsys):
    damaged = shutil.copytree(everywhere, tmp_path / "damaged")
    weights = damaged / "segmenter.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")

    assert run(clinic, "--model", damaged, "--output", tmp_path / "out") == 3
    assert "the file is damaged or was changed" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_device_that_is_not_there_is_told_before_a_case_is_read(tmp_path, clinic, everywhere, monkeypatch, capsys):
    monkeypatch.setattr("GTVAutoSegLib.evaluation.commission.run.in_order", None)
    arguments = [str(clinic), "--model", str(everywhere), "--output", str(tmp_path / "out"), "--device", "cuda:99"]

    assert main(["commission", *arguments]) == 2
    said = capsys.readouterr().err
    assert "cuda" in said and said.count("\n") == 1


def test_a_commission_is_a_record_that_is_replaced_only_when_asked_and_by_one_run_at_a_time(
    tmp_path, clinic, everywhere, filed, capsys
):
    folder = tmp_path / "q3"
    shutil.copytree(filed, folder)
    wanted = (clinic, "--model", everywhere, "--output", folder)
    assert run(*wanted) == 2
    assert "holds a commission already, which is a record" in capsys.readouterr().err
    with locked(folder):
        assert run(*wanted, "--replace") == 2
    assert f"another run is writing to {folder}" in capsys.readouterr().err
    assert run("--write-limits", folder / "commission.json") == 2
    assert read(folder) == read(filed)
    assert run(*wanted, "--replace") == 1 and read(folder)["by"] == ""


def test_a_full_disk_leaves_no_commission(tmp_path, clinic, everywhere, monkeypatch, capsys):
    def full(self, *arguments, **keywords):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)

    assert run(clinic, "--model", everywhere, "--output", tmp_path / "out") == 4
    assert "could not be written (No space left on device)" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir() if path.name[0] != "."] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "DATASET is missing"),
        (["DATASET"], "--model is missing"),
        (["DATASET", "--model", "m"], "--output is missing"),
        (["DATASET", "--model", "m", "--drawn", "3", "--output", "o"], "--model was given with --drawn"),
        (["DATASET", "--model", "m", "--completer", "c", "--output", "o"], "--completer was given without --drawn"),
        (["DATASET", "--model", "MODEL", "--output", "out", "--box", "5", "5"], "--box is 5 5; expected different mm"),
        (["DATASET", "--model", "nobodys", "--output", "out"], "model 'nobodys' does not exist"),
        (["DATASET", "--model", "MODEL", "--output", "DATASET"], "is the data set itself, which is only read"),
    ],
)
def test_wrong_usage_is_a_sentence(tmp_path, clinic, everywhere, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    words = [{"DATASET": str(clinic), "MODEL": str(everywhere)}.get(one, one) for one in arguments]

    assert main(["commission", *words]) in (2, 3)
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1


def test_a_model_that_has_changed_on_disk_is_tested_as_it_is_now(tmp_path, clinic):
    for bias, found_somewhere in ((50.0, True), (-50.0, False)):
        model = make_bundle(tmp_path / "model", size=32, bias=bias)
        assert run(clinic, "--model", model, "--output", tmp_path / "out", "--replace") == 1
        assert all((one["volume_ml"] > 0) == found_somewhere for one in read(tmp_path / "out")["cases"])
        shutil.rmtree(model)
