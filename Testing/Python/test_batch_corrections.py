"""A mask that a person corrected, at the next ``--resume``: structure set, report and figures follow it."""

from __future__ import annotations

import base64
import json
import zlib

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from batches import rows, run, stamps
from bundles import make_bundle
from dicom_samples import write_series
from phantoms import body_ct

from GTVAutoSegLib.batch import case
from GTVAutoSegLib.images.dicom.rtstruct import read_structure_set, roi_mask
from GTVAutoSegLib.images.masks.packed import pack, unpack
from GTVAutoSegLib.images.read import read_volume
from GTVAutoSegLib.images.volume import Volume
from GTVAutoSegLib.report.record.edits import describe_edit, measure_edit

SHAPE = (6, 48, 56)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("models") / "random", bias=50.0)


@pytest.fixture
def batch(capsys, tmp_path, bundle):
    """A finished batch of one DICOM case: its folder, its CT, and how it is resumed."""
    write_series(tmp_path / "in", body_ct(SHAPE), pixel_spacing=(1.0, 1.0))
    words = (tmp_path / "in", tmp_path / "out", "--model", bundle, "--device", "cpu")
    assert run(capsys, *words)[0] == 0
    (folder,) = (path for path in (tmp_path / "out").iterdir() if path.is_dir())
    return folder, read_volume(tmp_path / "in"), (*words, "--resume")


def mask_of(folder) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(folder / f"{folder.name}.seg.nrrd")))


def save(folder, mask, fields=None):
    """Save a segmentation as an editor does: the same header, other voxels."""
    path = folder / f"{folder.name}.seg.nrrd"
    old = sitk.ReadImage(str(path))
    image = sitk.GetImageFromArray(mask)
    image.CopyInformation(old)
    for key in old.GetMetaDataKeys():
        image.SetMetaData(key, old.GetMetaData(key))
    for key, value in (fields or {}).items():
        image.SetMetaData(key, value)
    sitk.WriteImage(image, str(path), useCompression=True)
    return path.read_bytes()


