from __future__ import annotations

import json
from dataclasses import replace

import pytest
from datasets import write_preset, write_task

from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.networks import SANet
from GTVAutoSegLib.training.data.tasks import load_task
from GTVAutoSegLib.training.presets import load_preset

SHIPPED = ("npc-gtv", "lung-gtv", "sts-gtv", "hn-ptv70")


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_tasks_are_complete(name):
    task = load_task(name)
    assert task.id == name
    assert task.terminology.startswith("Segmentation category and type - GTVAutoSeg~DCM^130041^RT Target~")
    assert task.data and task.licence and task.intended_use
    for stage in ("classifier", "segmenter"):
        task.resized(None, 4).build(stage)


def test_the_papers_windows_and_sampling_ratios():
    nasopharynx, lung = load_task("npc-gtv"), load_task("lung-gtv")
    assert nasopharynx.preprocessing.window == (-150, 200) and lung.preprocessing.window == (-800, 400)
    assert (nasopharynx.classifier.theta, nasopharynx.segmenter.theta) == ("4", "4")
    assert (lung.classifier.theta, lung.segmenter.theta) == ("1", "1")


def test_a_planning_target_volume_is_never_called_a_gtv():
    task = load_task("hn-ptv70")
    assert task.roi == "PTV70" and "SCT^228793007^" in task.terminology
    assert "GTV Primary" not in task.terminology and "not a GTV" in task.title


def test_the_preset_paper_is_the_papers():
    preset = load_preset("paper")
    assert (preset.size, preset.width, preset.folds) == (512, 64, 5)
    assert (preset.classifier.batch, preset.segmenter.batch) == (128, 64)
    assert (preset.classifier.loss, preset.segmenter.loss) == ("ce", "cr")
    for stage in (preset.classifier, preset.segmenter):
        assert (stage.learning_rate, stage.weight_decay, stage.ema) == (1e-3, 1e-4, 0)
        assert (stage.epochs, stage.patience, stage.restart_epochs) == (120, 30, 20)
        assert not stage.static_sampling and stage.augmentation.flip_horizontal == 0


def test_a_preset_may_set_size_and_width_or_leave_them_to_the_task(tmp_path):
    task = load_task(str(write_task(tmp_path / "task.json")))
    assert (task.resized(None, None).preprocessing.size, task.resized(None, None).width) == (32, 4)
    assert (task.resized(64, 8).preprocessing.size, task.resized(64, 8).width) == (64, 8)
    network = task.resized(64, 8).build("segmenter")
    assert isinstance(network, SANet) and network.head.in_channels == 16
    with pytest.raises(InputError, match="size is 8, expected at least 32"):
        task.resized(8, None)


def test_an_unknown_task_lists_those_there_are():
    listed = "hn-ptv70, lung-gtv, lung-tumour-roi, npc-gtv, sts-gtv, tumour-in-a-box"
    with pytest.raises(InputError, match=f"task 'liver' does not exist; .* {listed}"):
        load_task("liver")
    with pytest.raises(InputError, match=r"preset 'big' does not exist; .* paper, small"):
        load_preset("big")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"windw": [0, 1]}, r"unknown key 'windw', expected some of: id, title"),
        (
            {"preprocessing": {"window": [200, -150]}},
            r"preprocessing: window is \[200.0, -150.0\], expected \[low, high\]",
        ),
        ({"preprocessing": {"window": [0, "x"]}}, r"preprocessing.window\[1\] is 'x', expected a number"),
        ({"classifier": {"network": "vgg"}}, "classifier.network is 'vgg', expected one of: .*resnet18"),
        ({"segmenter": {"network": "sanet", "theta": "3"}}, "theta is '3', expected one of: 0, 0.5, 1, 2, 4, n"),
        ({"segmenter": {"network": "sanet", "combine": "max"}}, "combine is 'max', expected one of: mean, vote"),
        ({"roi": "GTV of the nasopharynx"}, "expected 1 to 16 characters"),
        ({"id": "../escape"}, "expected letters, digits and hyphens"),
        ({"terminology": "GTV"}, "terminology has not 7 parts"),
        ({"color": [1, 0, 255]}, "expected three numbers from 0 to 1"),
    ],
)
def test_a_wrong_key_or_value_of_a_task_is_named(tmp_path, change, words):
    with pytest.raises(InputError, match=words):
        load_task(str(write_task(tmp_path / "task.json", **change)))


def test_network_arguments_that_do_not_fit_are_named(tmp_path):
    task = load_task(str(write_task(tmp_path / "task.json", segmenter={"network": "sanet", "arguments": {"depth": 5}})))
    with pytest.raises(InputError, match="task phantom: segmenter: .*depth"):
        task.build("segmenter")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"loss": "lovasz"}, "loss is 'lovasz', expected one of: cr, cr-literal, dice"),
        ({"batch": 1}, "batch is 1, expected at least 2"),
        ({"ema": 1.0}, "ema is 1.0, expected from 0 to below 1"),
        ({"epochs": "many"}, "epochs is 'many', expected a whole number"),
        ({"augmentation": {"shear": 1}}, "augmentation has the unknown key 'shear'"),
    ],
)
def test_a_wrong_key_or_value_of_a_preset_is_named(tmp_path, change, words):
    with pytest.raises(InputError, match=words):
        load_preset(str(write_preset(tmp_path / "preset.json", **change)))


@pytest.mark.parametrize("text", ['{"classifier": {"epochs": 1}, "segmenter": {"epochs": 1}}', '{"seed": 3}'])
def test_what_a_preset_leaves_out_of_a_stage_is_the_papers_for_that_stage(tmp_path, text):
    path = tmp_path / "preset.json"
    path.write_text(text)
    preset, paper = load_preset(str(path)), load_preset("paper")
    assert (preset.size, preset.width) == (None, None)  # left to the task
    for ours, theirs in ((preset.classifier, paper.classifier), (preset.segmenter, paper.segmenter)):
        assert replace(ours, epochs=theirs.epochs) == theirs
        assert ours.epochs == (1 if "epochs" in text else 120)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "is .*, expected an object"),
        ('{"classifier": 3}', "classifier is .*, expected an object"),
        ('{"clasifier": {}}', "unknown key 'clasifier', expected some of: classifier, segmenter"),
    ],
)
def test_a_preset_of_the_wrong_form_is_named(tmp_path, text, words):
    path = tmp_path / "preset.json"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        load_preset(str(path))


def test_an_area_loss_is_refused_for_the_classifier(tmp_path):
    path = write_preset(tmp_path / "preset.json")
    preset = json.loads(path.read_text())
    preset["classifier"]["loss"] = "dice"
    path.write_text(json.dumps(preset))
    with pytest.raises(InputError, match="classifier.loss is 'dice', expected one of: ce, focal"):
        load_preset(str(path))


def test_a_file_that_is_missing_or_not_json_is_named(tmp_path):
    with pytest.raises(InputError, match="missing.json cannot be read"):
        load_task(str(tmp_path / "missing.json"))
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(InputError, match="broken.json is not JSON"):
        load_task(str(tmp_path / "broken.json"))
