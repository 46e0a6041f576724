"""Installing and removing model bundles."""

from __future__ import annotations

import json
import shutil
import time
import zipfile

import pytest
from bundles import make_bundle

from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.errors import DiskError, InputError, ModelError
from GTVAutoSegLib.model import bundle as model_bundle
from GTVAutoSegLib.model import store as model_store
from GTVAutoSegLib.model.bundle import find_model, user_folder, verify_model
from GTVAutoSegLib.model.store import displaced_model, install_model, record_metrics, remove_model


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("downloads") / "lung")


@pytest.fixture
def store(tmp_path, monkeypatch):
    """The user's folder for models, not made yet."""
    folder = tmp_path / "Ünï 空" / "Models"
    monkeypatch.setenv("GTVAUTOSEG_MODELS", str(folder))
    return folder


def test_a_bundle_is_installed_from_its_folder_and_found_by_id(bundle, store):
    installed = install_model(bundle, store)
    assert installed.path == store / "lung" == find_model("lung")
    assert installed.digest == verify_model(bundle).digest == verify_model("lung").digest
    assert [path.name for path in store.iterdir()] == ["lung"]


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_bundle_is_installed_from_a_zip_with_or_without_a_folder_inside(bundle, store, tmp_path, wrapped):
    arguments = (bundle.parent, "lung") if wrapped else (bundle, None)
    archive = shutil.make_archive(str(tmp_path / "lung"), "zip", *arguments)
    assert install_model(archive, store).path == store / "lung"
    assert verify_model("lung").info.id == "lung"


def test_the_default_is_the_users_folder(bundle, tmp_path, monkeypatch):
    monkeypatch.delenv("GTVAUTOSEG_MODELS", raising=False)
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert install_model(bundle).path == tmp_path / "GTVAutoSeg" / "Models" / "lung"


def test_a_damaged_bundle_is_not_installed(bundle, store, tmp_path):
    damaged = shutil.copytree(bundle, tmp_path / "damaged")
    (damaged / "classifier.safetensors").write_bytes(b"short")
    with pytest.raises(ModelError, match="the file is damaged or was changed"):
        install_model(damaged, store)
    assert not store.exists()


def test_an_id_that_is_a_path_is_refused(bundle, store, tmp_path):
    evil = shutil.copytree(bundle, tmp_path / "evil")
    description = json.loads((evil / "model.json").read_text())
    (evil / "model.json").write_text(json.dumps({**description, "id": "../../escaped"}))
    with pytest.raises(ModelError, match=r"has the id '\.\./\.\./escaped'"):
        install_model(evil, store)
    assert not store.exists()


def test_a_newer_version_replaces_the_installed_one(bundle, store, tmp_path):
    install_model(bundle, store)
    assert install_model(newer_version(bundle, tmp_path), store).info.version == "2.0.0"
    assert verify_model("lung").info.version == "2.0.0"


def newer_version(bundle, folder):
    newer = shutil.copytree(bundle, folder / "lung")
    description = json.loads((newer / "model.json").read_text())
    (newer / "model.json").write_text(json.dumps({**description, "version": "2.0.0"}))
    return newer


def test_a_model_that_would_be_replaced_or_hidden_is_named_first(bundle, store, tmp_path, monkeypatch, capsys):
    shipped = tmp_path / "shipped"
    monkeypatch.setattr("GTVAutoSegLib.model.bundle.resource_folders", lambda kind: [shipped, tmp_path / "none"])
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "user"))
    assert displaced_model(bundle) is None
    install_model(bundle, shipped)
    assert displaced_model(bundle) is None
    newer = newer_version(bundle, tmp_path)
    assert displaced_model(newer).path == shipped / "lung"

    assert main(["model", "install", str(newer)]) == 2
    error = capsys.readouterr().err
    assert f"the id 'lung' stands for another model, version 1.0.0 in {shipped / 'lung'}" in error
    assert main(["model", "list"]) == 0
    assert "2.0.0" not in capsys.readouterr().out

    assert main(["model", "install", str(newer), "--replace"]) == 0
    capsys.readouterr()
    assert main(["model", "list"]) == 0
    mine, hidden = capsys.readouterr().out.splitlines()
    assert mine.split()[:2] == ["lung", "2.0.0"] and mine.endswith(f"  in {user_folder() / 'lung'}")
    assert hidden.split() == ["hides", f"{shipped / 'lung'},", "which", "has", "the", "same", "id"]


def test_a_folder_of_models_that_cannot_be_read_is_named(store, monkeypatch, capsys):
    is_dir = model_store.Path.is_dir

    def denied(path):
        if path == store:
            raise PermissionError(13, "Permission denied")
        return is_dir(path)

    monkeypatch.setattr(model_store.Path, "is_dir", denied)
    assert main(["model", "list"]) == 0
    shown = capsys.readouterr()
    assert shown.err == f"warning: {store} cannot be read (Permission denied) and was skipped\n"
    assert "sts-gtv" in shown.out


