"""Files of a training run that are damaged, missing, or on a full disk: a sentence each, and nothing lost."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout  # Python 3.10 has one of its own
from pathlib import Path

import pytest
import torch
from datasets import write_dataset, write_preset, write_task
from safetensors.torch import load_file

from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.errors import DiskError, InputError
from GTVAutoSegLib.system.lock import locked
from GTVAutoSegLib.training.checkpoint import save_state


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A folder with task, preset, data, and the finished run of a fold."""
    folder = tmp_path_factory.mktemp("trained")
    write_dataset(folder / "data", 3)
    write_task(folder / "task.json")
    write_preset(folder / "preset.json", epochs=1)
    assert resume(folder) == 0
    return folder


@pytest.fixture
def copy(trained, tmp_path) -> Path:
    return shutil.copytree(trained, tmp_path / "copy")


def resume(folder: Path) -> int:
    names = ("task.json", "data", "run", "preset.json")
    task, data, run, preset = (str(folder / name) for name in names)
    return main(["train", task, data, run, "--preset", preset, "--device", "cpu", "--fold", "0", "--resume"])


def refused(folder: Path, capsys, code: int) -> str:
    assert resume(folder) == code
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("gtvautoseg: ") and "unexpectedly" not in error
    return error


def test_a_damaged_configuration_is_named(copy, capsys):
    path = copy / "run" / "run.json"
    whole = json.loads(path.read_text())
    path.write_text("{")
    assert "run.json is damaged (Expecting property name" in refused(copy, capsys, 2)
    path.write_text(json.dumps({**whole, "folds": {"fold_0": [1]}}))
    assert "run.json is damaged (run.json.folds.fold_0[0] is 1, expected a string)" in refused(copy, capsys, 2)


def test_a_run_from_before_a_setting_existed_still_goes_on(copy):
    path = copy / "run" / "run.json"
    configuration = json.loads(path.read_text())
    for stage in ("classifier", "segmenter"):
        del configuration["task"][stage]["combine"]
    path.write_text(json.dumps(configuration))
    assert resume(copy) == 0


@pytest.mark.parametrize("text", ["[", '{"folds": [1]}', "[]"])
def test_damaged_folds_are_named(copy, capsys, text):
    (copy / "run" / "folds.json").write_text(text)
    assert "folds.json is not a list of folds" in refused(copy, capsys, 2)


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04half"])
def test_a_damaged_state_is_named_in_one_sentence(copy, capsys, content):
    network = copy / "run" / "fold_0" / "segmenter"
    (network / "state.pt").write_bytes(content)
    assert refused(copy, capsys, 4).endswith(
        f"{network / 'state.pt'} is damaged; delete {network} to train this network anew"
    )
    torch.save({"a": 1}, network / "state.pt")
    assert "state.pt holds no training; delete" in refused(copy, capsys, 4)
    shutil.rmtree(network)
    assert resume(copy) == 0


def test_a_damaged_log_is_written_again(copy):
    log = copy / "run" / "fold_0" / "segmenter" / "log.jsonl"
    before = log.read_bytes()
    for damage in (lambda: log.write_text("{"), log.unlink):
        damage()
        assert resume(copy) == 0
        assert log.read_bytes() == before


def test_damaged_or_missing_weights_are_named(copy, capsys):
    weights = copy / "run" / "fold_0" / "classifier" / "weights.safetensors"
    weights.write_bytes(b"x")
    assert f"{weights} is damaged (" in refused(copy, capsys, 4)
    weights.unlink()
    assert f"{weights} is damaged (No such file" in refused(copy, capsys, 4)


@pytest.mark.parametrize("name", ["case.json", "images.npy", "masks.npy"])
def test_a_damaged_store_is_named_and_made_anew_when_deleted(copy, capsys, name):
    case = next((copy / "run" / "slices").glob("patient0-*"))
    (case / name).write_bytes(b"{")
    assert f"{case} is damaged (" in refused(copy, capsys, DiskError.exit_code)
    shutil.rmtree(case)
    assert resume(copy) == 0


def test_weights_are_as_readable_as_the_other_files_of_a_bundle(trained):
    files = list((trained / "run" / "phantom").iterdir())
    assert len(files) == 3 and len({path.stat().st_mode for path in files}) == 1
    assert load_file(trained / "run" / "phantom" / "segmenter.safetensors")


def test_a_state_that_does_not_fit_on_the_disk_is_a_sentence(tmp_path, monkeypatch):
    def full(*_):
        raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 704 vs 598")

    monkeypatch.setattr("GTVAutoSegLib.training.checkpoint.torch.save", full)
    with pytest.raises(DiskError, match=r"state.pt could not be written \(PyTorch could not write all of it\); free"):
        save_state(tmp_path, {})
    assert not list(tmp_path.iterdir())


def test_two_machines_that_finish_at_once_write_the_bundle_one_after_the_other(tmp_path):
    events = []

    def second() -> None:
        with locked(tmp_path, patience=30):
            events.append("second")

    with ThreadPoolExecutor() as pool:
        with locked(tmp_path):
            with pytest.raises(InputError, match="another run is writing to"), locked(tmp_path):
                pass
            waiting = pool.submit(second)
            with pytest.raises(FutureTimeout):
                waiting.result(timeout=0.3)
            events.append("first")
        waiting.result(timeout=30)
    assert events == ["first", "second"]
