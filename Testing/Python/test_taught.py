"""A model that was trained before models told their CTs gets to tell them, without another training."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from datasets import write_case, write_dataset, write_preset, write_task

from GTVAutoSegLib.commands.cli import main as gtvautoseg
from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.model.bundle import verify_model
from GTVAutoSegLib.study.taught import main


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Data set, run, and a model of an older program."""
    root = tmp_path_factory.mktemp("made")
    write_dataset(root / "data" / "train", 2)
    write_case(root / "data" / "val" / "other", 7)
    task, preset = write_task(root / "task.json"), write_preset(root / "preset.json", epochs=1)
    arguments = ["train", task, root / "data", root / "run", "--preset", preset, "--device", "cpu"]
    assert gtvautoseg(list(map(str, arguments))) == 0
    return root


@pytest.fixture
def silent(made, tmp_path) -> Path:
    model = Path(shutil.copytree(made / "run" / "phantom", tmp_path / "phantom"))
    info = json.loads((model / "model.json").read_text())
    for name in ("voxels_sha256", "chosen_on", "every_ct"):
        del info["training_data"][name]
    (model / "model.json").write_text(json.dumps(info))
    return model


def test_it_tells_the_same_as_a_model_of_today_and_is_otherwise_unchanged(made, silent, capsys):
    before = json.loads((silent / "model.json").read_text())
    main([str(silent), *sets(made), "--runs", str(made / "run")])
    assert capsys.readouterr().out.startswith("2 CTs, all that it learned from; chosen on 1 others; written: ")
    after = json.loads((silent / "model.json").read_text())
    assert after == json.loads((made / "run" / "phantom" / "model.json").read_text())
    assert {**after, "training_data": before["training_data"]} == before
    verify_model(silent)


def sets(made: Path) -> list[str]:
    return [str(made / "data" / "train"), str(made / "data" / "val")]


def test_without_its_runs_nobody_says_that_these_are_all(made, silent, capsys):
    main([str(silent), str(made / "data" / "train")])
    assert "perhaps not all" in capsys.readouterr().out
    assert json.loads((silent / "model.json").read_text())["training_data"]["every_ct"] is False


def test_data_sets_that_are_not_those_of_the_runs_are_refused_and_nothing_is_written(made, silent, tmp_path):
    before = (silent / "model.json").read_text()
    few = tmp_path / "few"
    shutil.copytree(made / "data" / "train" / "patient0", few / "patient0")
    with pytest.raises(InputError, match="used the case patient1, which is in none of the data sets"):
        main([str(silent), str(few), str(made / "data" / "val"), "--runs", str(made / "run")])
    write_case(tmp_path / "idle" / "stranger", 8)
    with pytest.raises(InputError, match="no run used .*stranger"):
        main([str(silent), *sets(made), str(tmp_path / "idle"), "--runs", str(made / "run")])
    assert (silent / "model.json").read_text() == before
