"""A table of cases that says where to look."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from bundles import make_bundle
from phantoms import body_ct

from GTVAutoSegLib.batch.find import find_cohort
from GTVAutoSegLib.commands.cli import main


@pytest.fixture
def folder(tmp_path):
    image = sitk.GetImageFromArray(body_ct())
    image.SetSpacing((1.0, 1.0, 3.0))
    sitk.WriteImage(image, str(tmp_path / "ct.nrrd"))
    roi = {"type": "ROI", "center": [24.5, 37.0, 12.0], "size": [9.8, 14.8, 8.0]}
    (tmp_path / "Smith John.mrk.json").write_text(json.dumps({"markups": [roi]}))
    return tmp_path


def test_nothing_is_outlined_outside_of_a_rows_box_and_another_box_is_another_result(folder):
    table, output = folder / "cases.csv", folder / "out"
    model = make_bundle(folder / "everything", bias=50.0)
    table.write_text(
        "name,path,box\nfile,ct.nrrd,Smith John.mrk.json\nnumbers,ct.nrrd,20 29 30 44 8 16\nall,ct.nrrd,\n"
        "numbers,ct.nrrd,20 29 30 44 8 13\n"
    )
    assert main(["batch", str(table), str(output), "--model", str(model)]) == 0
    inside = np.zeros((10, 64, 72), bool)
    inside[3:6, 30:45, 20:30] = True
    masks = {
        path.name.split(".")[0]: sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
        for path in output.glob("*/*.seg.nrrd")
    }
    assert len(masks) == 4 and masks["all"][~inside].any()
    twins = [mask for name, mask in masks.items() if name.startswith("numbers")]
    assert sorted(np.flatnonzero(mask.any(axis=(1, 2))).tolist() for mask in twins) == [[3, 4], [3, 4, 5]]
    assert all(mask.any() and not mask[~inside].any() for mask in (*twins, masks["file"]))
    table.write_text("name,path,box\nall,ct.nrrd,20 29 30 44 8 16\n")
    assert main(["batch", str(table), str(output), "--model", str(model), "--resume"]) == 0
    again = sitk.GetArrayFromImage(sitk.ReadImage(str(output / "all" / "all.seg.nrrd")))
    assert again.any() and not again[~inside].any()


def test_a_model_trained_on_boxes_doubts_the_box_and_not_the_ct_around_it(folder, capsys):
    table, output = folder / "cases.csv", folder / "out"
    seen = {"description": "none", "cases": 1, "hu_percentiles": [[-1000, -1000], [100, 300]]}
    seen |= {"spacing_mm": [[0.8, 0.8], [0.8, 0.8], [3, 3]], "extent_mm": [[5, 40]] * 3}
    crops = {"window": [-160, 240], "size": 64, "crops": {"margin_mm": 4, "slack_mm": [5, 20], "shown_mm": 10}}
    model = make_bundle(folder / "boxes", bias=50.0, in_channels=3, preprocessing=crops, training_data=seen)
    table.write_text("name,path,box\nfits,ct.nrrd,20 29 30 44 8 16\nwide,ct.nrrd,2 69 20 60 8 16\n")
    assert main(["batch", str(table), str(output), "--model", str(model), "--strict"]) == 1
    said = capsys.readouterr()
    assert "fits: GTVp" in said.out and "wide: failed: refused by --strict: the left-right extent is 68 mm" in said.err
    assert json.loads((output / "fits" / "result.json").read_text())["check"] is False


@pytest.mark.parametrize("relative", [False, True])
def test_a_box_that_cannot_be_used_fails_its_row_without_naming_its_file(folder, monkeypatch, relative):
    monkeypatch.chdir(folder)
    table = Path("cases.csv") if relative else folder / "cases.csv"
    (folder / "Doe Jane.mrk.json").write_text("{}")
    table.write_text(
        "name,path,box\na,ct.nrrd,1 2 x\nb,ct.nrrd,Doe Jane.mrk.json\nc,ct.nrrd,gone.mrk.json\nd,ct.nrrd,\n"
    )
    cohort = find_cohort(table)
    assert [case.name for case in cohort.cases] == ["d"]
    failed = dict(cohort.failed)
    assert "row 2: the box is '1 2 x'; expected XMIN XMAX" in failed["a"]
    assert "row 3: its box holds no box" in failed["b"] and "Doe" not in failed["b"]
    assert "row 4: its box cannot be read" in failed["c"]