def cut(mask) -> np.ndarray:
    """The upper half of two slices is taken away."""
    edited = mask.copy()
    edited[2:4, : SHAPE[1] // 2] = 0
    return edited


def regions(path, volume):
    data = pydicom.dcmread(path)
    masks = {roi.name: roi_mask([roi], volume)[0] for roi in read_structure_set(path).rois}
    return masks, {one.ROIName: one.ROIGenerationAlgorithm for one in data.StructureSetROISequence}


def test_structure_set_report_and_figures_follow_a_corrected_mask_and_the_automatic_ones_are_kept(capsys, batch):
    folder, volume, command = batch
    automatic = mask_of(folder)
    content = save(folder, cut(automatic))
    first = (folder / f"{folder.name}.dcm").read_bytes()
    code, out, err = run(capsys, *command)
    assert code == 0 and "edited on 2 slices (2 to 3)" in out and "cannot be followed" not in err
    assert (folder / f"{folder.name}.seg.nrrd").read_bytes() == content
    masks, algorithms = regions(folder / f"{folder.name}.dcm", volume)
    np.testing.assert_array_equal(masks["GTVp"], cut(automatic))
    assert algorithms == {"GTVp": "SEMIAUTOMATIC"}
    assert pydicom.dcmread(folder / f"{folder.name}.dcm").ApprovalStatus == "UNAPPROVED"
    assert (folder / "automatic" / f"{folder.name}.dcm").read_bytes() == first
    assert "of the outline as the model made it" in (folder / "automatic" / "report.html").read_text()
    report = (folder / "report.html").read_text()
    assert "Added path length" in report and "as the model made it, not of one" not in report
    row = rows(folder.parent)[folder.name]
    edit = measure_edit(automatic, cut(automatic), volume)
    assert row["status"] == "changed" and row["slices_changed"] == "2"
    for column, value in (
        ("volume_ml", edit.volume_after_ml),
        ("volume_before_ml", edit.volume_before_ml),
        ("edit_dsc", edit.dsc),
        ("edit_surface_dice_2mm", edit.surface_dice_2mm),
        ("added_path_length_mm", edit.added_path_length_mm),
    ):
        assert float(row[column]) == pytest.approx(value, abs=1e-4)
    assert describe_edit(edit) in row["warnings"]


def test_a_correction_is_made_once_and_another_one_is_compared_to_the_model_again(capsys, batch):
    folder, volume, command = batch
    automatic = mask_of(folder)
    save(folder, cut(automatic))
    run(capsys, *command)
    before, kept = stamps(folder.parent), (folder / "automatic" / f"{folder.name}.dcm").read_bytes()
    _, out, err = run(capsys, *command)
    assert stamps(folder.parent) == before and "edited on" not in out and not err
    assert "1 of the done changed by a person and kept" in out
    again = cut(automatic)
    again[0] = 0
    save(folder, again)
    _, out, _ = run(capsys, *command)
    assert "edited on 3 slices (0 to 3)" in out
    np.testing.assert_array_equal(regions(folder / f"{folder.name}.dcm", volume)[0]["GTVp"], again)
    assert (folder / "automatic" / f"{folder.name}.dcm").read_bytes() == kept


def test_a_record_whose_outline_of_the_model_is_damaged_is_said_to_hold_none(capsys, batch):
    folder, _, command = batch
    record = folder / "result.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "automatic": "damaged"}))
    content = save(folder, cut(mask_of(folder)))
    _, out, err = run(capsys, *command)
    assert "no longer holds the outline as the model made it" in out + err
    assert (folder / f"{folder.name}.seg.nrrd").read_bytes() == content


def test_a_region_drawn_beside_the_models_leaves_with_it(capsys, batch):
    folder, volume, command = batch
    automatic = mask_of(folder)
    both = cut(automatic)
    both[2, 4:9, 4:9] = 2
    save(folder, both, {"Segment1_ID": "Segment_2", "Segment1_Name": "GTVn", "Segment1_LabelValue": "2"})
    _, out, _ = run(capsys, *command)
    assert "further regions: GTVn" in out
    masks, algorithms = regions(folder / f"{folder.name}.dcm", volume)
    assert algorithms == {"GTVp": "SEMIAUTOMATIC", "GTVn": ""}
    np.testing.assert_array_equal(masks["GTVp"], both == 1)
    np.testing.assert_array_equal(masks["GTVn"], both == 2)


def test_an_erased_outline_has_no_volume_and_no_contours(capsys, batch):
    folder, volume, command = batch
    save(folder, 0 * mask_of(folder))
    run(capsys, *command)
    assert not regions(folder / f"{folder.name}.dcm", volume)[0]["GTVp"].any()
    row = rows(folder.parent)[folder.name]
    assert (row["volume_ml"], row["slices"], row["reason"]) == ("0.0", "0", "a person erased the outline")


def test_a_mask_saved_without_a_change_stays_automatic(capsys, batch):
    folder, volume, command = batch
    save(folder, mask_of(folder), {"Segment0_Color": "0 1 0"})
    _, out, _ = run(capsys, *command)
    assert "no voxel differs" in out
    assert regions(folder / f"{folder.name}.dcm", volume)[1] == {"GTVp": "AUTOMATIC"}
    assert rows(folder.parent)[folder.name]["slices_changed"] == ""


def test_a_run_that_is_killed_over_a_correction_begins_anew_and_loses_nothing(capsys, batch, monkeypatch):
    folder, volume, command = batch
    automatic = mask_of(folder)
    content = save(folder, cut(automatic))

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(case, "seal", killed)
        assert run(capsys, *command)[0] == 130
    assert json.loads((folder / "result.json").read_text())["correction"] is None
    assert run(capsys, *command)[0] == 0
    assert (folder / f"{folder.name}.seg.nrrd").read_bytes() == content
    np.testing.assert_array_equal(regions(folder / f"{folder.name}.dcm", volume)[0]["GTVp"], cut(automatic))
    np.testing.assert_array_equal(regions(folder / "automatic" / f"{folder.name}.dcm", volume)[0]["GTVp"], automatic)
    assert rows(folder.parent)[folder.name]["slices_changed"] == "2"


def test_what_a_planning_system_saved_over_the_structure_set_is_a_correction_too_and_two_that_differ_are_refused(
    capsys, batch
):
    folder, _, command = batch
    automatic = mask_of(folder)
    path = folder / f"{folder.name}.dcm"
    data = pydicom.dcmread(path)
    data.ROIContourSequence[0].ContourSequence = data.ROIContourSequence[0].ContourSequence[1:]  # one slice less
    data.save_as(path)
    content, without = path.read_bytes(), automatic.copy()
    without[0] = 0
    _, out, _ = run(capsys, *command)
    assert f"{folder.name}.dcm was edited on slice 0" in out and path.read_bytes() == content
    np.testing.assert_array_equal(mask_of(folder), without)
    save(folder, cut(automatic))
    data.save_as(path)
    data.ROIContourSequence[0].ContourSequence = data.ROIContourSequence[0].ContourSequence[1:]
    data.save_as(path)
    _, _, err = run(capsys, *command)
    assert "were both changed and differ from each other" in err
    assert rows(folder.parent)[folder.name]["volume_ml"] == ""


def test_a_mask_as_text_comes_back():
    mask = np.zeros((4, 5, 6), np.uint8)
    mask[1:3, 2:4, 1:5] = np.random.default_rng(0).integers(0, 2, (2, 2, 4))
    np.testing.assert_array_equal(unpack(pack(mask)), mask)
    np.testing.assert_array_equal(unpack(pack(0 * mask)), 0 * mask)
    for text in ("", "no mask", pack(mask)[:-8]):
        with pytest.raises(ValueError, match="packed mask"):
            unpack(text)


@pytest.mark.parametrize(
    "changed",
    [
        {"start": [-1, 0, 0]},
        {"start": [3, 0, 0]},
        {"start": [0, 0]},
        {"size": [2, 2, 9]},
        {"size": [10**7, 10**7, 10**7]},
        {"shape": [10**7, 10**7, 10**7]},
        {"shape": [float("inf")] * 3},
    ],
)
def test_a_text_whose_box_is_not_that_of_its_mask_is_refused(changed):
    head = json.dumps({"shape": [4, 5, 6], "start": [0, 0, 0], "size": [2, 2, 4], **changed})
    text = base64.b64encode(zlib.compress(f"{head}\n".encode() + b"\xff\xff"))
    with pytest.raises(ValueError, match="packed mask"):
        unpack(text.decode())


def test_added_path_length_is_the_outline_that_was_not_there_before():
    volume = Volume(np.zeros((3, 20, 20), np.int16), (2.0, 2.0, 5.0))
    before = np.zeros((3, 20, 20), np.uint8)
    before[1, 5:10, 5:10] = 1
    after = before.copy()
    after[1, 5:10, 10] = 1  # one column more: five pixels of new outline, and its corners
    after[2, 3:6, 3:6] = 1
    edit = measure_edit(before, after, volume)
    lengths = {one.slice: one.added_path_length_mm for one in edit.slices}
    assert lengths == {1: 5 * 2.0, 2: 8 * 2.0}
    assert edit.added_path_length_mm == 26
    added = {one.slice: one.added_ml for one in edit.slices}
    assert added == {1: pytest.approx(5 * 0.02), 2: pytest.approx(9 * 0.02)}
    assert measure_edit(before, before, volume).slices == ()
