"""Ways to a faster CPU path, each against what it would replace; docs/benchmarks.md says which are kept.

    python -m GTVAutoSegLib.study.bench.parts.candidates forms [--width 64] [--size 512]  # the classifier, whole
    python -m GTVAutoSegLib.study.bench.parts.candidates parts  # layers of the 8-bit networks
    python -m GTVAutoSegLib.study.bench.parts.candidates skipping MODEL DATASET  # every k-th slice first

Times are processor milliseconds a slice on one core, the best of several rounds in turns. OpenVINO takes part where it
is installed, ONNX Runtime where onnxruntime, onnx and onnxscript are, PyTorch's compiler where there is a C++ compiler.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ....cascade.cascade import Cascade
from ....cascade.int8.convert import quantise
from ....cascade.int8.layers import QuantisedConv, to_levels
from ....cascade.load import load_model
from ....images.read import read_volume
from ....networks import SliceClassifier, channels_last
from ....system.allocator import keep_freed_memory
from ....training.data.dataset import find_cases, read_label
from ....training.results.calibration import measure_ranges

ROUNDS = 5
BATCHES = (1, 2, 4)
STEPS, FRACTIONS = (2, 3, 4, 6, 8), (0.5, 0.2, 0.1, 0.02)

Form = Callable[[Tensor], Tensor]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(dest="action", required=True)
    forms_parser = actions.add_parser("forms")
    forms_parser.add_argument("--width", type=int, default=64)
    forms_parser.add_argument("--size", type=int, default=512)
    actions.add_parser("parts")
    skipping_parser = actions.add_parser("skipping")
    skipping_parser.add_argument("model")
    skipping_parser.add_argument("dataset", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    with torch.inference_mode():
        if arguments.action == "forms":
            forms(arguments.width, arguments.size)
        elif arguments.action == "parts":
            shortcut()
            fusion()
        else:
            skipping(load_model(arguments.model, device="cpu"), arguments.dataset)


def forms(width: int, size: int) -> None:
    """Print time and largest difference in probability from float32 for each form of the classifier."""
    network = channels_last(SliceClassifier(width=width).eval().requires_grad_(False))
    images = F.avg_pool2d(torch.rand(max(BATCHES), 1, size, size), 9, 1, 4)
    images = images.contiguous(memory_format=torch.channels_last)
    half = copy.deepcopy(network).bfloat16()
    candidates: dict[str, Form] = {
        "fp32": network,
        "fp32, batch normalisation folded": folded(network),
        "bf16": lambda x: half(x.bfloat16()).float(),
        "int8": quantise(network, measure_ranges(network, [images[:1]])),
    }
    others: dict[str, Callable[[nn.Module, Tensor], Form]] = {
        "fp32, OpenVINO": in_openvino,
        "fp32, ONNX Runtime": in_onnxruntime,
        "int8, ONNX Runtime": partial(in_onnxruntime, integers=True),
        "fp32, inductor with freezing": compiled,
    }
    for name, make in others.items():
        started = time.perf_counter()
        try:
            candidates[name] = make(network, images[:1])
        except Exception as error:  # whatever keeps a candidate from this machine
            print(f"{name}: not to be had ({str(error).splitlines()[0]})")
        else:
            print(f"{name}: made in {time.perf_counter() - started:.1f} s")
    expected = network(images[:1]).softmax(dim=1)
    for name, took in timed({name: partial(form, images[:1]) for name, form in candidates.items()}).items():
        difference = float((candidates[name](images[:1]).softmax(dim=1) - expected).abs().amax())
        print(f"{name}: {took:.1f} ms, probabilities differ by up to {difference:.1g}")
    for name in ("fp32", "int8"):
        for count in BATCHES:
            took = timed({name: partial(candidates[name], images[:count])})[name] / count
            print(f"{name}, {count} slices at a time: {took:.1f} ms")


def folded(network: nn.Module) -> nn.Module:
    """The network with its batch normalisation inside the convolutions."""
    network = copy.deepcopy(network)
    for pair in [module for module in network.modules() if isinstance(module, nn.Sequential)]:
        if len(pair) > 1 and isinstance(pair[0], nn.Conv2d) and isinstance(pair[1], nn.BatchNorm2d):
            pair[0], pair[1] = fuse_conv_bn_eval(pair[0], pair[1]), nn.Identity()
    return network


def in_openvino(network: nn.Module, example: Tensor) -> Form:
    """The network in OpenVINO, float32, one thread."""
    import openvino

    model = openvino.convert_model(network, example_input=example)
    settings = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    ready = openvino.compile_model(model, "CPU", settings)
    return lambda x: torch.from_numpy(ready(x.numpy())[0])


def in_onnxruntime(network: nn.Module, example: Tensor, *, integers: bool = False) -> Form:
    """The network in ONNX Runtime, one thread; in float32, or as its own static quantisation makes it."""
    import onnxruntime
    from onnxruntime import quantization

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    with TemporaryDirectory() as folder:
        path, small = f"{folder}/fp32.onnx", f"{folder}/int8.onnx"
        torch.onnx.export(network, (example,), path, input_names=["x"], external_data=False, dynamo=True)
        if integers:
            quantization.quant_pre_process(path, path)
            reader = SimpleNamespace(get_next=partial(next, iter([{"x": example.contiguous().numpy()}]), None))
            # As ours: a scale for each output channel, and activations without a sign.
            unsigned = quantization.QuantType.QUInt8
            quantization.quantize_static(path, small, reader, per_channel=True, activation_type=unsigned)
        ready = onnxruntime.InferenceSession(small if integers else path, settings, ["CPUExecutionProvider"])
    return lambda x: torch.from_numpy(ready.run(None, {"x": x.contiguous().numpy()})[0])


def compiled(network: nn.Module, example: Tensor) -> Form:
    """The network by PyTorch's compiler."""
    import torch._inductor.config

    torch._inductor.config.freezing = True
    form = torch.compile(copy.deepcopy(network))
    form(example)
    return form


