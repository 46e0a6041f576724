"""The ladder: rungs that differ in one thing, made by the commands of the library, kept when they pay."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from datasets import write_case, write_task

from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.model.bundle import read_bundle
from GTVAutoSegLib.study.ladder import __main__ as ladder_command
from GTVAutoSegLib.study.ladder.plan import FOLDS, JOINT, Ladder, Rung, Site, read_ladder, settings_of
from GTVAutoSegLib.study.ladder.runs import CASES, Workplace, climb, model_of
from GTVAutoSegLib.study.ladder.table import Step, difference, pays, table
from GTVAutoSegLib.study.ladder.z_head import Headed, ZHead, fit_head
from GTVAutoSegLib.system.settings import parse_settings
from GTVAutoSegLib.training.data.tasks import Task
from GTVAutoSegLib.training.presets import Preset

COMMITTED = Path(__file__).resolve().parents[2] / "docs" / "results" / "ladder.json"
EPOCHS = {"classifier": 1, "segmenter": 1}
BASE = Rung("base", "base")


class Recorder:
    """Plays ``gtvautoseg``: trains a bundle of one byte, and measures what it was told."""

    def __init__(self, dsc):
        self.dsc, self.calls, self.slopes = dsc, [], {}

    def __call__(self, arguments):
        self.calls.append(arguments)
        if arguments[0] == "train":
            task, run = json.loads(Path(arguments[1]).read_text()), Path(arguments[3])
            (run / "split" / "classifier").mkdir(parents=True, exist_ok=True)
            (run / "split" / "classifier" / "log.jsonl").write_text('{"seconds": 1}\n{"seconds": 9}\n')
            (run / task["id"]).mkdir(exist_ok=True)
            stages = {stage: {"flips": False} for stage in EPOCHS}
            (run / task["id"] / "model.json").write_text(json.dumps(stages))
            return
        output = Path(arguments[arguments.index("--output") + 1])
        output.mkdir(parents=True, exist_ok=True)
        rung, site = output.parts[-3], output.parts[-2].rsplit("-", 1)[0]
        lines = [
            f"m,{site}{case},box_20_{variant},{self.dsc[rung][site] + case * self.slopes.get(rung, 0.01)}"
            for case in range(3)
            for variant in ("cascade", "all_slices", "true_slices")
        ]
        (output / CASES).write_text("\n".join(["model,case,variant,dsc", *lines]) + "\n")


@pytest.fixture
def place(tmp_path):
    def make(dsc, *rungs):
        for site in ("leg", "lung"):
            for split in ("train", "val"):
                (tmp_path / "data" / site / split / f"{site}-case").mkdir(parents=True, exist_ok=True)
        sites = {site: Site("sts-gtv", EPOCHS) for site in ("leg", "lung")}
        joint = Site("tumour-in-a-box", EPOCHS)
        ladder = Ladder(sites, joint, (20.0,), (0, 1), {}, {"classifier": {}, "segmenter": {}}, (BASE, *rungs))
        return Workplace(ladder, tmp_path / "data", tmp_path / "out", None, Recorder(dsc))

    return make


def test_every_rung_of_the_committed_ladder_is_a_task_and_preset_that_train_takes():
    ladder = read_ladder(COMMITTED)
    before = settings_of(ladder, ladder.joint, ladder.rungs[:1], 0)
    for rung in ladder.rungs[1:]:
        task, preset = settings_of(ladder, ladder.joint, [ladder.rungs[0], rung], 0)
        parse_settings(Task, task, "task")
        parse_settings(Preset, preset, "preset")
        assert ((task, preset) != before) == bool(rung.change)


def test_a_rung_has_the_changes_of_those_kept_below_it_and_its_seed():
    ladder = read_ladder(COMMITTED)
    rungs = [ladder.named(name) for name in ("base", "grey", "slices-5")]
    task, preset = settings_of(ladder, ladder.sites["sts-gtv"], rungs, 7)
    assert task["id"] == "sts-gtv" and task["preprocessing"]["channels"] == 5 and task["preprocessing"]["size"] == 64
    assert preset["segmenter"]["augmentation"]["intensity"] == 0.5 and preset["seed"] == 7
    assert preset["segmenter"]["epochs"] == preset["segmenter"]["restart_epochs"] == 5
    with pytest.raises(InputError, match="no 'preprocesing'"):
        settings_of(ladder, ladder.joint, [Rung("x", "x", {"task.preprocesing.size": 32})], 0)


def test_what_is_measured_is_not_made_again(place):
    here = place({"base": {"leg": 0.5, "lung": 0.6}})
    climb(here, BASE, [])
    made = [call[0] for call in here.command.calls]
    assert made == ["train", "evaluate"] * 4  # two data sets, two seeds
    here.cases(BASE, "lung", 1).unlink()
    climb(here, BASE, [])
    assert [call[0] for call in here.command.calls[8:]] == ["train", "evaluate"]
    assert "--resume" in here.command.calls[8]


def test_a_rung_pays_when_it_gains_on_every_data_set_and_the_interval_lies_above_zero(place):
    better, mixed, shaky = Rung("better", "better"), Rung("mixed", "mixed"), Rung("shaky", "shaky")
    dsc = {"base": {"leg": 0.5, "lung": 0.6}, "better": {"leg": 0.52, "lung": 0.61}}
    dsc["mixed"] = {"leg": 0.7, "lung": 0.59}
    # 0.05 less in the first case of each, 0.13 more in the last.
    dsc["shaky"] = {"leg": 0.45, "lung": 0.55}
    here = place(dsc, better, mixed, shaky)
    here.command.slopes["shaky"] = 0.1
    for rung in here.ladder.rungs:
        climb(here, rung, [])
    assert pays(here, better, BASE) and not pays(here, mixed, BASE)
    assert difference(here, shaky, BASE, ["leg"]).mean > 0.03 and not pays(here, shaky, BASE)
    found = difference(here, better, BASE, ["leg", "lung"])
    assert found.cases == 6 and found.mean == pytest.approx(0.015) and found.low >= 0.01
    text = table(here, [Step(BASE, None, True), Step(better, BASE, True), Step(mixed, BASE, False)])
    lines = text.splitlines()
    assert lines[2].startswith("| base | leg | | 0.510 |") and lines[2].endswith("| yes |")
    assert lines[6].startswith("| better (over base) | both | 0.560 | 0.575 | +0.015 [")
    assert lines[9].endswith("| no |") and "| 2 | 0 | 0.0 |" in lines[4]


def test_rungs_that_end_are_compared_with_what_later_ones_build_on(place, monkeypatch, tmp_path, capsys):
    flips = Rung("flips", "flips", way="flips", ends=True)
    last = Rung("last", "last", {"task.preprocessing.channels": 5})
    here = place({name: {"leg": 0.5, "lung": 0.6} for name in ("base", "flips", "last")}, flips, last)
    here.command.dsc["flips"] = {"leg": 0.6, "lung": 0.7}
    monkeypatch.setattr(ladder_command, "read_ladder", lambda _: here.ladder)
    monkeypatch.setattr(ladder_command, "gtvautoseg", here.command)
    ladder_command.main(["x.json", str(here.data), str(here.output)])
    text = capsys.readouterr().out
    assert text == (here.output / "ladder.md").read_text()
    assert "| flips (over base) | both |" in text and "| last (over base) | both |" in text
    mirrored = json.loads((here.folder(flips, "leg", 0) / "sts-gtv" / "model.json").read_text())
    assert mirrored["classifier"]["flips"] and mirrored["segmenter"]["flips"]
    ladder_command.main(["x.json", str(here.data), str(here.output), "--compare", "last", "flips"])
    assert "| last (over flips) | both | 0.660 | 0.560 | -0.100 [-0.100, -0.100]" in capsys.readouterr().out
    with pytest.raises(ValueError, match="expected true for the way 'flips'"):
        Rung("x", "x", way="flips")


def test_a_rung_with_fewer_seeds_is_compared_on_those(place):
    once = Rung("once", "once", ends=True, seeds=(1,))
    here = place({"base": {"leg": 0.5, "lung": 0.6}, "once": {"leg": 0.6, "lung": 0.7}}, once)
    climb(here, BASE, [])
    lowered = here.cases(BASE, "leg", 0)
    lowered.write_text(lowered.read_text().replace("0.5", "0.1"))
    climb(here, once, [BASE])
    assert not here.folder(once, "leg", 0).exists()
    assert difference(here, once, BASE, ["leg"]).mean == pytest.approx(0.1)
    assert "once (over base, one seed) | leg | 0.510 | 0.610 |" in table(here, [Step(once, BASE, True)])
    with pytest.raises(ValueError, match="of a rung that ends only"):
        place({}, Rung("once", "once", seeds=(1,)))


def test_one_network_for_all_sees_the_cases_of_all_and_folds_those_for_training_only(place):
    joint, folds = Rung("joint", "joint", way=JOINT), Rung("folds", "folds", way=FOLDS, ends=True)
    here = place({name: {"leg": 0.5, "lung": 0.6} for name in ("joint", "folds")}, joint, folds)
    climb(here, joint, [])
    datasets = {call[2] for call in here.command.calls if call[0] == "train"}
    assert datasets == {str(here.output / "joint-data")}
    assert sorted(path.name for path in (here.output / "joint-data" / "val").iterdir()) == ["leg-case", "lung-case"]
    assert model_of(here, [joint, folds], "leg", 0).is_dir()
    here.command.calls.clear()
    climb(here, folds, [])
    assert here.command.calls[0][2] == str(here.data / "leg" / "train")


def test_encoder_weights_have_to_be_given(place):
    rung = Rung("imagenet", "imagenet", encoder_weights=True)
    with pytest.raises(InputError, match="give --encoder-weights"):
        climb(place({}, rung), rung, [])


def test_a_head_along_z_begins_as_the_classifier_and_learns_what_neighbours_tell():
    torch_head = ZHead()
    assert sum(value.numel() for value in torch_head.parameters()) == 201
    seen = np.array([0.1, 0.9, 0.4], np.float32)
    assert np.allclose(torch_head.corrected(seen), seen, atol=1e-5)
    # A slice between two tumour slices is one, whatever the classifier says of it.
    generator = np.random.default_rng(0)
    sequences = []
    for _ in range(8):
        truth = np.zeros(20, bool)
        first = generator.integers(2, 8)
        truth[first : first + 9] = True
        probability = np.where(truth, 0.9, 0.1).astype(np.float32)
        probability[first + generator.integers(2, 7)] = 0.2
        sequences.append((probability, truth))
    head = fit_head(sequences, seed=0, steps=80)
    wrong = [((head.corrected(seen) >= 0.5) != truth).sum() for seen, truth in sequences]
    assert sum(wrong) < 4 < sum(((seen >= 0.5) != truth).sum() for seen, truth in sequences)


def test_slices_are_picked_by_what_the_head_says_and_only_inside_the_box():
    class Model:
        def classify(self, volume, region):
            return np.array([np.nan, 0.9, 0.6, 0.2, np.nan], np.float32)

        def segment(self, volume, picked, region):
            return list(picked)

    model = Headed(Model(), ZHead(), 0.5)
    assert model.segment(None) == [False, True, True, False, False]
    assert Headed(Model(), ZHead(), 0.7).segment(None) == [False, True, False, False, False]
    assert model.segment(None, picked=[True]) == [True]


def test_the_head_is_measured_on_patients_it_did_not_learn_from(tmp_path):
    data = tmp_path / "data" / "phantoms"
    for number in range(4):
        write_case(data / ("train" if number < 2 else "val") / f"ball{number}", number, slices=8)
    task = write_task(
        tmp_path / "task.json",
        preprocessing={"window": [-160, 240], "size": 32, "crops": {"margin_mm": 4, "slack_mm": [3, 9]}},
    )
    stage = {"batch": 8, "loss": "ce"}
    ladder = Ladder(
        {"phantoms": Site(str(task), EPOCHS)},
        joint=Site(str(task), EPOCHS),
        boxes=(3.0,),
        seeds=(0,),
        change={},
        preset={"classifier": stage, "segmenter": stage, "choose_threshold": True},
        rungs=(BASE, Rung("head", "head", way="z-head", ends=True)),
    )
    here = Workplace(ladder, tmp_path / "data", tmp_path / "out", None, main)
    for number, rung in enumerate(ladder.rungs):
        climb(here, rung, ladder.rungs[:number])
    model = model_of(here, ladder.rungs, "phantoms", 0)
    assert read_bundle(model).info.training_data.cases == 2
    before, after = (here.cases(rung, "phantoms", 0).read_text().splitlines() for rung in ladder.rungs)
    assert len(before) == len(after) == 7
    # The segmenter is the same, so that what does not go through the classifier is, too.
    assert [line for line in before if "_slices" in line.split(",")[2]] == [
        line for line in after if "_slices" in line.split(",")[2]
    ]
