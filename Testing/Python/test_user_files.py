"""Files that a person may have made, moved or damaged: each gives one sentence, and none counts as not there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from GTVAutoSegLib.errors import GTVAutoSegError
from GTVAutoSegLib.evaluation.commission.earlier import read_commission
from GTVAutoSegLib.evaluation.commission.limits import load_limits
from GTVAutoSegLib.images.probability import read_probability
from GTVAutoSegLib.images.region import Region
from GTVAutoSegLib.model.bundle import read_bundle
from GTVAutoSegLib.report.export.order import Order
from GTVAutoSegLib.study.bench.guard.check import read_table
from GTVAutoSegLib.study.reproduce.split import keep_split
from GTVAutoSegLib.study.reproduce.training import TIME, LogMonitor
from GTVAutoSegLib.study.volumetric.systems import read_description as read_system
from GTVAutoSegLib.training.checkpoint import read_log
from GTVAutoSegLib.training.completer import _begin, load_completer_task
from GTVAutoSegLib.training.configuration import check_configuration, read_configuration
from GTVAutoSegLib.training.data.collected.case import read_collected
from GTVAutoSegLib.training.data.collected.collect import _read_patients
from GTVAutoSegLib.training.data.collected.request import collect_files
from GTVAutoSegLib.training.data.dataset import read_patients
from GTVAutoSegLib.training.data.folds import load_folds
from GTVAutoSegLib.training.data.imports.nnunet import RawFolder, raw_splits, read_description
from GTVAutoSegLib.training.data.slices import open_case
from GTVAutoSegLib.training.data.tasks import load_task

CASES = {"a": [True], "b": [True]}
PATIENTS = {"a": "a", "b": "b"}

# Called with the path of the damaged file, by its name.
READERS = {
    "limits.json": load_limits,
    "commission.json": read_commission,
    "task.json": lambda path: load_task(str(path)),
    "completer.json": load_completer_task,
    "box.mrk.json": Region.read,
    "probability.nrrd": read_probability,
    "model.json": lambda path: read_bundle(path.parent),
    "order.json": lambda path: Order.read(path.parent),
    "ratios.json": read_table,
    "split.json": lambda path: keep_split(path.parent, [], [], 1),
    "system.json": lambda path: read_system(path.parent),
    "log.jsonl": lambda path: read_log(path.parent),
    "run.json": lambda path: read_configuration(path.parent),
    "begun/run.json": lambda path: check_configuration(path.parent, None),
    "completer/run.json": lambda path: _begin(load_completer_task(), [], path.parent, True),
    "case/collect.json": lambda path: read_collected(path.parents[1]),
    "patients.json": lambda path: read_patients(path.parent, ["a"]),
    "collected/patients.json": lambda path: _read_patients(path.parent),
    "wish.json": lambda path: collect_files(path, path, path.parent, path),
    "folds.json": lambda path: load_folds(path.parent, CASES, 2, 1, PATIENTS),
    "splits_final.json": lambda path: raw_splits(RawFolder(path.parent)),
    "dataset.json": lambda path: read_description(path.parent),
    "case.json": lambda path: open_case(path.parent),
}
DAMAGES = {
    "a folder": Path.mkdir,
    "a link that leads nowhere": lambda path: path.symlink_to(path.parent / "gone"),
    "not UTF-8": lambda path: path.write_bytes(b'{"a": "\xff\xfe\xfa"}\n'),
    "no JSON": lambda path: path.write_text('{"a": 1,'),
    "empty": lambda path: path.write_text(" \n"),
    "a list": lambda path: path.write_text("[1, 2]"),
    "a text": lambda path: path.write_text('"a text"'),
    "a number": lambda path: path.write_text("7"),
    "nothing": lambda path: path.write_text("null"),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_a_sentence_that_names_it(tmp_path, name, damage):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    DAMAGES[damage](path)
    with pytest.raises(GTVAutoSegError) as caught:
        READERS[name](path)
    sentence = str(caught.value)
    assert str(path.parent) in sentence
    assert "\n" not in sentence
    assert os.path.lexists(path), "it is still there"


@pytest.mark.parametrize("damage", ["a folder", "a link that leads nowhere", "not UTF-8", "empty", "a text"])
def test_a_damaged_note_of_the_time_spent_is_a_sentence_that_names_it(tmp_path, damage):
    DAMAGES[damage](tmp_path / TIME)
    with pytest.raises(GTVAutoSegError, match=f"{TIME} is damaged"):
        LogMonitor("SANet", 1, tmp_path, torch.device("cpu"))
