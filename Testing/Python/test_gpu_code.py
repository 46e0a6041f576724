"""What can be known of the GPU's code without a GPU: halves on the CPU, injected errors, and the check's own parts."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from torch import nn

from GTVAutoSegLib import load_model, read_volume
from GTVAutoSegLib.cascade.assembly import in_precision
from GTVAutoSegLib.cascade.inference import BatchRunner
from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.errors import OutOfMemoryError, RunError
from GTVAutoSegLib.study.bench.gpu import masks, memory, training, worker
from GTVAutoSegLib.study.bench.gpu.place import CheckFailedError, LeftOutError, Place
from GTVAutoSegLib.study.bench.gpu.run import FAILED, LEFT_OUT, OK, report_text, run_checks

SAMPLES = sorted((Path(__file__).resolve().parents[1] / "Data" / "sts-gtv").iterdir())


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The check's own parts, with the CPU as the device and everything tiny."""
    return Place("cpu", tmp_path_factory.mktemp("gpu"), width=4, size=64, side=96, slices=12)


@pytest.mark.parametrize("case", SAMPLES, ids=lambda case: case.name)
def test_half_precision_outlines_the_samples_as_float32_does(case):
    ct, label = read_volume(case / "data.nii.gz"), read_volume(case / "label.nii.gz").array
    marked = np.flatnonzero(label.any(axis=(1, 2)))
    looked_at = range(int(marked[0]) - 4, int(marked[0]) + 8)  # those where slice and mask are hardest to decide
    whole = load_model("sts-gtv", device="cpu", precision="fp32").segment(ct, slices=looked_at)
    half = in_precision(load_model("sts-gtv", device="cpu", precision="fp32"), "fp16").segment(ct, slices=looked_at)
    assert whole.mask.any() and masks.dice(half, whole) >= 0.995
    assert np.array_equal(half.picked, whole.picked)


CUDA_ERRORS = {
    "memory": (torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), OutOfMemoryError),
    "cublas": (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"), OutOfMemoryError),
    "kernel": (torch.AcceleratorError("CUDA error: no kernel image is available"), RunError),
    "access": (torch.AcceleratorError("CUDA error: an illegal memory access was encountered"), RunError),
}
every_error = pytest.mark.parametrize("kind", CUDA_ERRORS)


