"""From corrected cases to a model that is used and brought back: in the panel, with the real child processes."""

from __future__ import annotations

import json
import os
import shutil
import signal

import numpy as np
import pytest
from bundles import make_bundle
from datasets import write_dataset, write_preset
from dicom_samples import patient_array, write_series
from dicom_scenes import SHAPE, draw, load_dicom
from slicer_samples import MODULE, add_ct, ball, process_lives, python_of, use_fake_worker

from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.images.segment_info import GTV_TERMINOLOGY
from GTVAutoSegLib.model.bundle import read_bundle
from GTVAutoSegLib.model.store import install_model
from GTVAutoSegLib.model.versions import versions

LIMIT_S = 120  # of a loaded machine
TASK = {"id": "phantom", "site": "Phantom", "roi": "GTVp", "terminology": GTV_TERMINOLOGY, "color": [0.9, 0.2, 0.2]}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A user with one model, which outlines everything."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user"))
    monkeypatch.setenv("GTVAUTOSEG_MODELS", str(tmp_path / "shelf"))
    make_bundle(tmp_path / "user" / "GTVAutoSeg" / "Models" / "phantom", bias=50.0, size=32, task=TASK)
    return tmp_path


@pytest.fixture
def open_panel(load_module, slicer_runtime, home):
    """A function that opens the module as after a start of Slicer."""
    slicer_runtime.app.testing = True

    def opened():
        widget = load_module(MODULE).widget
        from GTVAutoSegSlicer.training.places import choose_dataset

        choose_dataset(str(home / "cases"))
        widget.enter()
        panel = widget.panel
        panel.shown.node.model, panel.shown.node.device = "phantom", "cpu"
        panel.learning.open()
        preset = write_preset(home / "preset.json", epochs=3)
        panel.learning.training._form.presets.add_file(str(preset))
        return panel

    return opened


def collect_case(panel, until, home, number):
    folder = home / f"ct{number}"
    write_series(folder, patient_array(SHAPE, seed=number), PatientID=f"P{number}")
    ct = load_dicom(folder)
    panel.ui.inputSelector.setCurrentNode(ct)
    panel.ui.segmentButton.click()
    until(lambda: not panel.running, timeout=LIMIT_S)
    node = panel.ui.outputSelector.currentNode()
    segment_id = panel.steering.segment_id
    draw(node, segment_id, np.roll(ball(SHAPE), number, axis=1), ct)
    panel.logic.approve(node, segment_id, "Dr. Roe", ct)
    panel._update()
    panel.ui.collectButton.click()
    until(lambda: not panel.running, timeout=LIMIT_S)
    assert panel.card.failure is None, panel.card.failure.details


def training_folder(home):
    (plan,) = (home / "cases-trainings").glob("*/plan.json")
    return plan.parent


def epochs_of(home, network):
    logs = (home / "cases-trainings").glob(f"*/run/fold_0/{network}/log.jsonl")
    return sum(len(log.read_text().splitlines()) for log in logs)


def begin(panel):
    """What the answer to the question begins; asking takes a process of its own each time."""
    training = panel.learning.training
    folder = training._form.make(training._host.dataset(), "cpu")
    training._begin(folder)
    assert panel.learning.running, panel.ui.trainingStatus.text


def finish(panel, until):
    until(lambda: not panel.learning.running, timeout=LIMIT_S)
    assert panel.card.failure is None, panel.card.failure.details


