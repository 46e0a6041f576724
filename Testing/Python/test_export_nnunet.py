"""The export to nnU-Net v2: layout, folds, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk
from datasets import save, write_case, write_dataset

from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.images.read import read_volume
from GTVAutoSegLib.training.data.dataset import find_cases
from GTVAutoSegLib.training.data.folds import FILE, as_folds, make_folds


def files(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def dataset(tmp_path):
    return write_dataset(tmp_path / "my data-set", 6)


def test_a_data_set_is_laid_out_as_nnunet_expects_it(dataset, tmp_path, capsys):
    assert main(["export-nnunet", str(dataset), str(tmp_path / "raw"), "--id", "7"]) == 0
    folder = tmp_path / "raw" / "Dataset007_mydataset"
    assert files(tmp_path / "raw") == [folder.name]
    assert files(folder) == ["dataset.json", "imagesTr", "labelsTr", "splits_final.json"]
    assert files(folder / "imagesTr") == [f"patient{number}_0000.nii.gz" for number in range(6)]
    assert files(folder / "labelsTr") == [f"patient{number}.nii.gz" for number in range(6)]
    description = json.loads((folder / "dataset.json").read_text())
    assert description["channel_names"] == {"0": "CT"}
    assert description["labels"] == {"background": 0, "tumour": 1}
    assert (description["numTraining"], description["file_ending"]) == (6, ".nii.gz")
    assert "nnUNet_preprocessed/Dataset007_mydataset" in capsys.readouterr().out


def test_images_and_labels_are_those_of_the_data_set(dataset, tmp_path):
    main(["export-nnunet", str(dataset), str(tmp_path / "raw")])
    folder = tmp_path / "raw" / "Dataset500_mydataset"
    for case in find_cases(dataset):
        for ours, theirs in ((case.image, f"imagesTr/{case.name}_0000"), (case.label, f"labelsTr/{case.name}")):
            one, other = read_volume(ours), read_volume(folder / f"{theirs}.nii.gz")
            assert np.array_equal(one.array, other.array) and one.same_grid(other)


def test_a_label_lies_exactly_on_its_image_even_where_the_data_set_s_is_a_little_off(dataset, tmp_path):
    label = sitk.ReadImage(str(dataset / "patient0" / "label.nii.gz"))
    label.SetOrigin((0.0, 0.0, 0.0004))
    sitk.WriteImage(label, str(dataset / "patient0" / "label.nii.gz"))
    main(["export-nnunet", str(dataset), str(tmp_path / "raw")])
    folder = tmp_path / "raw" / "Dataset500_mydataset"
    image, label = (
        sitk.ReadImage(str(folder / name)) for name in ("imagesTr/patient0_0000.nii.gz", "labelsTr/patient0.nii.gz")
    )
    assert image.GetOrigin() == label.GetOrigin()


def test_the_folds_are_those_of_a_new_training(dataset, tmp_path):
    main(["export-nnunet", str(dataset), str(tmp_path / "raw")])
    splits = json.loads((tmp_path / "raw" / "Dataset500_mydataset" / "splits_final.json").read_text())
    cases = {f"patient{number}": (True,) for number in range(6)}
    ours = as_folds(make_folds(cases, 5, 0), cases)
    assert splits == [{"train": list(fold.training), "val": list(fold.validation)} for fold in ours]


def test_the_folds_of_a_run_can_be_taken(dataset, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    halves = [[f"patient{number}" for number in part] for part in ((0, 2, 4), (1, 3, 5))]
    (run / FILE).write_text(json.dumps({"folds": halves}))
    main(["export-nnunet", str(dataset), str(tmp_path / "raw"), "--run", str(run)])
    splits = json.loads((tmp_path / "raw" / "Dataset500_mydataset" / "splits_final.json").read_text())
    assert splits == [{"train": halves[1], "val": halves[0]}, {"train": halves[0], "val": halves[1]}]


def test_a_division_of_the_data_set_s_own_is_one_fold_and_val_can_be_predicted(tmp_path):
    write_dataset(tmp_path / "data" / "train", 2)
    write_case(tmp_path / "data" / "val" / "other", 9)
    assert main(["export-nnunet", str(tmp_path / "data"), str(tmp_path / "raw")]) == 0
    folder = tmp_path / "raw" / "Dataset500_data"
    assert json.loads((folder / "splits_final.json").read_text()) == [
        {"train": ["patient0", "patient1"], "val": ["other"]}
    ]
    assert files(folder / "imagesTs") == ["other_0000.nii.gz"]
    assert (folder / "labelsTs" / "other.nii.gz").read_bytes() == (folder / "labelsTr" / "other.nii.gz").read_bytes()
    assert len(files(folder / "imagesTr")) == 3


def test_what_nnunet_predicts_for_the_exported_cases_is_measured_as_a_folder_of_predictions(tmp_path, capsys):
    write_dataset(tmp_path / "data" / "train", 2)
    write_case(tmp_path / "data" / "val" / "other", 9)
    main(["export-nnunet", str(tmp_path / "data"), str(tmp_path / "raw")])
    perfect = tmp_path / "raw" / "Dataset500_data" / "labelsTs"
    output = tmp_path / "out"
    command = ["evaluate", str(tmp_path / "data" / "val"), "--predictions", str(perfect), "--output", str(output)]
    assert main(command) == 0
    assert json.loads((output / "metrics.json").read_text())["metrics"]["dsc"] == 1.0


def refused(capsys, *arguments):
    """The sentence that a command ends with."""
    assert main(["export-nnunet", *map(str, arguments)]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    return lines[0]


def test_an_empty_data_set_or_one_without_labels_is_refused(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert "holds no case" in refused(capsys, tmp_path / "empty", tmp_path / "raw")
    write_case(tmp_path / "data" / "a", 0)
    (tmp_path / "data" / "a" / "label.nii.gz").unlink()
    assert "no label" in refused(capsys, tmp_path / "data", tmp_path / "raw")
    assert not (tmp_path / "raw").exists()


def test_a_data_set_of_that_number_is_never_replaced(dataset, tmp_path, capsys):
    (tmp_path / "raw" / "Dataset500_Other").mkdir(parents=True)
    assert "Dataset500_Other exists already" in refused(capsys, dataset, tmp_path / "raw")
    assert files(tmp_path / "raw") == ["Dataset500_Other"]
    assert "expected 1 to 999" in refused(capsys, dataset, tmp_path / "raw", "--id", 1000)


def test_a_label_that_cannot_be_used_leaves_nothing_behind(dataset, tmp_path, capsys):
    save(np.full((6, 40, 44), 2, np.uint8), dataset / "patient5" / "label.nii.gz")
    assert "patient5" in refused(capsys, dataset, tmp_path / "raw")
    assert files(tmp_path / "raw") == []


def test_a_run_without_folds_and_folds_for_a_divided_data_set_are_refused(dataset, tmp_path, capsys):
    assert "expected the folder of a run" in refused(capsys, dataset, tmp_path / "raw", "--run", tmp_path)
    write_case(tmp_path / "data" / "train" / "a", 0)
    write_case(tmp_path / "data" / "val" / "b", 1)
    assert "leave --run out" in refused(capsys, tmp_path / "data", tmp_path / "raw", "--run", tmp_path)


def test_an_output_that_is_a_file_is_refused(dataset, tmp_path, capsys):
    (tmp_path / "raw").write_text("")
    assert "cannot be made" in refused(capsys, dataset, tmp_path / "raw")
