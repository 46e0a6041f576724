"""`gtvautoseg train`: folds, killed runs, and what becomes a model; and `samples`."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from datasets import write_case, write_dataset, write_preset, write_task
from two_processes import main as train_alone

from GTVAutoSegLib.cascade.applicability import applicability_warnings
from GTVAutoSegLib.cascade.load import load_model
from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.errors import Cancelled
from GTVAutoSegLib.images.read import read_volume
from GTVAutoSegLib.model.bundle import verify_model
from GTVAutoSegLib.system.lock import locked
from GTVAutoSegLib.training.results.threshold import CANDIDATES
from GTVAutoSegLib.training.stages import STAGES

HERE = Path(__file__).parent
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{HERE.parents[1]}{os.pathsep}{HERE}"}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"), 4)


def command(folder: Path, data: Path, *options: str, **preset) -> list[str]:
    """`gtvautoseg train` on tiny networks, on the CPU."""
    return [
        "train",
        str(write_task(folder / "task.json")),
        str(data),
        str(folder / "run"),
        "--preset",
        str(write_preset(folder / "preset.json", **preset)),
        "--device",
        "cpu",
        *options,
    ]


def weights(run: Path) -> dict[str, bytes]:
    return {str(path.relative_to(run)): path.read_bytes() for path in sorted(run.rglob("weights.safetensors"))}


def test_two_processes_find_what_one_finds(data, tmp_path):
    train_alone(data, tmp_path / "one")
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0", "--standalone"]
    arguments = [sys.executable, *torchrun, str(HERE / "two_processes.py"), str(data), str(tmp_path / "two")]
    subprocess.run(arguments, env=ENVIRONMENT, check=True, capture_output=True, timeout=300)
    for stage in STAGES:
        one, two = (tmp_path / name / stage for name in ("one", "two"))
        logs = [json.loads((folder / "history.json").read_text()) for folder in (one, two)]
        # AdamW blows rounding up where a gradient is nearly zero, so what follows the first steps drifts a little.
        for record, other, tolerance in zip(*logs, (1e-4, 1e-2)):
            assert record["loss"] == pytest.approx(other["loss"], rel=tolerance)
            assert record["validation"] == pytest.approx(other["validation"], abs=0.02)
        assert np.allclose(*(np.load(folder / "probability.npy") for folder in (one, two)), atol=0.02)


def killed_when(arguments: list[str], log: Path, epochs: int) -> None:
    """Run the command in a process of its own and kill it in an epoch after ``epochs`` finished ones."""
    child = subprocess.Popen(
        [sys.executable, "-m", "GTVAutoSegLib", *arguments], env=ENVIRONMENT, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 200
    while not log.is_file() or len(log.read_text().splitlines()) < epochs:
        assert child.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL


def test_killed_twice_and_resumed_it_ends_with_the_same_weights(data, tmp_path):
    settings = {"epochs": 5, "patience": 5, "restart_epochs": 2, "ema": 0.9}
    ends = {}
    for name in ("whole", "killed"):
        folder = tmp_path / name
        folder.mkdir()
        arguments = command(folder, data, "--fold", "1", **settings)
        if name == "killed":
            killed_when(arguments, folder / "run" / "fold_1" / "classifier" / "log.jsonl", 2)
            killed_when([*arguments, "--resume"], folder / "run" / "fold_1" / "segmenter" / "log.jsonl", 2)
            arguments.append("--resume")
        assert main(arguments) == 0
        ends[name] = weights(folder / "run")
        (folder / "run" / "report.html").unlink()
    assert len(ends["whole"]) == 2
    assert ends["whole"] == ends["killed"]
    logs = [
        [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in path.read_text().splitlines()]
        for path in sorted(tmp_path.glob("*/run/fold_1/segmenter/log.jsonl"))
    ]
    assert len(logs) == 2 and logs[0] == logs[1]
    assert not list(tmp_path.rglob(".gtv-*"))


def test_all_folds_become_one_bundle_that_segments_and_a_report(data, tmp_path, capsys):
    arguments = command(tmp_path, data, "--fold", "all", epochs=1)
    assert main(arguments) == 0
    output = capsys.readouterr()
    assert "4 cases, 24 slices, 12 of them with tumour\n" in output.err
    assert re.search(r"fold_3, segmenter: epoch 1/1, loss [\d.]+, pooled Dice of all slices [\d.]+, best", output.err)
    run = tmp_path / "run"
    info = verify_model(run / "phantom").info
    assert len(info.classifier.files) == len(info.segmenter.files) == 4
    assert info.thresholds.slice in CANDIDATES
    assert info.training_data.cases == 4 and info.training_data.spacing_mm == ((1, 1), (1, 1), (3, 3))
    (low, low_end), (high, high_end) = info.training_data.hu_percentiles
    assert -1024 <= low <= low_end < -960 and 100 < high <= high_end < 150
    volume = read_volume(data / "patient0" / "data.nii.gz")
    result = load_model(run / "phantom", device="cpu").segment(volume)
    assert result.mask.shape == volume.array.shape
    assert not applicability_warnings(volume, info)
    report = (run / "report.html").read_text()
    assert "an ensemble of 4 cascades" in report and "classifier: training loss" in report
    assert not re.search(r"(?:src|href)=\"(?!data:)", report)
    assert (run / "training.svg").read_text() in report
    assert list((run / "fold_0" / "segmenter" / "tensorboard").glob("events*"))
    folds = json.loads((run / "folds.json").read_text())
    assert sorted(name for fold in folds["folds"] for name in fold) == [f"patient{n}" for n in range(4)]


def test_a_network_that_another_run_is_training_is_refused_in_a_sentence(data, tmp_path, capsys):
    folder = tmp_path / "run" / "fold_0" / "classifier"
    arguments = command(tmp_path, data, "--fold", "0", epochs=1)
    assert main([*arguments, "--stage", "segmenter"]) == 0
    folder.mkdir()
    with locked(folder):
        assert main([*arguments, "--stage", "classifier"]) == 2
    assert f"another run is writing to {folder}; wait for it" in capsys.readouterr().err
    assert not (folder / "log.jsonl").exists()


def test_folds_and_stages_may_be_trained_one_by_one(data, tmp_path, capsys):
    steps = [("classifier", "0"), ("segmenter", "0"), ("both", "2")]
    for number, (stage, fold) in enumerate(steps):
        assert main(command(tmp_path, data, "--stage", stage, "--fold", fold, epochs=1)) == 0
        printed = capsys.readouterr().out
        assert ("model: none yet" in printed) == (number == 0)
    assert len(verify_model(tmp_path / "run" / "phantom").info.classifier.files) == 2


def test_folders_train_and_val_are_used_as_they_are(tmp_path):
    write_dataset(tmp_path / "data" / "train", 2)
    write_case(tmp_path / "data" / "val" / "other", 7)
    assert main(command(tmp_path, tmp_path / "data", epochs=1)) == 0
    info = verify_model(tmp_path / "run" / "phantom").info
    assert info.training_data.cases == 2 and info.metrics["split"] == "val"
    assert sorted(path.name for path in (tmp_path / "run" / "split").iterdir()) == [
        "classifier",
        "phantom",
        "segmenter",
    ]


@pytest.mark.parametrize("more", [{}, {"crops": {}}])
def test_the_contact_sheet_of_samples_is_a_picture(data, tmp_path, more):
    preprocessing = {"window": [-160, 240], "size": 32, "channels": 3, **more}
    task = write_task(tmp_path / "task.json", preprocessing=preprocessing)
    assert main(["samples", str(task), str(data), str(tmp_path / "out.png"), "--preset", "small"]) == 0
    picture = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out.png")))
    # Four rows of four slices of 32 pixels on each side of the gap, with grey values and the colour of outlines.
    assert picture.shape == (128, 2 * 128 + 16, 3)
    for side in (picture[:, :128], picture[:, 144:]):
        assert (side == (255, 60, 60)).all(axis=-1).any() and len(np.unique(side)) > 50


def refused(capsys, arguments: list[str]) -> str:
    assert main(arguments) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("gtvautoseg: ") and "Traceback" not in error
    return error


def test_a_run_folder_of_another_configuration_is_refused(data, tmp_path, capsys):
    assert main(command(tmp_path, data, "--fold", "0", "--stage", "classifier", epochs=1)) == 0
    other = refused(capsys, command(tmp_path, data, "--resume", epochs=1, batch=6))
    assert "belongs to another configuration: preset.classifier.batch is 8 there and 6 now" in other
    write_dataset(tmp_path / "more", 5)
    other = refused(capsys, command(tmp_path, tmp_path / "more", "--resume", epochs=1))
    assert "belongs to another configuration" in other or "does not fit the data set (patient4)" in other


def test_a_run_folder_that_cannot_be_made_is_wrong_usage_as_in_every_command(data, tmp_path, capsys):
    (tmp_path / "run").touch()
    assert "run cannot be made (" in refused(capsys, command(tmp_path, data, epochs=1))


def test_a_run_that_was_begun_needs_resume(data, tmp_path, capsys):
    arguments = command(tmp_path, data, "--fold", "0", "--stage", "classifier", epochs=1)
    assert main(arguments) == 0
    before = weights(tmp_path / "run")
    assert "begun or finished; add --resume" in refused(capsys, arguments)
    assert main([*arguments, "--resume"]) == 0
    assert weights(tmp_path / "run") == before


def test_a_run_goes_on_whatever_is_said_of_its_data_now_and_the_model_says_that(data, tmp_path):
    arguments = command(tmp_path, data, "--fold", "0", epochs=1)
    assert main([*arguments, "--stage", "classifier"]) == 0
    said = json.loads((tmp_path / "run" / "run.json").read_text())
    said["task"] |= {"data": "words of a program of before", "licence": "its licence"}
    (tmp_path / "run" / "run.json").write_text(json.dumps(said))
    assert main([*arguments, "--resume"]) == 0
    info = verify_model(tmp_path / "run" / "phantom").info
    assert (info.training_data.description, info.licence) == ("phantoms", "CC0")


def test_where_there_is_nothing_to_resume_a_person_is_told_that_a_training_begins(data, tmp_path, capsys):
    arguments = command(tmp_path, data, "--fold", "0", "--stage", "classifier", "--resume", epochs=1)
    new = f"note: {tmp_path / 'run'} holds no training to resume, so a new one begins\n"
    for told in (True, False):
        assert main(arguments) == 0
        assert (new in capsys.readouterr().err) is told


def test_a_folder_that_is_no_run_is_left_alone(data, tmp_path, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.docx").write_text("")
    assert "is not empty and no training run (it holds thesis.docx)" in refused(capsys, command(tmp_path, data))
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["thesis.docx"]


def test_killed_while_its_first_files_were_written_a_run_still_goes_on(data, tmp_path, monkeypatch):
    arguments = command(tmp_path, data, "--fold", "0", "--stage", "classifier", epochs=1)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".gtv-0123456789ab.json").write_text("{")
    (tmp_path / "run" / "slices").mkdir()

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("GTVAutoSegLib.training.run.save_folds", killed)
        assert main(arguments) == Cancelled.exit_code
    assert main([*arguments, "--resume"]) == 0
    assert {"run.json", "folds.json", "fold_0"} <= {path.name for path in (tmp_path / "run").iterdir()}


def test_folds_of_the_users_own_are_used_and_checked(data, tmp_path, capsys):
    (tmp_path / "run").mkdir()
    own = tmp_path / "run" / "folds.json"
    own.write_text(json.dumps({"folds": [["patient0", "patient3"], ["patient1"]]}))
    arguments = command(tmp_path, data, "--fold", "1", "--stage", "classifier", epochs=1)
    assert "does not fit the data set (patient2)" in refused(capsys, arguments)
    own.write_text(json.dumps({"folds": [["patient0", "patient3"], ["patient1", "patient2"]]}))
    assert main(arguments) == 0
    configuration = json.loads((tmp_path / "run" / "run.json").read_text())
    assert configuration["folds"]["fold_1"] == ["patient1", "patient2"]


def test_cts_of_one_patient_never_teach_and_validate_in_one_fold(data, tmp_path, capsys):
    ours = shutil.copytree(data, tmp_path / "ours")
    patients = {"patient0": "one", "patient1": "two", "patient2": "one", "patient3": "two"}
    (ours / "patients.json").write_text(json.dumps(patients))
    arguments = command(tmp_path, ours, "--fold", "0", "--stage", "classifier", epochs=1)
    assert main(arguments) == 0
    folds = json.loads((tmp_path / "run" / "run.json").read_text())["folds"].values()
    assert sorted(folds) == [["patient0", "patient2"], ["patient1", "patient3"]]

    (tmp_path / "other" / "run").mkdir(parents=True)
    divided = {"folds": [["patient0", "patient1"], ["patient2", "patient3"]]}
    (tmp_path / "other" / "run" / "folds.json").write_text(json.dumps(divided))
    assert "are of one patient by patients.json, and are divided" in refused(capsys, command(tmp_path / "other", ours))


def test_unsuitable_data_sets_have_their_sentences(tmp_path, capsys):
    one = write_dataset(tmp_path / "one", 1)
    assert "has one patient (patient0)" in refused(capsys, command(tmp_path, one))
    normal = write_dataset(tmp_path / "normal", 2, tumour=False)
    write_case(normal / "sick", 9)
    tail = "show no tumour on any slice"
    (tmp_path / "second").mkdir()
    assert tail in refused(capsys, command(tmp_path / "second", normal))
    write_case(tmp_path / "both" / "train" / "twin", 0)
    write_case(tmp_path / "both" / "val" / "twin", 1)
    (tmp_path / "third").mkdir()
    assert "has the case twin in train and in val" in refused(capsys, command(tmp_path / "third", tmp_path / "both"))


def test_a_fold_that_does_not_exist_is_named(data, tmp_path, capsys):
    assert "fold 9 does not exist; expected 0 to 3, or all" in refused(capsys, command(tmp_path, data, "--fold", "9"))
    with pytest.raises(SystemExit) as stopped:
        main(command(tmp_path, data, "--fold", "second"))
    assert stopped.value.code == 2
    assert "'second' is not a fold, expected 0, 1, ... or all" in capsys.readouterr().err