def test_two_corrected_cases_become_a_model_that_is_compared_used_and_brought_back(
    open_panel, until, slicer_runtime, home, capsys
):
    panel = open_panel()
    for number in range(2):
        collect_case(panel, until, home, number)
    ui = panel.ui
    assert ui.trainingSetStatus.text.startswith("2 cases of 2 patients; edited on average ")
    slicer_runtime.app.testing = False  # there is somebody to ask
    ui.trainButton.click()
    until(lambda: epochs_of(home, "classifier") > 0, timeout=LIMIT_S)
    question = slicer_runtime.dialogs.texts("question")[-1]
    assert question.startswith("Random cascade for tests, on 2 cases of 2 patients: 20 slices, ")
    assert "\n\nAt most " in question and question.endswith("Begin?")
    ui.trainButton.click()
    finish(panel, until)
    assert ui.trainingStatus.text.endswith("; it was stopped, and can be resumed.")
    assert ui.useModelButton.isHidden() and not ui.resumeButton.isHidden()
    panel.cleanup()

    panel = open_panel()  # as after a restart
    ui = panel.ui
    assert not ui.resumeButton.isHidden()
    ui.resumeButton.click()
    finish(panel, until)
    assert (training_folder(home) / "comparison" / "comparison.html").is_file()
    assert "No difference shown" in ui.trainingStatus.text
    assert ui.comparisonText.plainText.count(" -> ") == 2  # the head line, and the case of the held-out fold
    assert ui.resumeButton.isHidden() and not ui.reportButton.isHidden() and not ui.comparisonButton.isHidden()

    ui.useModelButton.click()
    now, before = versions("phantom")
    assert (now.version, before.version, now.current) == ("1.1.0", "1.0.0", True)
    assert "1.1.0 is in use now" in ui.versionStatus.text and "version 1.1.0" in ui.modelDescription.text
    assert (ui.useModelButton.text, ui.useModelButton.enabled) == ("Installed", False)
    info = read_bundle("phantom").info
    described = info.training_data.description
    assert described.startswith("2 cases of 2 patients in the data set 'cases', 2 of them collected from outlines")
    assert "began with the weights of phantom 1.0.0" in described
    assert info.licence == "not told; of the weights it began with: CC0"
    ui.versionSelector.setCurrentIndex(1)
    ui.useVersionButton.click()
    assert "version 1.0.0" in ui.modelDescription.text and read_bundle("phantom").digest == before.digest
    assert len(versions("phantom")) == 2

    # The data set is an ordinary one.
    cases, run = str(home / "cases"), str(home / "run")
    arguments = [str(training_folder(home) / "task.json"), cases, run, "--preset", str(home / "preset.json")]
    assert main(["train", *arguments, "--fold", "0", "--device", "cpu"]) == 0
    assert main(["evaluate", cases, "--model", "phantom", "--output", str(home / "evaluation"), "--device", "cpu"]) == 0
    assert "2 cases" in capsys.readouterr().out


def test_kills_of_the_child_and_of_slicer_lose_no_epoch_and_resume_goes_on(open_panel, until, home):
    write_dataset(home / "cases", 2)
    panel = open_panel()
    begin(panel)
    until(lambda: epochs_of(home, "classifier") > 0, timeout=LIMIT_S)
    os.kill(python_of(panel.learning.training._training._job.child.process.pid), signal.SIGKILL)
    until(lambda: not panel.learning.running, timeout=LIMIT_S)
    assert panel.ui.failureTitle.text == "The training has stopped"
    assert "Resume goes on with it" in panel.ui.failureMessage.text
    kept = epochs_of(home, "classifier")
    panel.card.hide()
    panel.ui.resumeButton.click()
    until(lambda: epochs_of(home, "classifier") > kept or epochs_of(home, "segmenter"), timeout=LIMIT_S)
    child = panel.learning.training._training._job.child.process
    pid = python_of(child.pid)
    child.stdin.close()  # what becomes of it when Slicer is gone, however that ended
    until(lambda: not process_lives(pid), timeout=LIMIT_S)
    until(lambda: not panel.learning.running)
    panel.card.hide()
    panel.ui.resumeButton.click()
    finish(panel, until)
    assert (training_folder(home) / "end.json").is_file() and "DSC: present -> new" in panel.ui.comparisonText.plainText