def test_a_failed_write_leaves_the_installed_version(bundle, store, monkeypatch):
    before = install_model(bundle, store).digest

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(model_store.Path, "write_bytes", full)
    with pytest.raises(DiskError, match="No space left on device"):
        install_model(bundle, store)
    monkeypatch.undo()
    assert verify_model(store / "lung").digest == before
    assert [path.name for path in store.iterdir()] == ["lung"]


def test_installing_the_installed_one_is_refused(bundle, store):
    installed = install_model(bundle, store)
    with pytest.raises(InputError, match="is installed already"):
        install_model(installed.path, store)
    assert verify_model("lung")


def test_an_installed_model_is_removed(bundle, store):
    install_model(bundle, store)
    assert remove_model("lung") == (store / "lung").resolve()
    assert list(store.iterdir()) == []


def test_a_model_in_a_chosen_folder_is_removed_by_id(bundle, store, tmp_path):
    chosen = tmp_path / "chosen"
    install_model(bundle, chosen)
    remove_model("lung", chosen)
    assert list(chosen.iterdir()) == []


def test_shipped_models_and_bundles_elsewhere_are_not_removed(bundle, store, tmp_path, monkeypatch):
    shipped = tmp_path / "shipped"
    install_model(bundle, shipped)
    monkeypatch.setattr(model_store, "model_folders", lambda: [store, shipped, tmp_path / "none"])
    with pytest.raises(InputError, match="is shipped with GTVAutoSeg"):
        remove_model(shipped / "lung")
    with pytest.raises(InputError, match="outside the folders for models"):
        remove_model(bundle)
    with pytest.raises(ModelError, match="does not exist"):
        remove_model("nonsense")
    assert verify_model(shipped / "lung") and verify_model(bundle)


def test_measured_figures_are_added_to_a_description_and_the_model_stays_whole(tmp_path):
    path = make_bundle(tmp_path / "measured", metrics={"classifier_validation": 0.8, "dsc": 0.1})
    record_metrics(path, {"dsc": 0.7, "split": "val"})
    assert verify_model(path).info.metrics == {"classifier_validation": 0.8, "dsc": 0.7, "split": "val"}


def test_figures_cannot_be_added_to_a_zip(bundle, tmp_path):
    archive = shutil.make_archive(str(tmp_path / "lung"), "zip", bundle)
    with pytest.raises(InputError, match="unpack it first"):
        record_metrics(archive, {"dsc": 0.7})


def test_a_folder_that_is_no_model_is_not_removed(store):
    (store / "notes").mkdir(parents=True)
    with pytest.raises(ModelError, match="notes is not a model bundle"):
        remove_model("notes", store)
    assert (store / "notes").is_dir()


@pytest.mark.parametrize(("name", "limit"), [("model.json", "DESCRIPTION"), ("classifier.safetensors", "WEIGHT")])
def test_a_small_zip_that_unpacks_to_more_than_any_model_is_refused(bundle, store, tmp_path, monkeypatch, name, limit):
    monkeypatch.setattr(model_bundle, f"MOST_{limit}_BYTES", 1 << 20)
    bomb = tmp_path / "lung.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in bundle.iterdir():
            content = b" " * (3 << 20) if path.name == name else path.read_bytes()
            archive.writestr(path.name, content)
    assert bomb.stat().st_size < 1 << 20
    with pytest.raises(ModelError, match=f"{name} unpacks to more than 1 MiB, expected less"):
        install_model(bomb, store)
    assert not store.exists()


def test_a_description_nested_too_deeply_or_with_too_many_files_is_refused(bundle, store, tmp_path):
    copy = shutil.copytree(bundle, tmp_path / "copy")
    description = json.loads((copy / "model.json").read_text())
    (copy / "model.json").write_text("[" * 100_000)
    with pytest.raises(ModelError, match="is not JSON \\(it is nested too deeply"):
        install_model(copy, store)
    names = [f"{number}.safetensors" for number in range(65)]
    description["classifier"]["files"] = names
    (copy / "model.json").write_text(json.dumps(description | {"sha256": dict.fromkeys(names, "")}))
    with pytest.raises(ModelError, match="weight files, expected at most 64"):
        install_model(copy, store)


@pytest.mark.parametrize("name", ["con", "NUL", "com1", "lpt1.5"])
def test_an_id_that_windows_keeps_for_a_device_is_refused(bundle, store, tmp_path, name):
    copy = shutil.copytree(bundle, tmp_path / "copy")
    description = json.loads((copy / "model.json").read_text())
    (copy / "model.json").write_text(json.dumps(description | {"id": name}))
    with pytest.raises(ModelError, match="Windows calls a device"):
        install_model(copy, store)


def test_a_model_is_exported_by_a_clock_before_1980(bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 0.0)
    monkeypatch.setattr(time, "localtime", lambda *_: time.gmtime(0))
    exported = model_store.export_model(bundle, tmp_path / "lung.zip")
    assert verify_model(exported).info.id == "lung"
