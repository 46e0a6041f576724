"""The batch in Slicer without a window: the same results as the command line, and an end whatever happens."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import SimpleITK as sitk
from bundles import make_bundle
from phantoms import body_ct
from slicer_samples import MODULE

from GTVAutoSegLib.commands.cli import main
from Testing.runtime.launcher import command

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "GTVAutoSeg" / "GTVAutoSegSlicer" / "scripts" / "gtv_batch.py"
FLAGS = ("--no-splash", "--no-main-window", "--ignore-slicerrc", "--python-script")


def write_ct(path, seed):
    image = sitk.GetImageFromArray(body_ct(seed=seed))
    image.SetSpacing((1.0, 1.0, 3.0))
    sitk.WriteImage(image, str(path))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("headless Ünï")
    make_bundle(folder / "random", bias=50.0)
    (folder / "tmp").mkdir()
    for name in ("good", "bad"):
        (folder / name).mkdir()
        write_ct(folder / name / "ct 1.nrrd", 1)
    write_ct(folder / "good" / "ct2.nii.gz", 2)
    (folder / "bad" / "empty.nrrd").touch()
    # A script torn from its module: the import fails.
    shutil.copy(SCRIPT, folder / "alone.py")
    return folder


@pytest.fixture(scope="module")
def ended(folder):
    """Every run to its end, at the same time: name -> (exit code, output)."""
    model = ("--model", folder / "random", "--device", "cpu")
    runs = {
        "good": (
            SCRIPT,
            "--",
            "--input",
            folder / "good",
            "--output",
            folder / "out good",
            *model,
            "--format",
            ".nii.gz",
        ),
        "bad": (SCRIPT, "--", "--input", folder / "bad", "--output", folder / "out bad", *model),
        "no model": (SCRIPT, "--", "--input", folder / "good", "--output", folder / "out none", "--model", "nothing"),
        "no output": (SCRIPT, "--", "--input", folder / "good"),
        "alone": (folder / "alone.py", "--", "--input", folder / "good"),
    }
    running = {}
    for name, arguments in runs.items():
        running[name] = subprocess.Popen(
            command(*FLAGS, *map(str, arguments)),
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(folder / "tmp")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    outputs = {name: process.communicate(timeout=300)[0] for name, process in running.items()}
    return {name: (running[name].returncode, outputs[name]) for name in running}


def test_the_masks_are_those_of_the_command_line_byte_for_byte(ended, folder, capsys):
    code, text = ended["good"]
    assert code == 0, text
    arguments = ["batch", folder / "good", folder / "out cli", "--model", folder / "random", "--format", ".nii.gz"]
    assert main([*map(str, arguments), "--device", "cpu"]) == 0
    for name in ("ct_1", "ct2"):
        here, there = (folder / out / name / f"{name}.nii.gz" for out in ("out good", "out cli"))
        assert sitk.GetArrayFromImage(sitk.ReadImage(str(here))).any()
        assert here.read_bytes() == there.read_bytes()


def test_log_and_summary_are_written_since_windows_prints_nothing(ended, folder):
    text = ended["good"][1]
    log = (folder / "out good" / "gtv_batch.log").read_text(encoding="utf-8")
    assert "2 done, 0 failed" in log and set(log.splitlines()) <= set(text.splitlines())
    assert (folder / "out good" / "summary.html").is_file() and (folder / "out good" / "batch.log").is_file()


def test_a_bad_case_gives_exit_code_1_and_the_others_are_done(ended, folder):
    code, text = ended["bad"]
    assert code == 1 and "empty: failed: empty.nrrd is empty (0 bytes)" in text
    assert (folder / "out bad" / "ct_1" / "result.json").is_file()


@pytest.mark.parametrize(
    ("name", "expected", "words"),
    [
        ("no model", 3, "gtv_batch: model 'nothing' does not exist"),
        ("no output", 2, "gtv_batch: the following arguments are required: --output, --model"),
        ("alone", 4, "ModuleNotFoundError"),
    ],
)
def test_every_error_ends_slicer_with_its_exit_code(ended, name, expected, words):
    code, text = ended[name]
    assert code == expected and words in text, text


def test_what_fails_before_the_batch_is_in_a_log_too_in_slicers_temporary_folder(ended, folder):
    logs = [path.read_text(encoding="utf-8") for path in (folder / "tmp").glob("*/tmp/gtv_batch.log")]
    assert any("Traceback" in log and "ModuleNotFoundError" in log for log in logs)


@pytest.mark.parametrize("where", ["find_bundle", "Job"])
def test_an_unforeseen_error_is_in_the_log_with_where_it_happened(
    load_module, slicer_runtime, folder, tmp_path, monkeypatch, where
):
    def fails(*_, **__):
        raise KeyError("what nobody thought of")

    load_module(MODULE, with_widget=False)
    from GTVAutoSegSlicer import headless

    monkeypatch.setattr(headless, where, fails)
    arguments = ["--input", folder / "good", "--output", tmp_path / "out", "--model", folder / "random"]
    assert headless.run_batch([str(argument) for argument in arguments]) == 4
    log = (tmp_path / "out" / "gtv_batch.log").read_text(encoding="utf-8")
    assert "Traceback" in log and "in fails" in log
    assert log.splitlines()[-1].startswith("gtv_batch: the batch failed unexpectedly (KeyError: 'what nobody thought")


def test_a_console_that_takes_no_line_changes_nothing(load_module, slicer_runtime, tmp_path, monkeypatch):
    load_module(MODULE, with_widget=False)
    import slicer
    from GTVAutoSegSlicer import headless

    def fails(*_, **__):
        raise UnicodeEncodeError("cp1252", "\u7a7a", 0, 1, "character maps to <undefined>")

    monkeypatch.setattr("builtins.print", fails)
    assert headless.run_batch(["--input", str(tmp_path)]) == 2
    assert "required: --output, --model" in (Path(slicer.app.temporaryPath) / "gtv_batch.log").read_text("utf-8")


@pytest.mark.parametrize(
    ("said", "how_far"),
    [
        (["[2/20] b: 1 mL", "[3/20] c: 2 mL", "warning: c: thin slices"], "after 3 of 20 cases"),
        ([], "before the first case was done"),
    ],
)
def test_a_batch_that_the_system_ends_gives_4_and_says_how_far_it_got(
    load_module, slicer_runtime, folder, tmp_path, monkeypatch, said, how_far
):
    """Its exit code, 1 from the launcher above it, means "some failed" otherwise."""
    load_module(MODULE, with_widget=False)
    from GTVAutoSegSlicer import headless

    (tmp_path / "GTVAutoSegLib").mkdir()
    (tmp_path / "GTVAutoSegLib" / "__init__.py").touch()
    program = "import os, signal\nprint({!r}, flush=True)\nos.kill(os.getpid(), signal.SIGKILL)\n"
    (tmp_path / "GTVAutoSegLib" / "__main__.py").write_text(program.format("\n".join(said)))
    monkeypatch.chdir(tmp_path)  # what lies there is found before the real one
    arguments = ["--input", folder / "good", "--output", tmp_path / "out", "--model", folder / "random"]
    assert headless.run_batch([str(argument) for argument in arguments]) == 4
    log = (tmp_path / "out" / "gtv_batch.log").read_text(encoding="utf-8")
    assert log.splitlines()[-1] == (
        f"gtv_batch: the operating system ended the batch, most often because memory ran out, {how_far}; finished "
        "cases are kept, so close other programs and go on with --resume"
    )
