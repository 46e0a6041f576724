"""Evaluation: what is measured, summed up, written and refused; the same with any number of workers."""

from __future__ import annotations

import csv
import json
import math
import os
import shutil
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from bundles import make_bundle
from datasets import save, write_case, write_dataset

from GTVAutoSegLib import load_model
from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.errors import RunError
from GTVAutoSegLib.evaluation.cases import CASCADE, PREDICTIONS, Measurement, Subject, evaluate
from GTVAutoSegLib.evaluation.report import cases_csv, summarise_evaluation, table
from GTVAutoSegLib.images.metrics import Agreement, SliceCounts, compare
from GTVAutoSegLib.images.placement import tumour_slices
from GTVAutoSegLib.images.read import read_volume
from GTVAutoSegLib.training.data.dataset import find_cases, read_label


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    """Two patients with tumour and a normal one."""
    root = write_dataset(tmp_path_factory.mktemp("data") / "val", 2)
    write_case(root / "patient2", 2, tumour=False)
    return root


def run(*arguments: object) -> int:
    return main(["evaluate", *map(str, arguments)])


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "cases.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def agreement(**values) -> Agreement:
    names = [field.name for field in fields(Agreement) if field.name != "empty"]
    return Agreement(**{**dict.fromkeys(names, 0.5), "empty": "", **values})


def test_a_cascade_is_measured_as_it_is_on_all_slices_and_on_the_true_ones(dataset, everywhere):
    model = load_model(everywhere, device="cpu")
    cases = find_cases(dataset)

    found = [one for result in evaluate(cases, Subject((everywhere,), device="cpu")) for one in result]

    assert [(one.case, one.variant) for one in found] == [
        (case.name, variant) for case in cases for variant in ("cascade", "all_slices", "true_slices")
    ]
    volume = read_volume(cases[0].image)
    reference = read_label(cases[0], volume)
    result = model.segment(volume)
    assert found[0].agreement == compare(result.mask, reference, volume)
    abnormal = reference.any(axis=(1, 2))
    assert 0 < abnormal.sum() < len(abnormal)
    assert found[0].slices == SliceCounts(hit=int(abnormal.sum()), wrong=int((~abnormal).sum()))
    on_true_slices = np.where(abnormal[:, None, None], result.mask, 0)
    assert found[2].agreement == compare(on_true_slices, reference, volume)
    assert found[2].agreement.dsc > found[1].agreement.dsc > 0
    assert found[1].slices is None


def test_a_model_that_has_changed_on_disk_is_measured_as_it_is_now(dataset, tmp_path):
    case = find_cases(dataset)[0]
    for bias, found_somewhere in ((50.0, True), (-50.0, False)):
        bundle = make_bundle(tmp_path / "model", size=32, bias=bias)
        (result,) = evaluate([case], Subject((bundle,), device="cpu"))
        assert (result[0].agreement.dsc > 0) == found_somewhere
        shutil.rmtree(bundle)


def test_slices_are_counted_along_the_head_feet_axis_of_the_file(tmp_path, everywhere):
    # Stored sagittally: the first array axis is not the axial one.
    write_case(tmp_path / "val" / "patient0", 0)
    for path in (tmp_path / "val" / "patient0").iterdir():
        sitk.WriteImage(sitk.PermuteAxes(sitk.ReadImage(path), [1, 2, 0]), path)
    case = find_cases(tmp_path / "val")[0]
    volume = read_volume(case.image)
    assert volume.array.shape == (44, 6, 40)
    abnormal = int(tumour_slices(read_label(case, volume), volume).sum())

    (result,) = evaluate([case], Subject((everywhere,), device="cpu"))

    assert result[0].slices == SliceCounts(hit=abnormal, wrong=6 - abnormal)


@pytest.mark.parametrize("layout", ["file", "folder"])
def test_masks_of_another_system_go_through_the_same_metrics(tmp_path, dataset, layout):
    for case in find_cases(dataset):
        volume = read_volume(case.image)
        mask = np.roll(read_label(case, volume), 1, axis=0)
        path = tmp_path / "other" / (f"{case.name}.nii.gz" if layout == "file" else f"{case.name}/result.nii.gz")
        path.parent.mkdir(parents=True, exist_ok=True)
        save(mask.astype(np.uint8), path)

    assert run(dataset, "--predictions", tmp_path / "other", "--output", tmp_path / "out") == 0

    case = find_cases(dataset)[0]
    volume = read_volume(case.image)
    reference = read_label(case, volume)
    expected = compare(np.roll(reference, 1, axis=0), reference, volume)
    first = rows(tmp_path / "out")[0]
    assert first["variant"] == PREDICTIONS
    assert float(first["dsc"]) == pytest.approx(expected.dsc, rel=1e-5)
    assert float(first["hd95_mm"]) == pytest.approx(expected.hd95_mm, rel=1e-5)
    assert (first["slices_wrong"], first["slices_missed"]) == ("1", "1")