def shortcut() -> None:
    """The 1 x 1 convolution with stride 2 to 512 channels, its weights in an order for these maps or for others."""
    conv = nn.Conv2d(256, 512, 1, stride=2, bias=False).requires_grad_(False)
    fits, other = QuantisedConv(conv, None, 1.0, 2.0), QuantisedConv(conv, None, 1.0, 2.0)
    x = levels(256, 32)
    other(levels(256, 8))  # the first maps decide
    for name, took in timed({"packed for its maps": lambda: fits(x), "for others": lambda: other(x)}).items():
        print(f"shortcut, {name}: {took:.2f} ms, equal: {torch.equal(fits(x), other(x))}")


def fusion(channels: int = 128, side: int = 128) -> None:
    """SANet's 3 x 3 fusion: on upsampled maps, or the two deepest levels mixed by tap before they are upsampled."""
    finest, middle, *deep = levels(channels, side), levels(channels, 64), levels(channels, 32), levels(channels, 32)
    weight = nn.Conv2d(4 * channels, channels, 3).weight.detach()
    near, far = weight.split(2 * channels, dim=1)
    made = 100.0
    whole = QuantisedConv(part(weight, padding=1), None, 255.0, made, relu=True)
    fine = QuantisedConv(part(near.contiguous(), padding=1), None, 255.0)
    by_tap = QuantisedConv(part(far.permute(2, 3, 0, 1).reshape(-1, 2 * channels, 1, 1)), None, 255.0)
    taps = shifted_upsampling(side, 32)

    def upsampled(x: Tensor) -> Tensor:
        return to_levels(F.interpolate(x.float(), size=(side, side), mode="bilinear"))

    def as_it_is() -> Tensor:
        output: Tensor = whole(torch.cat([finest, *(upsampled(x) for x in (middle, *deep))], dim=1))
        return output

    def mixed_first() -> Tensor:
        products = by_tap(torch.cat(deep, dim=1)).permute(0, 2, 3, 1).unflatten(3, (3, 3, channels))  # n y x, ky kx c
        rows = taps @ products.permute(0, 1, 3, 4, 2, 5).reshape(-1, 3 * 32, channels)  # the taps' order is (k, y or x)
        rows = rows.view(1, 32, 3, side * channels).transpose(1, 2).reshape(1, 3 * 32, side * channels)
        coarse = (taps @ rows).view(1, side, side, channels).permute(0, 3, 1, 2)
        return to_levels((fine(torch.cat([finest, upsampled(middle)], dim=1)) + coarse).mul_(255 / made))

    difference = (as_it_is().int() - mixed_first().int()).abs().amax()
    for name, took in timed({"as it is": as_it_is, "two levels mixed before upsampling": mixed_first}).items():
        print(f"fusion, {name}: {took:.1f} ms")
    print(f"fusion: up to {int(difference)} levels of 255 apart")


