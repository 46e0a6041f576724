"""A new version of a model keeps the old one, which can be brought back, whatever happens in between."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from bundles import make_bundle
from phantoms import body_ct

from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.errors import DiskError, InputError, ModelError
from GTVAutoSegLib.model.bundle import find_model, read_bundle, user_folder, verify_model
from GTVAutoSegLib.model.store import install_model
from GTVAutoSegLib.model.versions import next_version, use_version, versions

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """By version; 1.1.0 finds tumour nowhere."""
    folder = tmp_path_factory.mktemp("bundles")
    return {
        version: make_bundle(folder / version / "lung", version=version, bias=bias)
        for version, bias in (("1.0.0", 9.0), ("1.1.0", -9.0), ("1.2.0", 0.0))
    }


@pytest.fixture
def store(tmp_path, monkeypatch):
    """The user's folder; what ships is one model, `lung` 1.0.0."""
    monkeypatch.delenv("GTVAUTOSEG_MODELS", raising=False)
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "Ünï"))
    monkeypatch.setattr("GTVAutoSegLib.model.bundle.resource_folders", lambda kind: [tmp_path / "shipped", tmp_path])
    return user_folder()


def listed() -> list[tuple[str, bool]]:
    return [(one.version, one.current) for one in versions("lung")]


def test_the_old_version_stays_and_is_brought_back(bundles, store):
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        install_model(bundles[version])
    assert listed() == [("1.2.0", True), ("1.1.0", False), ("1.0.0", False)]
    before = verify_model(bundles["1.0.0"]).digest
    assert use_version("lung", "1.0.0").digest == verify_model("lung").digest == before
    assert {version for version, _ in listed()} == {"1.0.0", "1.1.0", "1.2.0"} and listed()[0] == ("1.0.0", True)
    assert use_version("lung", read_bundle(bundles["1.2.0"]).digest[:6]).info.version == "1.2.0"
    assert use_version("lung", "1.2.0").info.version == "1.2.0"  # it is already


def test_what_ships_is_a_version_like_any_other(bundles, store, tmp_path):
    shutil.copytree(bundles["1.0.0"], tmp_path / "shipped" / "lung")
    install_model(bundles["1.1.0"])
    assert [(one.version, one.current, one.shipped) for one in versions("lung")] == [
        ("1.1.0", True, False),
        ("1.0.0", False, True),
    ]
    use_version("lung", "1.0.0")
    assert find_model("lung") == tmp_path / "shipped" / "lung" and not (store / "lung").exists()
    assert use_version("lung", "1.1.0").path == store / "lung"