def test_beside_a_training_one_segments_no_other_slicer_gets_in_and_slicers_end_stops_it(
    open_panel, until, slicer_runtime, home, monkeypatch
):
    write_dataset(home / "cases", 2)
    panel = open_panel()
    use_fake_worker(monkeypatch, "ball")
    add_ct()
    begin(panel)
    from GTVAutoSegSlicer.training.folder import TrainingFolder
    from GTVAutoSegSlicer.training.process import Training

    panel.ui.segmentButton.click()
    until(lambda: not panel.running, timeout=LIMIT_S)
    assert panel.ui.resultLabel.text.startswith("Planning CT: GTVp ") and panel.learning.running
    assert not panel.ui.installTorchButton.enabled
    with pytest.raises(InputError, match="another run is writing to"):
        Training(TrainingFolder(training_folder(home)), print, print, print)
    until(lambda: (training_folder(home) / "run").is_dir(), timeout=LIMIT_S)
    pid = panel.learning.training._training._job.child.process.pid
    slicer_runtime.app.emit_signal("aboutToQuit()")
    assert not panel.learning.running and not process_lives(pid)
    panel.cleanup()
    assert not open_panel().ui.resumeButton.isHidden()


def test_a_training_that_another_slicer_has_finished_meanwhile_is_done(open_panel, until, home):
    write_dataset(home / "cases", 2)
    panel = open_panel()
    training = panel.learning.training
    folder = training._form.make(training._host.dataset(), "cpu")
    from GTVAutoSegSlicer.training.folder import TrainingEnd

    folder.write_end(TrainingEnd("model", "report"))
    folder.comparison.mkdir()
    (folder.comparison / "comparison.json").write_text("{}")
    training._begin(folder)
    finish(panel, until)
    assert panel.ui.trainButton.text == "Train..."


def test_two_slicers_that_begin_at_once_get_a_folder_each(open_panel, home, monkeypatch):
    write_dataset(home / "cases", 2)
    training = open_panel().learning.training
    from pathlib import Path

    real = Path.exists  # as seen before the other one has made it
    monkeypatch.setattr(Path, "exists", lambda path: real(path) and path.parent.name != "cases-trainings")
    made = [training._form.make(training._host.dataset(), "cpu").path for _ in range(2)]
    assert len(set(made)) == 2


def test_a_training_set_that_cannot_be_trained_on_is_a_card_with_its_sentence(open_panel, until, slicer_runtime, home):
    write_dataset(home / "cases", 2)
    panel = open_panel()
    (home / "cases" / "patient1" / "label.nii.gz").write_bytes(b"")
    slicer_runtime.app.testing = False
    panel.ui.trainButton.click()
    until(lambda: not panel.learning.running, timeout=LIMIT_S)
    assert panel.ui.failureTitle.text == "The training has stopped"
    assert "label.nii.gz" in panel.ui.failureMessage.text
    assert not list((home / "cases-trainings").glob("*"))


@pytest.fixture
def stopped(open_panel, home):
    """A function that opens the panel on a training that was stopped, or has ended."""

    def made(end=None):
        panel = open_panel()
        from GTVAutoSegSlicer.training.folder import TrainingEnd, TrainingFolder, TrainingPlan
        from GTVAutoSegSlicer.training.places import trainings_folder

        write_dataset(home / "cases", 2)
        plan = TrainingPlan("A task", str(home / "cases"), "1.1.0", "2026-11-28T10:00:00+00:00")
        folder = TrainingFolder.make(trainings_folder(home / "cases"), {"id": "phantom"}, plan)
        (folder.run / "slices").mkdir(parents=True)
        if end is not None:
            folder.write_end(TrainingEnd(str(end), ""))
        panel.learning.refresh()
        return panel, folder

    return made


def test_a_stopped_training_is_discarded_after_a_question_and_the_training_set_stays(stopped, slicer_runtime, home):
    panel, folder = stopped()
    ui = panel.ui
    before = sorted((home / "cases").rglob("*"))
    ui.discardButton.click()  # nobody is there to ask
    slicer_runtime.app.testing = False
    slicer_runtime.dialogs.answers.append(False)
    ui.discardButton.click()
    assert folder.path.is_dir() and not ui.discardButton.isHidden()
    assert slicer_runtime.dialogs.texts("question")[-1].startswith("Remove the stopped training 'phantom-1' with all")
    with folder.held():
        ui.discardButton.click()
    assert "nother run is writing to" in ui.failureMessage.text and folder.run.is_dir()
    panel.card.hide()
    ui.discardButton.click()
    assert not list(folder.path.parent.iterdir()) and sorted((home / "cases").rglob("*")) == before
    assert ui.discardButton.isHidden() and ui.resumeButton.isHidden() and ui.trainingStatus.text == ""


