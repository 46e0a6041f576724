"""The launcher: a script runs as under ``Slicer --no-main-window --python-script``, hangs included."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from Testing.runtime.launcher import ERRORS, HANGS, command, parse

ROOT = Path(__file__).resolve().parents[2]
FLAGS = ("--no-splash", "--no-main-window", "--python-script")

SCRIPTS = {
    "exits": "import qt, slicer, sys\nprint(sys.argv[1:], slicer.util.mainWindow(), slicer.app.layoutManager())\n"
    "qt.QTimer.singleShot(50, lambda: slicer.util.exit(7))\nprint(slicer.i18n.tr('still running'))",
    "raises": "raise ValueError('nobody catches this')",
    "asks": "import slicer\nslicer.util.confirmOkCancelDisplay('sure?')\nslicer.util.exit(0)",
    "asks for a file": "import qt, slicer\nqt.QFileDialog.getSaveFileName(None, 'Save as')\nslicer.util.exit(0)",
    "vtk error": "import slicer\nslicer.mrmlScene.AddNewNodeByClass('vtkMRMLNoSuchNode')\nslicer.util.exit(0)",
}

# In place of Slicer's own files, which are not ours to ship.
OVERLAY = {
    "i18n.py": "def tr(text):\n    return 'overlay: ' + text",
    "ScriptedLoadableModule.py": "from Testing.runtime.scripted_module import *",
    "parameterNodeWrapper/__init__.py": "from qSlicerSubjectHierarchyModuleWidgetsPythonQt import *",
}


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """Every script run to its end, at the same time: name -> (exit code, output)."""
    folder = tmp_path_factory.mktemp("scripts")
    for name, source in OVERLAY.items():
        file = folder / "overlay" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
    running = {name: start(folder, name, source) for name, source in SCRIPTS.items()}
    outputs = {name: process.communicate(timeout=120)[0] for name, process in running.items()}
    return {name: (running[name].returncode, outputs[name]) for name in running}


def start(folder, name, source):
    script = folder / f"{name}.py"
    script.write_text(source)
    environment = dict(os.environ)
    if name == "exits":
        environment["SLICER_PY_OVERLAY"] = str(folder / "overlay")
    arguments = command(*FLAGS, str(script), "--", "--input", "a b")
    pipe = subprocess.PIPE
    return subprocess.Popen(arguments, cwd=ROOT, env=environment, stdout=pipe, stderr=subprocess.STDOUT, text=True)


def test_the_script_gets_its_arguments_and_the_event_loop_runs_until_it_exits(ended):
    code, output = ended["exits"]
    assert code == 7
    assert output.splitlines()[0] == "['--input', 'a b'] None None"


def test_the_python_layer_of_an_overlay_is_used(ended):
    assert ended["exits"][1].splitlines()[1] == "overlay: still running"


def test_an_uncaught_exception_hangs(ended):
    code, output = ended["raises"]
    assert code == HANGS
    assert "ValueError: nobody catches this" in output


def test_a_question_without_a_window_hangs(ended):
    code, output = ended["asks"]
    assert code == HANGS
    assert "sure?" in output


def test_a_file_dialog_without_a_window_hangs(ended):
    code, output = ended["asks for a file"]
    assert code == HANGS
    assert "Save as" in output


def test_a_vtk_error_does_not_pass_for_success(ended):
    assert ended["vtk error"][0] == ERRORS


def test_flags_that_slicer_knows_never_reach_the_script():
    options = parse(["--no-splash", "--python-script", "x.py", "--testing", "--mine", "1", "--", "--testing"])
    assert options.script == "x.py"
    assert options.switches == {"--no-splash", "--testing"}
    assert options.arguments == ["--mine", "1", "--testing"]
