"""nnU-Net's raw folders are data sets: structures by name, folds kept, and one sentence for what is wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from datasets import SIDE, save, write_dataset, write_preset, write_task
from phantoms import body_ct

from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.images.read import read_volume
from GTVAutoSegLib.model.bundle import read_bundle
from GTVAutoSegLib.training.data.dataset import find_cases, read_label, read_patients
from GTVAutoSegLib.training.data.folds import read_dataset
from GTVAutoSegLib.training.data.slice_store import content_of

LABELS = {"background": 0, "GTVp": 1, "GTVn": 2}


def write_raw(root: Path, count: int = 4, ending: str = ".nii.gz", labels: dict | None = None) -> Path:
    """A raw folder of version 2: in every label a ball of value 1, and beside it a cube of value 2."""
    for folder in ("imagesTr", "labelsTr"):
        (root / folder).mkdir(parents=True)
    for number in range(count):
        hu = body_ct((6, SIDE, SIDE + 4), number)
        z = np.arange(6)[:, None, None]
        label = ((hu > 85) & (abs(z - 3) < 2)).astype(np.uint8)
        label[2:4, 5:9, 5:9] = 2
        save(hu, root / "imagesTr" / f"case{number}_0000{ending}")
        save(label, root / "labelsTr" / f"case{number}{ending}")
    describe(root, labels=labels or LABELS, file_ending=ending, channel_names={"0": "CT"}, numTraining=count)
    return root


def describe(root: Path, **content) -> None:
    (root / "dataset.json").write_text(json.dumps(content))


def split(root: Path, *folds: tuple[str, str]) -> None:
    """Folds as numbers of cases: those that teach, those that validate."""
    named = [{side: [f"case{n}" for n in one] for side, one in zip(("train", "val"), fold)} for fold in folds]
    (root / "splits_final.json").write_text(json.dumps(named))


@pytest.fixture
def raw(tmp_path) -> Path:
    return write_raw(tmp_path / "nnUNet_raw" / "Dataset501_Ward")


def voxels(path: Path) -> list[int]:
    return [int(read_label(case, read_volume(case.image)).sum()) for case in find_cases(path)]


def test_a_structure_is_asked_for_by_name_or_value_behind_the_folder(raw):
    assert [case.name for case in find_cases(raw / "GTVn")] == [f"case{n}" for n in range(4)]
    assert voxels(raw / "GTVn") == voxels(raw / "2") == [32] * 4 != voxels(raw / "GTVp")
    # The same files, another structure: another case to a run and its store.
    assert content_of(find_cases(raw / "GTVp")[0]) != content_of(find_cases(raw / "GTVn")[0])


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("", r"holds 2 structures; give one of: GTVp \(1\), GTVn \(2\)"),
        ("GTVx", "has no structure 'GTVx'; give one of"),
    ],
)
def test_without_a_structure_or_with_a_wrong_one_those_there_are_named(raw, path, sentence):
    with pytest.raises(InputError, match=sentence):
        find_cases(raw / path)


def test_regions_are_lists_of_values(raw):
    describe(
        raw, labels={"background": 0, "all": [1, 2], "node": [2]}, file_ending=".nii.gz", channel_names={"0": "CT"}
    )
    assert [a - b for a, b in zip(voxels(raw / "all"), voxels(raw / "node"))] == voxels(
        write_raw(raw.parent / "b") / "1"
    )


@pytest.mark.parametrize("ending", [".nrrd", ".mha", ".nii"])
def test_other_file_endings_are_read(tmp_path, ending):
    root = write_raw(tmp_path / "raw", count=2, ending=ending, labels={"background": 0, "a": 1, "b": 2})
    assert voxels(root / "b") == [32, 32]


def test_version_1_is_read_with_and_without_the_channel_in_the_name(raw):
    describe(raw, modality={"0": "CT"}, labels={"0": "background", "1": "GTVp", "2": "GTVn"}, training=[{"image": "x"}])
    assert voxels(raw / "GTVn") == [32] * 4
    for path in (raw / "imagesTr").iterdir():
        path.rename(path.with_name(path.name.replace("_0000", "")))
    assert voxels(raw / "GTVn") == [32] * 4


def test_a_list_of_files_in_the_description_counts(raw):
    (raw / "imagesTr" / "case3_0000.nii.gz").rename(raw.parent / "elsewhere.nii.gz")
    listed = {"far": {"images": ["../elsewhere.nii.gz"], "label": "labelsTr/case3.nii.gz"}}
    describe(raw, labels=LABELS, file_ending=".nii.gz", channel_names={"0": "CT"}, dataset=listed)
    assert [case.name for case in find_cases(raw / "2")] == ["far"] and voxels(raw / "2") == [32]


@pytest.mark.parametrize("name", ["../../elsewhere", "..", "a/b", "c:\\d", ""])
def test_a_name_that_leads_out_of_the_folder_is_refused(raw, name):
    listed = {name: {"images": ["imagesTr/case0_0000.nii.gz"], "label": "labelsTr/case0.nii.gz"}}
    describe(raw, labels=LABELS, file_ending=".nii.gz", channel_names={"0": "CT"}, dataset=listed)
    with pytest.raises(InputError, match="expected names of files"):
        find_cases(raw / "GTVp")


def test_test_cases_with_labels_are_a_data_set_of_their_own(raw):
    for kind in ("images", "labels"):
        shutil.copytree(raw / f"{kind}Tr", raw / f"{kind}Ts")
    (raw / "imagesTs" / "case0_0000.nii.gz").unlink()
    with pytest.raises(InputError, match="the case case0 has a label and no image"):
        find_cases(raw / "imagesTs" / "GTVp")
    (raw / "labelsTs" / "case0.nii.gz").unlink()
    assert [case.name for case in find_cases(raw / "imagesTs" / "GTVp")] == ["case1", "case2", "case3"]
    shutil.rmtree(raw / "labelsTs")
    with pytest.raises(InputError, match="labelsTs does not exist; expected images and labels"):
        find_cases(raw / "imagesTs" / "GTVp")


def no_label(root: Path) -> None:
    (root / "labelsTr" / "case1.nii.gz").unlink()


def twice(root: Path) -> None:
    shutil.copy(root / "imagesTr" / "case1_0000.nii.gz", root / "imagesTr" / "case1.nii.gz")


def two_channels(root: Path) -> None:
    describe(root, labels=LABELS, file_ending=".nii.gz", channel_names={"0": "CT", "1": "PET"})


def another_modality(root: Path) -> None:
    describe(root, labels=LABELS, file_ending=".nii.gz", channel_names={"0": "T1"})


def pictures(root: Path) -> None:
    describe(root, labels=LABELS, file_ending=".png", channel_names={"0": "CT"})


def no_structure(root: Path) -> None:
    describe(root, labels={"background": 0}, file_ending=".nii.gz", channel_names={"0": "CT"})


def half_a_value(root: Path) -> None:
    describe(root, labels={"background": 0, "GTVp": 1.5}, file_ending=".nii.gz", channel_names={"0": "CT"})


def no_json(root: Path) -> None:
    (root / "dataset.json").write_text("{")


def empty(root: Path) -> None:
    for folder in ("imagesTr", "labelsTr"):
        shutil.rmtree(root / folder)
        (root / folder).mkdir()


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (no_label, "the case case1 has an image and no label; expected one in .*labelsTr, or neither"),
        (twice, "case1.nii.gz and case1_0000.nii.gz in .* are one case; remove one of them"),
        (two_channels, "names the channels CT, PET; expected one, CT"),
        (another_modality, "names the channels T1; expected one, CT"),
        (pictures, "has the file_ending '.png'; expected one of: .nii, .nii.gz"),
        (no_structure, "names no structure beside the background"),
        (half_a_value, "gives 'GTVp' the value 1.5; expected a whole number"),
        (no_json, "dataset.json cannot be read"),
        (empty, "imagesTr holds no image; expected <case>_0000.nii.gz"),
    ],
)
def test_what_is_wrong_with_a_raw_folder_is_one_sentence(raw, damage, sentence):
    damage(raw)
    with pytest.raises(InputError, match=sentence):
        find_cases(raw / "GTVp")


@pytest.mark.parametrize(
    ("labels", "value", "sentence"),
    [
        (LABELS, 3, r"holds the values 3; dataset.json names only 0, 1, 2"),
        (LABELS, 0.5, r"holds the values 0\.5; dataset.json names only 0, 1, 2"),
        ({**LABELS, "ignore": 3}, 3, r"has voxels that are to be ignored \(value 3\)"),
    ],
)
def test_values_that_nobody_named_are_one_sentence(raw, labels, value, sentence):
    describe(raw, labels=labels, file_ending=".nii.gz", channel_names={"0": "CT"})
    image = sitk.Cast(sitk.ReadImage(str(raw / "labelsTr" / "case2.nii.gz")), sitk.sitkFloat32)
    image[0, 0, 0] = value
    sitk.WriteImage(image, str(raw / "labelsTr" / "case2.nii.gz"))
    case = next(case for case in find_cases(raw / "GTVp") if case.name == "case2")
    with pytest.raises(InputError, match=sentence):
        read_label(case, read_volume(case.image))


def test_a_label_on_another_grid_is_one_sentence(raw):
    image = sitk.ReadImage(str(raw / "labelsTr" / "case2.nii.gz"))
    image.SetSpacing((1.0, 1.0, 2.5))
    sitk.WriteImage(image, str(raw / "labelsTr" / "case2.nii.gz"))
    with pytest.raises(InputError, match="lies on another grid than"):
        voxels(raw / "GTVp")


def test_folds_are_kept_from_the_folder_or_the_preprocessed_one(raw, monkeypatch, tmp_path):
    assert read_dataset(raw / "GTVp")[1] == []
    beside = raw.parent.parent / "nnUNet_preprocessed" / raw.name
    beside.mkdir(parents=True)
    split(beside, ("0123", "0"))
    with pytest.raises(InputError, match="split has case0 on both sides"):
        read_dataset(raw / "GTVp")
    split(beside, ("012", "3"))
    (fold,) = read_dataset(raw / "GTVp")[1]
    assert (fold.name, fold.training, fold.validation) == ("split", ("case0", "case1", "case2"), ("case3",))
    named = tmp_path / "named" / raw.name
    named.mkdir(parents=True)
    split(named, ("01", "23"), ("23", "01"))
    monkeypatch.setenv("nnUNet_preprocessed", str(named.parent))
    assert [fold.validation for fold in read_dataset(raw / "GTVp")[1]] == [("case2", "case3"), ("case0", "case1")]
    split(raw, ("019", "23"))
    with pytest.raises(InputError, match="names the case case9, which is not in"):
        read_dataset(raw / "GTVp")
    split(raw, ("01", ""))
    with pytest.raises(InputError, match="has no cases on one side"):
        read_dataset(raw / "GTVp")
    (raw / "splits_final.json").write_text('[{"train": []}]')
    with pytest.raises(InputError, match="is not a list of folds"):
        read_dataset(raw / "GTVp")


def test_a_patient_on_both_sides_of_a_fold_is_refused(raw):
    (raw / "patients.json").write_text(json.dumps({"case1": "A", "case2": "A", "test7": "B"}))
    assert read_patients(raw / "GTVp", ["case0", "case1"])["case1"] == "A"
    split(raw, ("01", "23"), ("23", "01"))
    with pytest.raises(InputError, match="case1 and case2 are of one patient by patients.json, and are divided"):
        read_dataset(raw / "GTVp")


def train(raw: Path, out: Path, *options: object) -> int:
    task, preset = write_task(out.parent / "task.json"), write_preset(out.parent / "preset.json", epochs=1)
    return main(["train", *map(str, (task, raw, out, "--preset", preset, "--device", "cpu", *options))])


def test_several_structures_train_a_model_each_in_the_folds_of_nnunet(raw, tmp_path, capsys):
    split(raw, ("12", "0"), ("0", "12"))
    assert train(raw, tmp_path / "run", "--label", "GTVp", "--label", "2=GTVn") == 0
    assert "1 case in none of the folds that" in capsys.readouterr().err
    for word, roi in (("GTVp", "GTVp"), ("GTVn", "GTVn")):
        bundle = read_bundle(tmp_path / "run" / word / f"phantom-{word.lower()}")
        assert bundle.info.task.roi == roi and bundle.info.training_data.cases == 3
        configuration = json.loads((tmp_path / "run" / word / "run.json").read_text())
        assert configuration["folds"] == {"fold_0": ["case0"], "fold_1": ["case1", "case2"]}
        assert configuration["training"] == {"fold_0": ["case1", "case2"], "fold_1": ["case0"]}
    out = ("--output", str(tmp_path / "e"), "--device", "cpu")
    assert main(["evaluate", str(raw), "--label", "2", "--run", str(tmp_path / "run" / "GTVn"), *out]) == 0
    cases = {line.split(",")[1] for line in (tmp_path / "e" / "cases.csv").read_text().splitlines()[1:]}
    assert cases == {"case0", "case1", "case2"}
    split(raw, ("12", "0"), ("03", "12"))
    assert train(raw, tmp_path / "run", "--label", "GTVp", "--label", "2=GTVn", "--resume") == 2
    assert "belongs to another configuration: training.fold_1" in capsys.readouterr().err


def test_labels_that_do_not_fit_are_one_sentence(raw, tmp_path, capsys):
    for options, sentence in (
        (("--label", "1=GTV", "--label", "2=gtv"), "--label gives the names GTV, gtv; expected different ones"),
        (("--label", "1=" + "x" * 17), "expected 1 to 16 characters"),
        (("--label", "9"), "has no structure '9'"),
        ((), "holds 2 structures"),
    ):
        assert train(raw, tmp_path / "run", *options) == 2
        assert sentence in capsys.readouterr().err
    other = write_dataset(tmp_path / "other", 2)
    assert train(other, tmp_path / "run", "--label", "1") == 2
    assert "which is no raw folder of nnU-Net" in capsys.readouterr().err


def test_what_was_exported_trains_to_the_same_weights(tmp_path):
    """With the folds of a run of ours, and the same voxels: nothing else may differ."""
    ours = write_dataset(tmp_path / "ours", 4)
    assert main(["export-nnunet", str(ours), str(tmp_path / "raw"), "--id", "7"]) == 0
    raw = tmp_path / "raw" / "Dataset007_ours"
    for name, data in (("a", ours), ("b", raw)):
        (tmp_path / name).mkdir()
        assert train(data, tmp_path / name / "run", "--fold", "1") == 0
    weights = [path.read_bytes() for path in sorted(tmp_path.glob("[ab]/run/fold_1/*/weights.safetensors"))]
    assert len(weights) == 4 and weights[:2] == weights[2:]