class Answer(nn.Module):
    """A network with one parameter that finds nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(2))

    def forward(self, x):
        return self.value.expand(len(x), 2)


def inference():
    runner = BatchRunner(torch.device("cpu"), 512)
    make = lambda rows: torch.zeros(len(rows), 1, 8, 8)  # noqa: E731
    return list(runner.run("classifying", [Answer()], np.arange(3), make, lambda _: nullcontext()))


@every_error
@pytest.mark.parametrize("call", ["Tensor.to", "Module.to", "Answer.forward", "Tensor.softmax", "stack"])
def test_an_error_of_the_gpu_in_any_call_of_a_run_is_one_sentence(monkeypatch, kind, call):
    error, expected = CUDA_ERRORS[kind]
    assert inference()
    with monkeypatch.context() as patch:
        fail_in(patch, call, error)
        with pytest.raises(expected) as caught:
            inference()
    assert type(caught.value) is expected and "\n" not in str(caught.value)


@every_error
def test_an_error_that_shows_when_the_result_is_fetched_is_one_sentence(monkeypatch, kind):
    error, _ = CUDA_ERRORS[kind]
    fail_in(monkeypatch, "Tensor.cpu", error)
    with pytest.raises(RunError, match="the network failed on cpu: CU.*; try device cpu"):
        inference()


def test_a_gpu_that_fails_for_good_while_memory_is_given_back_is_one_sentence(monkeypatch):
    fail_in(monkeypatch, "Answer.forward", CUDA_ERRORS["memory"][0])
    monkeypatch.setattr(BatchRunner, "_give_way", raising(CUDA_ERRORS["access"][0]))
    with pytest.raises(RunError, match="illegal memory access"):
        inference()


@every_error
@pytest.mark.parametrize("call", ["as_input", "augment", "average_weights", "packed", "clip", "step", "backward"])
def test_an_error_of_the_gpu_in_any_call_of_a_training_is_one_sentence(monkeypatch, tmp_path, place, kind, call):
    error, expected = CUDA_ERRORS[kind]
    where = {
        "clip": "GTVAutoSegLib.training.engine.single.SingleDevice.clip_gradients",
        "backward": "GTVAutoSegLib.training.engine.single.SingleDevice.backward",
        "step": "torch.optim.AdamW.step",
    }.get(call, f"GTVAutoSegLib.training.loop.{call}")
    monkeypatch.setattr(where, raising(error))
    with pytest.raises(expected) as caught:
        training.train(replace(place, folder=tmp_path), "classifier", "cpu", epochs=1, ema=0.5)
    assert type(caught.value) is expected and "\n" not in str(caught.value) and "cpu" in str(caught.value)


def raising(error):
    def fail(*_, **__):
        raise error

    return fail


def fail_in(patch, call, error):
    owners = {"Tensor": torch.Tensor, "Module": nn.Module, "Answer": Answer}
    owner, _, name = call.rpartition(".")
    patch.setattr(owners.get(owner, torch), name, raising(error))


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_masks_of_a_device_are_compared_with_those_of_the_cpu(place, tmp_path, precision):
    assert masks.check_phantom(place, precision).startswith("phantom: DSC ")
    case = tmp_path / "samples" / "one"
    case.mkdir(parents=True)
    image = sitk.GetImageFromArray(place.phantom.array)
    image.SetSpacing(place.phantom.spacing)
    sitk.WriteImage(image, case / "data.nii.gz")
    ours = replace(place, samples=tmp_path / "samples", model=str(place.bundle))
    assert masks.check_samples(ours, precision).startswith("one: DSC ")
    with pytest.raises(LeftOutError, match="come with a checkout"):
        masks.check_samples(replace(place, samples=tmp_path), precision)


def test_a_device_that_outlines_something_else_fails_the_check(monkeypatch, place):
    def other(place, model, precision):
        cascade = load_model(model, device="cpu", precision=precision)
        cascade.segmenters[0].head.bias.data[1] += 50
        return cascade

    monkeypatch.setattr(masks, "on_device", other)
    with pytest.raises(CheckFailedError, match=r"phantom: DSC 0\.\d+, 0 of 12 slices decided otherwise; expected"):
        masks.check_phantom(place, "fp32")


HALVED = "memory ran out on cuda:0 (X): went on with 8 slices at a time"
MOVED = "memory ran out on cuda:0 (X) with a single slice: went on on the CPU"


@pytest.mark.parametrize(
    ("notes", "share", "words"),
    [
        ((HALVED, MOVED), 1, None),
        ((HALVED, HALVED), 1, "with 0 MiB to spare it said .* expected a note with 'went on on the CPU'"),
        (("", ""), 1, "with 700 MiB to spare it said nothing"),
        ((HALVED, MOVED), 0, "with 700 MiB to spare the DSC is 0.0000"),
    ],
)
def test_with_little_memory_smaller_batches_then_the_cpu_and_the_same_mask_are_expected(
    monkeypatch, place, notes, share, words
):
    said, limits = list(notes), []

    def on_device(*_):
        mask, warnings = share * place.reference.segment(place.phantom).mask, [said.pop(0)]
        return SimpleNamespace(
            classifiers=(), segmenters=(), segment=lambda _: SimpleNamespace(mask=mask, warnings=warnings)
        )

    monkeypatch.setattr(memory, "on_device", on_device)
    check = partial(memory.check_memory, place, lambda _, spare: nullcontext(limits.append(spare)))
    if words is None:
        assert check() == f"700 MiB: {HALVED}; 0 MiB: {MOVED}" and limits == [700, 0]
    else:
        with pytest.raises(CheckFailedError, match=words):
            check()


def test_ten_steps_and_a_resumed_training_are_compared(place):
    assert training.check_steps(place).count("on the CPU") == 2
    assert training.check_resume(place).startswith("loss of the second epoch ")


def test_the_kept_worker_is_asked_cancelled_and_asked_again(place):
    assert ", cancelled, after it " in worker.check_worker(place)


def test_a_gpu_that_has_its_kernels_fails_the_check_for_missing_ones(place):
    with pytest.raises(CheckFailedError, match=r"it said \['None', 'cpu'\]; expected a reason, and cpu"):
        worker.check_missing_kernels(place)


def test_a_check_that_fails_or_is_left_out_does_not_keep_the_others_from_being_made(place):
    def fails(_):
        raise CheckFailedError("got one, expected two")

    def left_out(_):
        raise LeftOutError("nothing to look at")

    checks = {"a": fails, "b": left_out, "c": lambda _: "all right", "d": lambda _: 1 / 0}
    said = []
    report = run_checks(place, said.append, checks)
    assert [one.state for one in report.findings] == [FAILED, LEFT_OUT, OK, FAILED] and not report.passed
    assert said[3] == "FAILED    d: ZeroDivisionError: division by zero"
    assert "| a | FAILED | got one, expected two |" in report_text(report)
    row = report_text(report).splitlines()[-1]
    assert row.startswith("| cpu, PyTorch ") and row.count(" s |") == 5 and row.endswith("| not said |")
    assert json.loads(json.dumps(asdict(report)))["speed"][0]["precision"] == "fp32"


def test_without_cuda_it_says_so_and_ends_with_2(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["bench", "gpu", str(tmp_path / "out.json")]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("gtvautoseg: this machine has no CUDA device that PyTorch ")
    assert captured.out == "" and not (tmp_path / "out.json").exists()
