"""The launcher: a script runs as under ``Slicer --no-main-window --python-script``, hangs included."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from Testing.runtime.launcher import ERRORS, HANGS, command, parse

ROOT = Path(__file__).resolve().parents[2]
FLAGS = ("--no-splash", "--no-main-window", "--python-script")

SCRIPTS = {
    "exits": "import slicer, sys\nprint(sys.argv[1:], slicer.util.mainWindow(), slicer.app.layoutManager())\n"
    "slicer.util.exit(3)\nprint('still running')",
    "exits later": "import qt, slicer\nqt.QTimer.singleShot(50, lambda: slicer.util.exit(7))",
    "raises": "raise ValueError('nobody catches this')",
    "asks": "import slicer\nslicer.util.confirmOkCancelDisplay('sure?')\nslicer.util.exit(0)",
    "vtk error": "import slicer\nslicer.mrmlScene.AddNewNodeByClass('vtkMRMLNoSuchNode')\nslicer.util.exit(0)",
}


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """Every script run to its end, at the same time: name -> (exit code, output)."""
    folder = tmp_path_factory.mktemp("scripts")
    running = {}
    for name, source in SCRIPTS.items():
        script = folder / f"{name}.py"
        script.write_text(source)
        arguments = command(*FLAGS, str(script), "--", "--input", "a b")
        running[name] = subprocess.Popen(
            arguments, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
    outputs = {name: process.communicate(timeout=120)[0] for name, process in running.items()}
    return {name: (running[name].returncode, outputs[name]) for name in running}


def test_the_script_gets_its_arguments_and_its_exit_code_counts(ended):
    code, output = ended["exits"]
    assert code == 3
    assert output.splitlines()[:2] == ["['--input', 'a b'] None None", "still running"]


def test_the_event_loop_runs_until_somebody_exits(ended):
    assert ended["exits later"][0] == 7


def test_an_uncaught_exception_hangs(ended):
    code, output = ended["raises"]
    assert code == HANGS
    assert "ValueError: nobody catches this" in output


def test_a_question_without_a_window_hangs(ended):
    code, output = ended["asks"]
    assert code == HANGS
    assert "sure?" in output


def test_a_vtk_error_does_not_pass_for_success(ended):
    assert ended["vtk error"][0] == ERRORS


def test_flags_that_slicer_knows_never_reach_the_script():
    options = parse(["--no-splash", "--python-script", "x.py", "--testing", "--mine", "1", "--", "--testing"])
    assert options.script == "x.py"
    assert options.switches == {"--no-splash", "--testing"}
    assert options.arguments == ["--mine", "1", "--testing"]
