"""A model tells which CTs it has learned from, whatever file they come from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import SimpleITK as sitk
from bundles import make_bundle
from datasets import write_dataset, write_preset, write_task

from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.evaluation.learned import ALL, SOME, Learned, learned_from
from GTVAutoSegLib.images.read import read_volume
from GTVAutoSegLib.model.bundle import read_bundle
from GTVAutoSegLib.system.settings import PreprocessSettings
from GTVAutoSegLib.training.data.dataset import find_cases
from GTVAutoSegLib.training.data.imports.voxels import voxels_sha256
from GTVAutoSegLib.training.data.slice_store import build_store


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"), 4)


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory) -> Path:
    """The model of fold 0, which patient0 or others validate."""
    return train(tmp_path_factory.mktemp("run"), data)


def train(folder: Path, data: Path, *options: object, fold: int = 0) -> Path:
    task, preset = write_task(folder / "task.json"), write_preset(folder / "preset.json", epochs=1)
    arguments = [task, data, folder / "run", "--preset", preset, "--device", "cpu", "--fold", fold, *options]
    assert main(["train", *map(str, arguments)]) == 0
    return folder / "run" / f"fold_{fold}" / "phantom"


def voxels_of(data: Path) -> dict[str, str]:
    return {case.name: voxels_sha256(read_volume(case.image)) for case in find_cases(data)}


def test_a_fold_has_learned_from_all_but_its_own_cases(data, trained):
    known = learned_from(read_bundle(trained), voxels_of(data))
    assert known.kind == "some" and len(known.cases) == 3
    assert known.sentence("It").startswith("It has learned from 3 of these cases (patient")
    taught = {name: one for name, one in voxels_of(data).items() if name in known.cases}
    assert learned_from(read_bundle(trained), taught).kind == "all"
    assert learned_from(read_bundle(trained), {"new": "0" * 16}).sentence("It") == ""


def test_a_fold_says_that_its_own_cases_chose_its_epochs(data, trained):
    known = learned_from(read_bundle(trained), voxels_of(data))
    (own,) = known.chosen
    assert own not in known.cases
    alone = learned_from(read_bundle(trained), {own: voxels_of(data)[own]})
    assert alone.kind == "none"
    assert (
        alone.sentence("It") == f"It has its epochs or thresholds from 1 of these cases ({own}), so its figures flatter"
    )
    both = known.sentence("It")
    assert f"and has its epochs or thresholds from 1 of these cases ({own}), so its figures flatter" in both
    assert both.count("flatter") == 1


def test_of_many_cases_five_are_named():
    names = tuple("abcdef")
    assert "from all of these cases (a, b, c, d, e, ...)" in Learned(ALL, names).sentence("It")
    assert "from 5 of these cases (a, b, c, d, e), so" in Learned(SOME, names[:5]).sentence("It")


def test_what_chose_the_model_one_began_with_counts_unless_it_taught_later(data, trained, tmp_path):
    first = read_bundle(trained).info.training_data
    second = read_bundle(train(tmp_path, data, "--start-from", trained, fold=1)).info.training_data
    assert set(second.voxels_sha256) == set(voxels_of(data).values())
    assert first.chosen_on and not second.chosen_on


def test_a_model_that_tells_nothing_is_unknown_and_so_is_one_that_began_with_it(data, trained, tmp_path):
    silent = make_bundle(tmp_path / "silent", size=32)
    assert learned_from(read_bundle(silent), voxels_of(data)).kind == "unknown"
    for name, start, new, ours in (("silent", silent, "unknown", "some"), ("telling", trained, "none", "all")):
        (tmp_path / name).mkdir(exist_ok=True)
        model = read_bundle(train(tmp_path / name, data, "--start-from", start, fold=1))
        assert learned_from(model, {"new": "0" * 16}).kind == new
        assert learned_from(model, voxels_of(data)).kind == ours


def test_an_evaluation_says_so_when_the_model_has_learned_from_its_cases(data, trained, tmp_path, capsys):
    silent = make_bundle(tmp_path / "silent", size=32)
    models = ["--model", str(trained), "--model", str(silent), "--device", "cpu"]
    assert main(["evaluate", str(data), *models, "--output", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "note: phantom has learned from 3 of these cases (patient" in said
    assert "note: silent does not tell which CTs it has learned from" in said
    assert len(json.loads((tmp_path / "out" / "metrics.json").read_text())["remarks"]) == 2


def test_a_ct_is_known_again_in_another_format_and_storage_order(data, tmp_path):
    image = sitk.ReadImage(str(data / "patient1" / "data.nii.gz"))
    sitk.WriteImage(sitk.Flip(image, [False, True, True]), tmp_path / "flipped.nrrd")
    sitk.WriteImage(sitk.PermuteAxes(sitk.Cast(image, sitk.sitkFloat32), [2, 0, 1]), tmp_path / "permuted.mha")
    known = voxels_of(data)
    for name in ("flipped.nrrd", "permuted.mha"):
        assert voxels_sha256(read_volume(tmp_path / name)) == known["patient1"]
    assert len(set(known.values())) == 4


def test_a_store_that_was_made_before_tells_them_too(data, tmp_path):
    settings = PreprocessSettings(size=32)
    cases = find_cases(data)[:2]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("GTVAutoSegLib.training.data.slice_store._code_version", lambda: "an earlier layout")
        for case in build_store(cases, settings, tmp_path / "store"):
            values = json.loads((case.folder / "case.json").read_text())
            del values["voxels"]
            (case.folder / "case.json").write_text(json.dumps(values))
    again = build_store(cases, settings, tmp_path / "store")
    assert [case.voxels for case in again] == [voxels_sha256(read_volume(case.image)) for case in cases]
    shutil.rmtree(tmp_path / "store")