def test_a_folder_that_cannot_be_removed_stays_whole_and_a_kill_leaves_nothing_that_is_shown(
    stopped, slicer_runtime, monkeypatch
):
    panel, folder = stopped()
    slicer_runtime.app.testing = False

    def busy(self, target):
        raise PermissionError(13, "in use")

    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.rename", busy)
        panel.ui.discardButton.click()
    assert "cannot be removed (in use) and is as it was" in panel.ui.failureMessage.text
    assert (folder.run / "slices").is_dir() and folder.plan.title == "A task"
    with monkeypatch.context() as patched:
        patched.setattr("shutil.rmtree", lambda *_arguments, **_options: None)  # as killed after renaming
        panel.ui.discardButton.click()
    assert panel.ui.resumeButton.isHidden() and not folder.path.exists()


def test_a_damaged_training_can_be_discarded(stopped, home):
    panel, folder = stopped(home / "model")
    (folder.path / "plan.json").write_text("{")
    panel.learning.refresh()
    assert panel.ui.resumeButton.isHidden() and not panel.ui.discardButton.isHidden()


@pytest.mark.parametrize("installed", [True, False])
def test_a_finished_training_is_discarded_after_a_question_and_installed_models_stay(
    stopped, slicer_runtime, home, installed
):
    panel, folder = stopped()
    from GTVAutoSegSlicer.training.folder import TrainingEnd

    model = make_bundle(folder.run / "phantom", bias=1.0, size=32, task=TASK)
    folder.write_end(TrainingEnd(str(model), ""))
    if installed:
        install_model(model, home / "user" / "GTVAutoSeg" / "Models")
    panel.learning.refresh()
    before = sorted((home / "user").rglob("*"))
    slicer_runtime.app.testing = False
    panel.ui.discardButton.click()
    question = slicer_runtime.dialogs.texts("question")[-1]
    assert question.startswith("Remove the finished training 'phantom-1' with its")
    assert ("Its model is installed and stays" in question) == installed
    assert not folder.path.exists() and sorted((home / "user").rglob("*")) == before
    assert (home / "cases" / "patient1").is_dir() and panel.ui.discardButton.isHidden()


@pytest.mark.parametrize("what", ["models", "cases"])
def test_a_training_that_holds_the_users_models_or_cases_is_not_discarded(stopped, slicer_runtime, what):
    panel, folder = stopped()
    from GTVAutoSegSlicer.models import choose_folder
    from GTVAutoSegSlicer.training.places import choose_dataset

    (folder.path / what).mkdir()
    (choose_folder if what == "models" else choose_dataset)(str(folder.path / what))
    slicer_runtime.app.testing = False
    panel.ui.discardButton.click()
    assert f"{folder.path / what} lies in it" in panel.ui.failureMessage.text and folder.run.is_dir()


@pytest.mark.parametrize(
    ("networks", "task", "reason"),
    [
        (1, "", "Begin with the weights of the selected model"),
        (2, "", "The selected model has 2 networks a stage, and a training begins with one"),
        (1, "sts-gtv", "The selected model is of another task"),
    ],
)
def test_where_a_training_cannot_begin_with_the_model_the_box_says_why(open_panel, home, networks, task, reason):
    model = home / "user" / "GTVAutoSeg" / "Models" / "phantom"
    info = json.loads((model / "model.json").read_text())
    for number in range(1, networks):
        shutil.copy(model / "classifier.safetensors", model / f"{number}.safetensors")
        info["classifier"]["files"].append(f"{number}.safetensors")
        info["sha256"][f"{number}.safetensors"] = info["sha256"]["classifier.safetensors"]
    (model / "model.json").write_text(json.dumps(info))
    check = (panel := open_panel()).ui.startCheck
    form = panel.learning.training._form
    form._ui.taskSelector.setCurrentIndex(form.tasks._values.index(task))
    form.follow(False)
    assert check.toolTip.startswith(reason) and check.enabled == reason.startswith("Begin")