def shifted_upsampling(fine: int, coarse: int) -> Tensor:
    """Upsampling, then each of three taps with padding 0: a matrix (fine, 3 * coarse)."""
    matrix = F.interpolate(torch.eye(coarse)[None], size=fine, mode="linear", align_corners=False)[0].T
    padded = F.pad(matrix, (0, 0, 1, 1))
    return torch.cat([padded[tap : tap + fine] for tap in range(3)], dim=1)


def skipping(model: Cascade, dataset: Path) -> None:
    """Print what is lost when a gap between two slices of low probability is not looked at."""
    threshold, cases = model.bundle.info.thresholds.slice, []
    for case in find_cases(dataset):
        volume = read_volume(case.image)
        abnormal = volume.axial.of(read_label(case, volume)).any(axis=(1, 2))
        found = model.segment(volume, threshold=1.0).slice_probability
        cases.append((found[::-1] if 0 in volume.axial.flips else found, abnormal))
    count = sum(len(found) for found, _ in cases)
    picked = sum(int((found >= threshold).sum()) for found, _ in cases)
    print(f"{len(cases)} cases, {count} slices, {picked} picked")
    for step in STEPS:
        for fraction in FRACTIONS:
            unseen = [~looked_at(found, step, fraction * threshold) for found, _ in cases]
            lost = [gone & (found >= threshold) for gone, (found, _) in zip(unseen, cases)]
            tumour = sum(int((gone & abnormal).sum()) for gone, (_, abnormal) in zip(lost, cases))
            print(
                f"every {step} first, skip below {fraction} of the threshold: "
                f"{100 * sum(int(gone.sum()) for gone in unseen) / count:.1f} % not looked at, "
                f"{sum(int(gone.sum()) for gone in lost)} picked slices lost, {tumour} of them with tumour"
            )


def looked_at(probability: np.ndarray, step: int, low: float) -> np.ndarray:
    """Which slices are classified: every ``step``-th, the last, and gaps with a value from ``low`` on at an end."""
    first = sorted({*range(0, len(probability), step), len(probability) - 1})
    seen = np.zeros(len(probability), bool)
    seen[first] = True
    for before, after in pairwise(first):
        if max(probability[before], probability[after]) >= low:
            seen[before:after] = True
    return seen


def part(weight: Tensor, stride: int = 1, padding: int = 0) -> nn.Conv2d:
    """A convolution without bias with this kernel (out, in, h, w)."""
    outputs, inputs, height, width = weight.shape
    conv = nn.Conv2d(inputs, outputs, (height, width), stride, padding, bias=False).requires_grad_(False)
    conv.weight.data = weight
    return conv


def levels(channels: int, side: int) -> Tensor:
    """Random uint8 (1, channels, side, side), channels last."""
    return torch.randint(0, 256, (1, channels, side, side), dtype=torch.uint8).contiguous(
        memory_format=torch.channels_last
    )


def timed(candidates: dict[str, Callable[[], Tensor]]) -> dict[str, float]:
    """Processor milliseconds of each, the best of `ROUNDS` in turns."""
    best = dict.fromkeys(candidates, float("inf"))
    for _ in range(ROUNDS):
        for name, run in candidates.items():
            started = time.process_time()
            run()
            best[name] = min(best[name], (time.process_time() - started) * 1000)
    return best


if __name__ == "__main__":
    main()