def test_files_and_table_hold_the_figures(tmp_path, dataset, everywhere, capsys):
    assert run(dataset, "--model", everywhere, "--output", tmp_path / "out", "--device", "cpu") == 0

    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "cases.csv",
        "evaluation.svg",
        "metrics.json",
    ]
    lines = rows(tmp_path / "out")
    assert len(lines) == 3 * 3
    content = json.loads((tmp_path / "out" / "metrics.json").read_text())
    dsc = [float(line["dsc"]) for line in lines if line["variant"] == CASCADE]
    card = content["metrics"]
    assert card["split"] == "val" and card["cases"] == 3
    assert card["dsc"] == pytest.approx(np.mean(dsc), abs=1e-4)
    assert card["dsc_std"] == pytest.approx(np.std(dsc, ddof=1), abs=1e-4)
    assert {"ji", "hd95_mm", "slice_recall", "slice_precision", "dsc_all_slices", "dsc_true_slices"} <= card.keys()
    # Found in the normal patient: an empty reference. Counted, DSC 0, and no distance made up.
    figures = content["models"]["everywhere"][CASCADE]
    assert figures["empty"] == {"mask": 0, "reference": 1, "both": 0}
    assert (figures["hd95_mm"]["n"], figures["hd95_mm"]["undefined"]) == (2, 1)
    assert next(line for line in lines if line["case"] == "patient2")["hd95_mm"] == ""
    assert content["models"]["everywhere"]["true_slices"]["empty"]["both"] == 1
    assert content["bundles"]["everywhere"]["digest"] == load_model(everywhere, device="cpu").bundle.digest
    assert (tmp_path / "out" / "evaluation.svg").read_text().startswith("<svg")
    output = capsys.readouterr().out
    assert f"{card['dsc']:.3f} ±{card['dsc_std']:.3f}" in output
    assert "surface Dice 2 mm" in output.splitlines()[1]
    assert "distances are undefined for 1 case and left out of their means" in output


def test_two_models_of_one_id_are_told_apart_by_their_paths(tmp_path, dataset, everywhere, capsys):
    other = shutil.copytree(everywhere, tmp_path / "other")
    models = ("--model", everywhere, "--model", other)
    assert run(dataset, *models, "--output", tmp_path / "out", "--device", "cpu") == 0
    output = capsys.readouterr().out
    assert f"note: everywhere (1) is {everywhere}" in output and f"note: everywhere (2) is {other}" in output


def test_the_figures_are_recorded_in_the_model_when_asked(tmp_path, dataset, everywhere, capsys):
    model = Path(shutil.copytree(everywhere, tmp_path / "everywhere"))
    assert run(dataset, "--model", model, "--output", tmp_path / "out", "--device", "cpu", "--record") == 0
    recorded = json.loads((model / "model.json").read_text())["metrics"]
    assert recorded == json.loads((tmp_path / "out" / "metrics.json").read_text())["metrics"]
    assert str(model / "model.json") in capsys.readouterr().out

    assert run(dataset, "--predictions", dataset, "--output", tmp_path / "out", "--record") == 2
    assert "expected exactly one --model" in capsys.readouterr().err