def test_what_ships_is_checked_before_an_id_stands_for_it_again(bundles, store, tmp_path):
    shipped = shutil.copytree(bundles["1.0.0"], tmp_path / "shipped" / "lung")
    install_model(bundles["1.1.0"])
    (shipped / "classifier.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="is damaged or was changed"):
        use_version("lung", "1.0.0")
    assert find_model("lung") == store / "lung"


def test_a_damaged_model_that_is_replaced_is_kept_as_damaged(bundles, store):
    install_model(bundles["1.0.0"])
    (store / "lung" / "model.json").write_text("{")
    install_model(bundles["1.1.0"])
    (kept,) = (store / ".versions" / "lung").iterdir()
    assert kept.name.startswith("damaged-") and (kept / "classifier.safetensors").is_file()


def test_a_version_that_does_not_exist_is_named_with_those_that_do(bundles, store):
    with pytest.raises(ModelError, match="there is no version of a model 'lung'"):
        versions("lung")
    install_model(bundles["1.0.0"])
    with pytest.raises(ModelError, match=r"has no version '3'; expected one of: 1\.0\.0 \([0-9a-f]{8}\)"):
        use_version("lung", "3")
    with pytest.raises(ModelError, match="has no version"):  # too little of a digest to name one by
        use_version("lung", read_bundle(bundles["1.0.0"]).digest[:3])


def test_two_versions_of_one_number_are_told_apart_by_their_digests(bundles, store, tmp_path):
    install_model(bundles["1.0.0"])
    twin = shutil.copytree(bundles["1.0.0"], tmp_path / "lung")
    description = json.loads((twin / "model.json").read_text())
    (twin / "model.json").write_text(json.dumps({**description, "title": "trained again"}))
    install_model(twin)
    install_model(bundles["1.1.0"])
    with pytest.raises(InputError, match="2 versions of 'lung' are 1.0.0; name one by the beginning of its digest"):
        use_version("lung", "1.0.0")
    assert use_version("lung", read_bundle(twin).digest[:8]).info.title == "trained again"


def test_a_damaged_version_is_listed_and_not_brought_back(bundles, store):
    install_model(bundles["1.0.0"])
    install_model(bundles["1.1.0"])
    (kept,) = (store / ".versions" / "lung").iterdir()
    (kept / "classifier.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="is damaged or was changed"):
        use_version("lung", "1.0.0")
    (kept / "model.json").write_text("{")
    assert "is not JSON" in versions("lung")[1].problem
    assert find_model("lung") == store / "lung"


def test_a_model_in_a_folder_that_comes_first_is_named(bundles, store, tmp_path, monkeypatch):
    install_model(bundles["1.0.0"])
    install_model(bundles["1.1.0"])
    monkeypatch.setenv("GTVAUTOSEG_MODELS", str(tmp_path / "own"))
    shutil.copytree(bundles["1.2.0"], tmp_path / "own" / "lung")
    with pytest.raises(InputError, match="whose folder comes before"):
        use_version("lung", "1.0.0")


def test_the_next_version_is_one_that_nobody_has(bundles, store):
    assert next_version("lung") == "1.0.0"
    for version in ("1.1.0", "1.0.0"):
        install_model(bundles[version])
    assert next_version("lung") == "1.2.0"


def test_a_full_disk_changes_nothing(bundles, store, monkeypatch):
    install_model(bundles["1.0.0"])

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("GTVAutoSegLib.model.kept.shutil.copy2", full)
        with pytest.raises(DiskError, match="No space left on device"):
            install_model(bundles["1.1.0"])
    assert listed() == [("1.0.0", True)] and verify_model("lung")


KILLED = """
import os, signal, sys
from pathlib import Path
from GTVAutoSegLib.model.versions import use_version
left = int(sys.argv[2])
def die(event, _):
    global left
    if event in ("os.rename", "os.mkdir", "open", "shutil.rmtree", "os.remove"):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(die)
use_version("lung", sys.argv[1])
"""


def test_killed_before_any_change_of_a_file_the_id_stands_for_one_of_both(bundles, store, tmp_path):
    install_model(bundles["1.0.0"])
    install_model(bundles["1.1.0"])
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    program = KILLED.replace(
        "import os", "import GTVAutoSegLib.model.bundle as b\nb.resource_folders = lambda _: []\nimport os"
    )
    digests = {read_bundle(bundles[version]).digest for version in ("1.0.0", "1.1.0")}
    found, number = set(), 1
    while True:
        wanted = next(one.version for one in versions("lung") if not one.current)
        done = subprocess.run([sys.executable, "-c", program, wanted, str(number)], env=environment, check=False)
        # A process of its own, as what a killed one left is looked for once in each.
        look = "from GTVAutoSegLib.model.bundle import verify_model; print(verify_model('lung').digest)"
        after = subprocess.run(
            [sys.executable, "-c", look], env=environment, capture_output=True, text=True, check=True
        )
        assert after.stdout.strip() in digests
        assert {one.digest for one in versions("lung")} == digests
        found.add(after.stdout.strip())
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL
        number += 2
    assert found == digests
    assert not [path for path in store.iterdir() if path.name.endswith(".part") or path.name.startswith(".gtv-")]


def test_the_command_shows_versions_and_results_name_the_one_in_use(bundles, store, tmp_path, capsys):
    install_model(bundles["1.0.0"])
    assert main(["model", "install", str(bundles["1.1.0"]), "--replace"]) == 0
    assert "version 1.0.0 is kept; bring it back with: gtvautoseg model use lung 1.0.0" in capsys.readouterr().out
    sitk.WriteImage(sitk.GetImageFromArray(body_ct((4, 32, 32), 0).astype(np.int16)), tmp_path / "ct.nrrd")
    digests = []
    for version in ("1.1.0", "1.0.0"):
        assert main(["model", "use", "lung", version]) == 0
        out = ["--output", str(tmp_path / "gtv.nrrd"), "--json", str(tmp_path / "gtv.json")]
        assert main(["segment", str(tmp_path / "ct.nrrd"), "--model", "lung", *out]) == 0
        digests.append(json.loads((tmp_path / "gtv.json").read_text())["model"]["digest"])
    assert digests == [read_bundle(bundles[version]).digest for version in ("1.1.0", "1.0.0")]
    capsys.readouterr()
    assert main(["model", "versions", "lung"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.split()[:4] == ["1.0.0", digests[1][:12], "in", "use"]
    assert second.split()[:3] == ["1.1.0", digests[0][:12], "kept"]
    assert main(["model", "use", "lung", "1.1.0"]) == 0
    capsys.readouterr()
    assert main(["model", "remove", "lung"]) == 0
    removed, *kept = capsys.readouterr().out.splitlines()
    assert removed == f"removed: {(store / 'lung').resolve()}" and len(kept) == 2
    assert all("is still there" in line and ".versions" in line for line in kept)
