"""A model says which data it was trained on, and never that it was those of the model that ships."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from bundles import make_completer
from datasets import write_case, write_dataset, write_preset, write_task

from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.model.completer import read_completer
from GTVAutoSegLib.system.resources import shipped
from GTVAutoSegLib.training.completer import load_completer_task
from GTVAutoSegLib.training.data.origin import began_with, trained_on
from GTVAutoSegLib.training.data.tasks import load_task


@pytest.fixture
def ward(tmp_path) -> Path:
    """Three cases of two patients."""
    dataset = write_dataset(tmp_path / "ward", 3)
    (dataset / "patients.json").write_text(json.dumps({"patient0": "a", "patient1": "a"}))
    return dataset


COUNTED = "3 cases of 2 patients in the data set 'ward'"


@pytest.mark.parametrize("name", [*shipped("Tasks"), "copy"])
def test_a_shipped_task_and_a_copy_of_one_say_nothing_of_other_data(ward, tmp_path, name):
    if name == "copy":
        name = str(tmp_path / "ours.json")
        copied = json.loads(shipped("Tasks")["sts-gtv"].read_text())
        Path(name).write_text(json.dumps({**copied, "id": "ours", "data": copied["data"].replace(", ", ",  ")}))
    said = trained_on(load_task(name), [ward])
    assert (said.data, said.licence) == (COUNTED, "not told")


def test_a_task_in_ones_own_words_is_believed(ward, tmp_path):
    said = trained_on(load_task(str(write_task(tmp_path / "task.json", data="ward 5", licence="internal"))), [ward])
    assert (said.data, said.licence) == ("ward 5", "internal")
    silent = trained_on(load_task(str(write_task(tmp_path / "task.json", data="", licence=""))), [ward])
    assert (silent.data, silent.licence) == (COUNTED, "not told")


@pytest.mark.parametrize("part", ["", "train and val"])
def test_a_data_set_says_itself_what_it_is(ward, part):
    if part:
        for name, cases in (("train", ["patient0", "patient1"]), ("val", ["patient2"])):
            (ward / name).mkdir()
            for case in cases:
                shutil.move(ward / case, ward / name / case)
    (ward / "dataset.json").write_text(
        json.dumps({"description": "Sarcomas", "reference": "a paper", "licence": "CC0"})
    )
    said = trained_on(load_task("sts-gtv"), [ward])
    assert (said.data, said.licence) == ("Sarcomas; a paper", "CC0")
    (ward / "dataset.json").write_text(json.dumps({"licence": "CC0", "labels": {}}))
    assert (trained_on(load_task("sts-gtv"), [ward]).data) == COUNTED
    for damage in ("{", "[]"):
        (ward / "dataset.json").write_text(damage)
        with pytest.raises(InputError, match="dataset.json"):
            trained_on(load_task("sts-gtv"), [ward])


def test_each_data_set_of_a_completer_is_named_and_so_is_what_it_began_with(ward, tmp_path):
    other = write_dataset(tmp_path / "other", 1)
    (other / "dataset.json").write_text(json.dumps({"description": "Lungs", "licence": "CC0"}))
    said = trained_on(load_completer_task(), [ward, other])
    assert (said.data, said.licence) == (f"{COUNTED}; Lungs", "not told; CC0")
    start = read_completer(make_completer(tmp_path / "start"))
    began = began_with(said, start)
    assert began.data.startswith(f"{said.data}; began with the weights of {start.info.id} ")
    assert began.data.endswith(start.info.data)


def test_the_model_of_a_training_says_it_and_a_data_set_that_is_described_can_be_collected_into(tmp_path):
    dataset = write_dataset(tmp_path / "cases", 2)
    (dataset / "dataset.json").write_text(json.dumps({"licence": "for our ward"}))
    case = write_case(tmp_path / "new", 7)
    arguments = [case / "data.nii.gz", case / "label.nii.gz", dataset, "--accept"]
    assert main(["collect", *map(str, arguments)]) == 0
    copied = json.loads(shipped("Tasks")["lung-gtv"].read_text())
    task = write_task(tmp_path / "task.json", data=copied["data"], licence=copied["licence"])
    arguments = [task, dataset, tmp_path / "run", "--preset", write_preset(tmp_path / "preset.json", epochs=1)]
    assert main(["train", *map(str, arguments), "--fold", "0", "--device", "cpu"]) == 0
    info = json.loads((tmp_path / "run" / "phantom" / "model.json").read_text())
    said = "3 cases of 3 patients in the data set 'cases', 1 of them collected from outlines that people approved or"
    assert info["training_data"]["description"] == f"{said} accepted"
    assert info["licence"] == "for our ward"