def test_several_workers_find_exactly_the_same(tmp_path, dataset, everywhere):
    for workers in (1, 2):
        arguments = (dataset, "--model", everywhere, "--device", "cpu", "--workers", workers)
        assert run(*arguments, "--output", tmp_path / str(workers)) == 0

    for name in ("cases.csv", "metrics.json"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


class Deadly:
    """Ends the process that reads it, as the kernel does when memory runs out."""

    name = "large"

    @property
    def image(self):
        os._exit(9)


def test_a_worker_that_dies_ends_the_run_with_a_sentence(dataset):
    with pytest.raises(RunError, match="large: every worker process that tried it died, .* use fewer --workers"):
        list(evaluate([Deadly()], Subject(), workers=2))


def test_what_is_wrong_with_a_model_or_device_is_said_before_workers_start(tmp_path, dataset, everywhere, capsys):
    damaged = shutil.copytree(everywhere, tmp_path / "damaged")
    (damaged / "segmenter.safetensors").write_bytes(b"nothing")

    assert run(dataset, "--model", damaged, "--workers", 2, "--output", tmp_path / "out") == 3
    assert "segmenter.safetensors has sha256" in capsys.readouterr().err
    assert run(dataset, "--model", everywhere, "--device", "cuda:7", "--workers", 2, "--output", tmp_path / "out") == 2
    assert "device 'cuda:7' is not available" in capsys.readouterr().err


def test_several_models_get_a_standard_deviation_over_the_models(tmp_path, dataset, everywhere, capsys):
    other = shutil.copytree(everywhere, tmp_path / "fold_2")
    nowhere = make_bundle(tmp_path / "nowhere", size=32, bias=-50.0)
    out = tmp_path / "out"

    models = [part for model in (everywhere, other, nowhere) for part in ("--model", model)]
    assert run(dataset, *models, "--device", "cpu", "--output", out) == 0

    content = json.loads((out / "metrics.json").read_text())
    # A copy has the same id.
    assert list(content["models"]) == ["everywhere (1)", "everywhere (2)", "nowhere"]
    means = [figures[CASCADE]["dsc"]["mean"] for figures in content["models"].values()]
    over = content["over_models"][CASCADE]["dsc"]
    assert over["mean"] == pytest.approx(np.mean(means))
    assert over["std"] == pytest.approx(np.std(means, ddof=1)) and over["std"] > 0
    assert content["metrics"]["dsc_std"] == pytest.approx(over["std"], abs=1e-4)
    # Nothing found anywhere: DSC 1 for the normal patient, 0 for the others, and not one distance.
    silent = content["models"]["nowhere"][CASCADE]
    assert silent["dsc"]["mean"] == pytest.approx(1 / 3)
    assert silent["empty"] == {"mask": 2, "reference": 0, "both": 1}
    assert silent["hd95_mm"] == dict.fromkeys(("mean", "std", "median", "min", "max")) | {"n": 0, "undefined": 3}
    assert (silent["slices"]["recall"], silent["slices"]["precision"]) == (0, None)
    assert "mean and standard deviation over the models" in capsys.readouterr().out


def test_a_case_that_cannot_be_read_is_named_and_the_others_are_measured(tmp_path, dataset, everywhere, capsys):
    broken = shutil.copytree(dataset, tmp_path / "val")
    save(np.zeros((6, 40, 43), np.uint8), broken / "patient1" / "label.nii.gz")

    assert run(broken, "--model", everywhere, "--device", "cpu", "--output", tmp_path / "out") == 1

    content = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert content["failed"] == ["patient1"]
    assert content["cases"] == 2
    error = capsys.readouterr().err
    assert "failed: patient1: " in error and "lies on another grid" in error


def test_masks_with_other_values_than_0_and_1_are_named(tmp_path, dataset, capsys):
    predictions = tmp_path / "other"
    for case in find_cases(dataset):
        (predictions / case.name).mkdir(parents=True)
        shutil.copy(case.label, predictions / case.name)
    save(np.full((6, 40, 44), 3, np.uint8), predictions / "patient0" / "label.nii.gz")

    assert run(dataset, "--predictions", predictions, "--output", tmp_path / "out") == 1
    assert "holds the values [3]; expected only 0 and 1" in capsys.readouterr().err


def test_a_missing_prediction_is_named_before_anything_is_measured(tmp_path, dataset, capsys):
    predictions = tmp_path / "other"
    predictions.mkdir()
    shutil.copy(dataset / "patient0" / "label.nii.gz", predictions / "patient0.nii.gz")

    assert run(dataset, "--predictions", predictions, "--output", tmp_path / "out") == 2
    assert "has 0 masks for the case patient1 (none); expected one" in capsys.readouterr().err


def test_two_predictions_of_a_case_are_not_chosen_from(tmp_path, dataset, capsys):
    assert run(dataset, "--predictions", dataset, "--output", tmp_path / "out") == 2
    assert "has 2 masks for the case patient0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--predictions", "nowhere"], "nowhere is not a folder"),
        (["--model", "m", "--model", "m"], "a model is given twice"),
        (["--model", "m", "--workers", "0"], "workers is 0; expected at least 1"),
    ],
)
def test_wrong_usage_is_a_sentence(tmp_path, dataset, everywhere, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(everywhere, "m")

    assert run(dataset, *arguments, "--output", "out") == 2
    assert message in capsys.readouterr().err


def test_results_are_not_put_into_the_data_set(dataset, everywhere, capsys):
    assert run(dataset, "--model", everywhere, "--output", dataset / "." / "patient0" / "..") == 2
    assert "is the data set itself" in capsys.readouterr().err and not (dataset / "cases.csv").exists()


def test_undefined_values_are_counted_and_not_averaged():
    measurements = [
        Measurement("m", "a", CASCADE, agreement(dsc=0.8, hd95_mm=4.0), SliceCounts(3, 1, 0, 6)),
        Measurement("m", "b", CASCADE, agreement(dsc=0.0, hd95_mm=math.nan, empty="mask"), SliceCounts(0, 0, 4, 6)),
    ]
    summary = summarise_evaluation(measurements, "val")

    figures = summary["models"]["m"][CASCADE]
    assert figures["dsc"]["mean"] == pytest.approx(0.4)
    assert figures["hd95_mm"] == {
        "mean": 4.0, "std": None, "median": 4.0, "min": 4.0, "max": 4.0, "n": 1, "undefined": 1,
    }  # fmt: skip
    # Pooled over the slices of all cases.
    assert figures["slices"]["recall"] == pytest.approx(3 / 7)
    assert figures["slices"]["precision"] == pytest.approx(3 / 4)
    assert summary["metrics"]["undefined_distances"] == 1
    assert "over_models" not in summary
    assert "recall 0.429, precision 0.750" in table(summary)
    assert cases_csv(measurements).splitlines()[2].startswith("m,b,cascade,0,0.5,,")
