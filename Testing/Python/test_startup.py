"""What is not imported before it is needed; study/bench/parts/startup.py tells the seconds."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk
from bundles import make_bundle

from GTVAutoSegLib.study.bench.parts.startup import COMMANDS, command

# Seconds of processor time from the start of Python to its end; wall time would count what else the machine does.
MOST_SECONDS = {"import GTVAutoSegLib": 0.1, "gtvautoseg --help": 0.3}

PROGRAM = """
import sys
from GTVAutoSegLib.commands.cli import main
try:
    code = main(sys.argv[1:])
except SystemExit as end:
    code = end.code
slow = {"torch", "SimpleITK", "scipy", "numpy", "pydicom", "sympy"}
print("imported:", code, sorted(slow & {name.partition(".")[0] for name in sys.modules}))
"""


def imported(*arguments) -> str:
    command = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
    return (
        subprocess.run(command, capture_output=True, text=True, check=True).stdout.rpartition("imported: ")[2].strip()
    )


@pytest.mark.parametrize("arguments", [["--help"], ["segment", "--help"], ["model", "list"]])
def test_help_and_the_list_of_models_import_nothing_slow(arguments):
    assert imported(*arguments) == "0 []"


@pytest.mark.parametrize("what", ["missing", "no image", "a label map"])
def test_a_bad_input_is_said_before_pytorch_is_imported(tmp_path, what):
    ct, bundle = tmp_path / "ct.nrrd", make_bundle(tmp_path / "random")
    if what == "no image":
        ct.write_text("hello")
    elif what == "a label map":
        sitk.WriteImage(sitk.GetImageFromArray(np.eye(32, dtype=np.int16)[None].repeat(4, 0)), str(ct))
    answer = imported("segment", ct, "--model", bundle, "--output", tmp_path / "mask.nrrd")
    assert answer.startswith("2 [") and "torch" not in answer


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "nothing", "DATASET", "OUT"],
        ["train", "sts-gtv", "DATASET", "OUT", "--preset", "nothing"],
        ["samples", "nothing", "DATASET", "out.png"],
        ["reproduce", "table2", ".", "OUT", "--task", "nothing"],
        ["reproduce", "table2", ".", "OUT", "--task", "sts-gtv", "--preset", "nothing"],
    ],
)
def test_an_unknown_task_or_preset_is_said_before_pytorch_is_imported(arguments):
    assert imported(*arguments) == "2 []"


def test_a_wrong_key_of_a_preset_is_said_before_what_only_training_needs_is_imported(tmp_path):
    preset = tmp_path / "own.json"
    preset.write_text('{"epoch": 3}')
    program = PROGRAM.replace("slow = {", 'slow = {"lightning_fabric", "tensorboard", "matplotlib", ')
    command = [sys.executable, "-c", program, "train", "sts-gtv", "DATASET", "OUT", "--preset", str(preset)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "has the unknown key 'epoch'" in done.stderr
    assert "torch" in done.stdout and not {"lightning_fabric", "tensorboard", "matplotlib"} & set(
        done.stdout.split("'")
    )


def test_a_model_loads_without_pytorchs_compiler(tmp_path):
    """Its import takes as long as all of PyTorch."""
    program = "import sys, GTVAutoSegLib as g; g.load_model(sys.argv[1], 'cpu'); print('torch._dynamo' in sys.modules)"
    command = [sys.executable, "-c", program, str(make_bundle(tmp_path / "random"))]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "False"


@pytest.mark.parametrize("name", MOST_SECONDS)
def test_the_library_and_its_help_are_there_at_once(name):
    assert min(command(COMMANDS[name])[1] for _ in range(3)) < MOST_SECONDS[name]


def test_help_and_model_list_do_not_wait_for_torch():
    code = "import sys; from GTVAutoSegLib.commands.cli import main\ntry: main(['model', 'list'])\nfinally: "
    code += "assert not {'torch', 'SimpleITK', 'numpy'} & set(sys.modules), sorted(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
