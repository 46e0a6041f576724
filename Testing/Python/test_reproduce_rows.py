"""Which rows a table gets, and how its 3D systems are set up."""

from __future__ import annotations

from dataclasses import replace

import pytest
from datasets import write_dataset, write_preset, write_task
from test_reproduce import prepared, request_of

from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.study.reproduce.run import prepare
from GTVAutoSegLib.study.reproduce.systems import VOLUME, Recipe
from GTVAutoSegLib.study.volumetric import VolumeSettings


@pytest.fixture
def data(tmp_path):
    """Ten phantoms, a task and a preset."""
    write_dataset(tmp_path / "phantoms", 10)
    write_task(tmp_path / "task.json")
    write_preset(tmp_path / "preset.json")
    return tmp_path


def test_only_the_rows_that_are_named_are_compared_with_hcf(data, tmp_path):
    (tmp_path / "run").mkdir()
    rows = {"tables": ("table2",), "systems": ("3D V-Net", "U-Net")}
    plan = prepare(request_of(data, tmp_path / "run", folds=1, **rows), lambda text: None)
    assert [system.name for system in plan.tables[0].systems] == ["U-Net", "3D V-Net", "HCF"]
    assert {part.recipe.network for part in plan.parts} == {"resnet18", "sanet", "unet", "vnet3d"}
    assert plan.caption.command("table2").endswith("--systems '3D V-Net' U-Net")
    with pytest.raises(InputError, match="--systems names 'V-Net'; expected rows of the tables, of: U-Net, "):
        prepare(request_of(data, tmp_path / "run", tables=("table2",), systems=("V-Net",)), lambda text: None)


def test_a_batch_of_small_patches_has_as_many_as_the_preset_s_has_slices(data, tmp_path):
    setup, recipe = prepared(data, tmp_path / "run"), Recipe(VOLUME, "vnet3d")
    fold, slices = setup.folds[0], setup.preset.segmenter.batch
    small = setup.volume_settings(recipe, fold)
    assert small.patch == (16, 32, 32) and small.training.batch == slices == 8
    full = replace(setup, task=setup.task.resized(512, 64)).volume_settings(recipe, fold)
    assert (full.patch, full.training.batch) == (VolumeSettings().patch, VolumeSettings().training.batch)
