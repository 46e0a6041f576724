"""Model bundles: found, validated before anything is built, and refused with the file's name."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from bundles import make_bundle, write_description
from safetensors.torch import load_file, save_file

from GTVAutoSegLib import load_model
from GTVAutoSegLib.errors import DeviceError, ModelError
from GTVAutoSegLib.model.bundle import find_model, iterate_bundles, read_bundle, verify_model


@pytest.fixture
def bundle(tmp_path):
    return make_bundle(tmp_path / "random")


@pytest.fixture
def models_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GTVAUTOSEG_MODELS", str(tmp_path))
    return tmp_path


def edit(bundle, change):
    path = bundle / "model.json"
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def test_a_bundle_is_found_by_id_and_by_path(bundle, models_folder):
    assert find_model("random") == models_folder / "random"
    assert find_model(bundle) == bundle
    assert bundle in list(iterate_bundles())


def test_an_unknown_id_is_answered_with_those_that_exist(bundle, models_folder):
    with pytest.raises(ModelError, match="model 'lung' does not exist.*one of: .*random"):
        find_model("lung")


def test_a_folder_without_description_is_named(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="empty is not a model bundle"):
        find_model(tmp_path / "empty")


def test_a_whole_bundle_verifies_and_loads(bundle):
    assert verify_model(bundle).info.id == "random"
    cascade = load_model(bundle, device="cpu")
    assert not any(parameter.requires_grad for parameter in cascade.segmenters[0].parameters())
    assert not cascade.segmenters[0].training


@pytest.mark.parametrize("prefix", ["", "random/"])
def test_a_zip_is_as_good_as_a_folder(bundle, tmp_path, prefix):
    root, base = (bundle, ".") if not prefix else (bundle.parent, "random")
    archive = shutil.make_archive(str(tmp_path / "packed" / "random"), "zip", root, base)
    assert verify_model(archive).info.id == "random"
    assert load_model(archive, device="cpu").bundle.info == read_bundle(bundle).info


def test_half_precision_weights_become_single(bundle):
    weights = bundle / "segmenter.safetensors"
    save_file({k: v.half() if v.is_floating_point() else v for k, v in load_file(weights).items()}, weights)
    write_description(bundle, size=64, arguments={"in_channels": 1, "width": 4})
    assert {p.dtype for p in load_model(bundle, device="cpu").segmenters[0].parameters()} == {torch.float32}


@pytest.mark.parametrize("damage", ["truncated", "tampered", "missing"])
@pytest.mark.parametrize("name", ["classifier.safetensors", "segmenter.safetensors"])
def test_a_damaged_weight_file_is_named(bundle, damage, name):
    path = bundle / name
    content = bytearray(path.read_bytes())
    if damage == "missing":
        path.unlink()
    else:
        content[-3] ^= 1
        path.write_bytes(content if damage == "tampered" else content[:-100])
    for use in (verify_model, load_model):
        with pytest.raises(ModelError, match=name):
            use(bundle)


def test_a_file_that_is_no_safetensors_is_refused_even_with_the_right_hash(bundle):
    (bundle / "segmenter.safetensors").write_bytes(b"not tensors at all")
    write_description(bundle, size=64, arguments={"in_channels": 1, "width": 4})
    with pytest.raises(ModelError, match="segmenter.safetensors is not a safetensors file"):
        load_model(bundle)


def test_weights_of_another_width_are_refused_with_the_tensor_s_name(bundle):
    edit(bundle, lambda data: data["segmenter"]["arguments"].update(width=8))
    with pytest.raises(ModelError, match="segmenter.safetensors: tensor '.*' is .*, model.json describes"):
        load_model(bundle)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.pop("schema"), "schema None"),
        (lambda data: data.update(schema=99), "schema 99"),
        (lambda data: data.pop("task"), "lacks the key 'task'"),
        (lambda data: data.update(typo=1), "unknown key 'typo'"),
        (lambda data: data["preprocessing"].update(window=[3, 1]), "low < high"),
        (lambda data: data["classifier"].update(files=["../x.safetensors"]), "plain name"),
        (lambda data: data["sha256"].clear(), "no sha256 for classifier.safetensors"),
        (lambda data: data["segmenter"].update(network="unet9"), "'unet9' is unknown"),
        (lambda data: data["task"].update(roi="GTV of the primary"), "at most 16 characters"),
        (lambda data: data["segmenter"].update(files=[]), "files is empty"),
        (lambda data: data["classifier"].update(combine="median"), "combine is 'median', expected one of: mean, vote"),
        (lambda data: data["preprocessing"].update(channels=3), "in_channels 1, expected those of preprocessing, 3"),
        (lambda data: data["task"].update(color=[1, 2, 3]), "three numbers from 0 to 1"),
        (lambda data: data.update(thresholds={"slice": 50.0}), "expected probabilities"),
        (lambda data: data.update(thresholds={"mask": 0.0}), "expected probabilities"),
    ],
)
def test_a_wrong_description_is_refused_with_its_mistake(bundle, change, message):
    edit(bundle, change)
    with pytest.raises(ModelError, match=message):
        load_model(bundle)


def test_a_description_that_is_no_json_is_named(bundle):
    (bundle / "model.json").write_text("{")
    with pytest.raises(ModelError, match="model.json is not JSON"):
        read_bundle(bundle)


def test_an_unknown_device_is_answered_with_those_that_exist(bundle):
    with pytest.raises(DeviceError, match="device 'cuda:7' is not available here; expected auto or one of: cpu"):
        load_model(bundle, device="cuda:7")
    with pytest.raises(DeviceError, match="device 'tpu' is unknown"):
        load_model(bundle, device="tpu")


def test_listing_and_verifying_do_not_import_torch(bundle):
    code = "import sys; from GTVAutoSegLib.model.bundle import verify_model; verify_model(sys.argv[1]); "
    code += "assert 'torch' not in sys.modules and 'SimpleITK' not in sys.modules"
    subprocess.run([sys.executable, "-c", code, str(bundle)], check=True)


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({}, "torch-missing"),
        ({"torch.py": "raise OSError('DLL')"}, "torch-broken"),
        ({"torch/__init__.py": "{}['a file that is gone']"}, "torch-broken"),
        ({"torch/__init__.py": "a file cut sho"}, "torch-broken"),
        ({"torch/version.py": "the only file left"}, "torch-broken"),
    ],
)
def test_missing_and_broken_pytorch_are_told_apart(bundle, tmp_path, files, kind):
    # A child process whose torch is hidden, or replaced by one that fails to load.
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    code = f"""
import sys
from importlib.machinery import PathFinder
sys.path.insert(0, {str(tmp_path)!r})
class Hide:
    def find_spec(name, path=None, target=None):
        return PathFinder.find_spec(name, [{str(tmp_path)!r}]) if name == "torch" else None
