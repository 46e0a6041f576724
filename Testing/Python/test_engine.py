"""One device trains without Lightning Fabric, to the same bit, and needs nothing that Slicer does not bring."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from unittest.mock import MagicMock

import pytest
import torch
from datasets import write_dataset, write_preset, write_task
from lightning_fabric import Fabric

from GTVAutoSegLib.errors import Cancelled, InputError
from GTVAutoSegLib.networks import SEGMENTERS, SliceClassifier, build_network
from GTVAutoSegLib.system.settings import PreprocessSettings
from GTVAutoSegLib.training.data.dataset import find_cases
from GTVAutoSegLib.training.data.slice_store import build_store
from GTVAutoSegLib.training.data.slices import SliceSet
from GTVAutoSegLib.training.engine.engine import PRECISIONS, make_engine, resolve_precision
from GTVAutoSegLib.training.loop import Job, fit
from GTVAutoSegLib.training.presets import TrainSettings
from GTVAutoSegLib.training.progress.monitor import Monitor
from GTVAutoSegLib.training.stages import STAGES

# What Slicer and its PyTorch extension bring, and what those need; the rest of the environment is hidden.
SLICER = """
import importlib.machinery, sys

BROUGHT = {"torch", "torchgen", "functorch", "numpy", "scipy", "SimpleITK", "safetensors", "pydicom", "GTVAutoSegLib",
    "typing_extensions", "sympy", "mpmath", "networkx", "jinja2", "markupsafe", "filelock", "fsspec", "packaging"}


class Brought(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        spec = super().find_spec(name, path, target)
        outside = spec is not None and "site-packages" in str(spec.origin or spec.submodule_search_locations)
        return None if outside and name.partition(".")[0] not in BROUGHT else spec


sys.meta_path[:] = [Brought if one is importlib.machinery.PathFinder else one for one in sys.meta_path]
from GTVAutoSegLib.commands.cli import main
sys.exit(main(sys.argv[1:]))
"""
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"), 3)


class StoppedIn(Monitor):
    """Stops a training in its second epoch."""

    def __init__(self) -> None:
        self.epochs = 0
        super().__init__(lambda: self.epochs > 0)

    def epoch(self, record):
        self.epochs += 1


def test_gradients_are_clipped_to_the_bit_as_fabric_clips_them_on_any_processor():
    torch.manual_seed(0)
    network = torch.nn.ParameterList([torch.nn.Parameter(torch.zeros(7)) for _ in range(40)])
    decayed, others = list(network)[::2], list(network)[1::2]
    optimizer = torch.optim.AdamW([{"params": decayed}, {"params": others, "weight_decay": 0.0}])
    fabric = Fabric(accelerator="cpu", devices=1)
    for _ in range(20):
        gradients = [torch.randn(7) for _ in network]
        norms = []
        for engine in (fabric, make_engine("cpu", "fp32")):
            for one, gradient in zip(network, gradients, strict=True):
                one.grad = gradient.clone()
            norms.append(engine.clip_gradients(network, optimizer, max_norm=1.0, error_if_nonfinite=False))
        assert norms[0] == norms[1]


@pytest.mark.parametrize("precision", list(PRECISIONS))
@pytest.mark.parametrize("name", ["classifier", "sanet", "sanet-mtl"])
def test_one_device_finds_to_the_bit_what_fabric_finds_also_after_a_resume(data, tmp_path, name, precision):
    stored = build_store(find_cases(data), PreprocessSettings(size=32), tmp_path / "store")
    stage, loss = ("classifier", "ce") if name == "classifier" else ("segmenter", "cr")
    build = {"classifier": lambda: SliceClassifier(width=4)}.get(
        name, lambda: build_network(SEGMENTERS, name, {"width": 4})
    )
    settings = TrainSettings(loss=loss, batch=6, epochs=2, ema=0.5)
    job = Job(STAGES[stage], build, SliceSet(tuple(stored[:2])), SliceSet(tuple(stored[2:])), settings, theta="1")
    fabric = Fabric(accelerator="cpu", devices=1, precision=PRECISIONS[precision])
    fabric.launch()
    ends = {}
    for folder, engine, stopped in (
        ("fabric", fabric, False),
        ("own", make_engine("cpu", precision), False),
        ("resumed", make_engine("cpu", precision), True),
    ):
        (tmp_path / folder).mkdir()
        if stopped:
            with pytest.raises(Cancelled):
                fit(job, tmp_path / folder, engine, StoppedIn())
        fit(job, tmp_path / folder, engine)
        ends[folder] = (tmp_path / folder / "weights.safetensors").read_bytes()
    assert ends["fabric"] == ends["own"] == ends["resumed"]


def test_bfloat16_is_another_training_than_float32(data, tmp_path):
    """Or the test above could compare float32 with itself."""
    layer = torch.nn.Linear(3, 3)
    halves = [make_engine("cpu", precision).setup(layer)(torch.ones(1, 3) / 3) for precision in PRECISIONS]
    assert [half.dtype for half in halves] == [torch.float32, torch.bfloat16]


def test_several_processes_without_fabric_are_one_sentence(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    with pytest.raises(InputError, match="2 processes were started, which train together through lightning-fabric"):
        make_engine("cpu")


def test_the_processes_of_several_machines_are_one_training(monkeypatch):
    for name, value in (("WORLD_SIZE", "6"), ("LOCAL_WORLD_SIZE", "2")):
        monkeypatch.setenv(name, value)
    made = MagicMock()
    monkeypatch.setattr("lightning_fabric.Fabric", made)
    assert make_engine("cpu", "bf16") is made.return_value
    made.assert_called_once_with(
        accelerator="cpu", strategy="ddp", devices=2, num_nodes=3, precision=PRECISIONS["bf16"]
    )
    made.return_value.launch.assert_called_once_with()


def test_with_what_slicer_brings_a_model_is_trained_resumed_and_evaluated(data, tmp_path):
    task, preset = write_task(tmp_path / "task.json"), write_preset(tmp_path / "preset.json", epochs=1)
    train = ["train", task, data, tmp_path / "run", "--preset", preset, "--device", "cpu", "--fold", "0"]

    def slicer(*arguments):
        command = [sys.executable, "-c", SLICER, *map(str, arguments)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)

    for arguments in ([*train, "--stage", "classifier"], [*train, "--resume"]):
        done = slicer(*arguments)
        assert done.returncode == 0, done.stderr
    assert "classifier: training loss" in (tmp_path / "run" / "report.html").read_text()
    assert not list((tmp_path / "run").rglob("tensorboard"))
    done = slicer("evaluate", data, "--run", tmp_path / "run", "--output", tmp_path / "evaluation")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "evaluation" / "metrics.json").is_file()
    assert (tmp_path / "evaluation" / "evaluation.svg").is_file()
    assert slicer("samples", task, data, tmp_path / "out.png").returncode == 0


def test_nobody_who_did_not_ask_trains_in_bfloat16_on_a_cpu():
    cpu = torch.device("cpu")
    assert [resolve_precision(cpu, one) for one in ("auto", "fp32", "bf16")] == ["fp32", "fp32", "bf16"]
