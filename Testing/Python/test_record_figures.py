"""What records of the audit trail tell of an outline: the scanner, what was proposed, and what a person made of it."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from batches import run
from bundles import make_bundle
from dicom_samples import write_series
from phantoms import body_ct
from test_batch_corrections import SHAPE, cut, mask_of, save

from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.images.dicom.scanner import scanner_of
from GTVAutoSegLib.images.read import read_volume
from GTVAutoSegLib.images.volume import Volume
from GTVAutoSegLib.report.record.audit import read_trail
from GTVAutoSegLib.report.record.edits import measure_edit

SCANNER = {"Manufacturer": "ACME", "ManufacturerModelName": "CT 5"}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("models") / "random", bias=50.0)


@pytest.fixture
def ct(tmp_path):
    write_series(tmp_path / "in", body_ct(SHAPE), pixel_spacing=(1.0, 1.0), **SCANNER)
    return tmp_path / "in"


def records(folder):
    trail = read_trail(folder / "audit.jsonl")
    assert not trail.problem
    return list(trail.records)


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (SCANNER, "ACME CT 5"),
        ({"Manufacturer": "ACME", "ManufacturerModelName": "ACME CT 5"}, "ACME CT 5"),
        ({"Manufacturer": "", "ManufacturerModelName": "CT 5"}, "CT 5"),
        ({"Manufacturer": "ACME\n<b>", "ManufacturerModelName": ""}, "ACME <b>"),
        ({}, ""),
    ],
)
def test_a_scanner_is_its_manufacturer_and_model(tmp_path, texts, said):
    files = write_series(tmp_path, body_ct(SHAPE))
    for file in files:
        data = pydicom.dcmread(file)
        for name in SCANNER:
            setattr(data, name, texts.get(name, ""))
        data.save_as(file)
    assert scanner_of(read_volume(tmp_path)) == said


def test_no_file_and_one_that_is_gone_tell_no_scanner(ct):
    assert scanner_of(Volume(body_ct(SHAPE))) == ""
    volume = read_volume(ct)
    volume.dicom_files[0].unlink()
    assert scanner_of(volume) == ""


def test_run_edit_and_approval_of_a_batch_tell_scanner_model_and_both_volumes(capsys, tmp_path, ct, bundle):
    words = (ct, tmp_path / "out", "--model", bundle, "--device", "cpu")
    assert run(capsys, *words)[0] == 0
    (folder,) = (path for path in (tmp_path / "out").iterdir() if path.is_dir())
    automatic = mask_of(folder)
    assert main(["approve", str(folder), "--reviewer", "Meyer"]) == 0
    save(folder, cut(automatic))
    run(capsys, *words, "--resume")
    told, approved, edited, _lapsed = records(tmp_path / "out")
    edit = measure_edit(automatic, cut(automatic), read_volume(ct))
    for one in (told, approved, edited):
        assert (one["scanner"], one["model"], one["version"], len(one["digest"])) == (
            "ACME CT 5",
            "random",
            "1.0.0",
            64,
        )
    assert told["volume_ml"] == approved["volume_before_ml"] == approved["volume_after_ml"] == edit.volume_before_ml
    assert (approved["added_path_length_mm"], approved["slices_changed"]) == (0.0, 0)
    assert edited["added_path_length_mm"] == edit.added_path_length_mm and edited["slices_changed"] == 2
    assert (edited["volume_before_ml"], edited["volume_after_ml"]) == (edit.volume_before_ml, edit.volume_after_ml)
    assert edited["proposed_sha256"] == approved["proposed_sha256"] == told["mask_sha256"]


def test_segment_begins_a_trail_that_approval_and_export_continue_with_what_was_edited(tmp_path, ct, bundle):
    mask = tmp_path / "one" / "gtv.seg.nrrd"
    mask.parent.mkdir()
    assert main(["segment", str(ct), "--model", str(bundle), "--output", str(mask), "--device", "cpu"]) == 0
    assert main(["approve", str(mask), "--reviewer", "Meyer"]) == 0
    image = sitk.ReadImage(str(mask))
    automatic = sitk.GetArrayFromImage(image)
    edited = sitk.GetImageFromArray(cut(automatic))
    edited.CopyInformation(image)
    for key in image.GetMetaDataKeys():
        edited.SetMetaData(key, image.GetMetaData(key))
    sitk.WriteImage(edited, str(mask), useCompression=True)
    assert main(["approve", str(mask), "--reviewer", "Meyer"]) == 0
    assert main(["rtstruct", str(ct), str(mask), "--output", str(tmp_path / "one" / "rs.dcm")]) == 0
    told, untouched, corrected, exported = records(mask.parent)
    edit = measure_edit(automatic, cut(automatic), read_volume(ct))
    assert (told["what"], told["files"], told["scanner"]) == ("run", ["gtv.seg.nrrd"], "ACME CT 5")
    assert told["mask_sha256"] == untouched["proposed_sha256"] == corrected["proposed_sha256"]
    assert (untouched["added_path_length_mm"], corrected["added_path_length_mm"]) == (0.0, edit.added_path_length_mm)
    (region,) = exported["regions"]
    assert exported["scanner"] == "ACME CT 5" and region["reviewer"] == "Meyer"
    assert region["added_path_length_mm"] == edit.added_path_length_mm > 0


def test_a_mask_that_no_model_made_has_no_figures(tmp_path, ct):
    volume = read_volume(ct)
    image = sitk.GetImageFromArray(np.pad(np.ones((2, 6, 6), np.uint8), ((1, 3), (10, 32), (20, 30))))
    for name in ("Spacing", "Origin", "Direction"):
        getattr(image, f"Set{name}")(getattr(volume, name.lower()))
    path = tmp_path / "drawn.nrrd"
    sitk.WriteImage(image, str(path))
    assert main(["approve", str(path), "--reviewer", "Meyer"]) == 0
    assert main(["rtstruct", str(ct), str(path), "--output", str(tmp_path / "rs.dcm")]) == 0
    approved, exported = records(tmp_path)
    assert "added_path_length_mm" not in {**approved, **exported["regions"][0]} and approved["case"] == "drawn.nrrd"


def test_complete_begins_a_trail_too(tmp_path, ct):
    drawn = sitk.GetImageFromArray(np.pad(np.ones((1, 9, 9), np.uint8), ((2, 3), (20, 19), (20, 27))))
    volume = read_volume(ct)
    for name in ("Spacing", "Origin", "Direction"):
        getattr(drawn, f"Set{name}")(getattr(volume, name.lower()))
    sitk.WriteImage(drawn, str(tmp_path / "drawn.nrrd"))
    (tmp_path / "done").mkdir()
    words = [str(ct), str(tmp_path / "drawn.nrrd"), "--first", "1", "--last", "3"]
    assert main(["complete", *words, "--output", str(tmp_path / "done" / "gtv.nrrd")]) == 0
    (record,) = records(tmp_path / "done")
    assert (record["what"], record["scanner"], record["drawn"]) == ("completion", "ACME CT 5", [2])