real = PathFinder.find_spec
sys.meta_path[:] = [f for f in sys.meta_path if f is not PathFinder]
class Rest:
    def find_spec(name, path=None, target=None):
        return None if name == "torch" else real(name, path, target)
sys.meta_path[:0] = [Hide, Rest]
from GTVAutoSegLib.cascade.load import load_model
from GTVAutoSegLib.errors import ModelError
try:
    load_model({str(bundle)!r})
except ModelError as error:
    print(error.kind, error.exit_code)
"""
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.split() == [kind, "3"]


def test_a_damaged_zip_is_named_wherever_the_damage_lies(bundle, tmp_path):
    archive = Path(shutil.make_archive(str(tmp_path / "random"), "zip", bundle))
    whole = archive.read_bytes()
    for place in range(60, len(whole), len(whole) // 12):
        archive.write_bytes(
            whole[:place] + bytes(byte ^ 0xFF for byte in whole[place : place + 40]) + whole[place + 40 :]
        )
        with pytest.raises(ModelError, match="random.zip"):
            verify_model(archive)


def test_what_a_killed_installation_left_is_not_listed(bundle, models_folder):
    shutil.copytree(bundle, models_folder / ".gtv-0123456789ab")
    assert [path.name for path in iterate_bundles([models_folder])] == ["random"]


def test_a_folder_that_cannot_be_read_is_skipped_and_named(bundle, models_folder, tmp_path):
    # Root may read every folder; a name that is too long is refused to everybody, by the same OSError.
    away = tmp_path / ("x" * 300)
    skipped = []
    found = iterate_bundles([away, models_folder], lambda folder, error: skipped.append((folder, error.strerror)))
    assert [path.name for path in found] == ["random"]
    assert skipped == [(away, "File name too long")]
    with pytest.raises(ModelError, match="cannot be read .File name too long., expected a bundle's folder or .zip"):
        read_bundle(away)
