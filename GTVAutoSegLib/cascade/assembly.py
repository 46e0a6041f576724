"""From a bundle on disk to a cascade: check the weights, build the networks, convert them to the precision chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import nn
from torch.overrides import TorchFunctionMode

from ..errors import InputError, ModelError
from ..model.bundle import Bundle, Described
from ..model.info import Description, NetworkInfo
from ..networks import CLASSIFIERS, SEGMENTERS, build_network, channels_last
from .cascade import Cascade
from .device import resolve_device
from .int8.convert import NotQuantisableError, quantise
from .int8.layers import NO_INSTRUCTIONS, missing_support


def load_cascade(bundle: Bundle, device: str, precision: str) -> Cascade:
    """Build the networks of a bundle and load their weights; see `GTVAutoSegLib.cascade.load.load_model`."""
    target = resolve_device(device)
    classifiers = tuple(
        load_network(bundle, CLASSIFIERS, bundle.info.classifier, f) for f in bundle.info.classifier.files
    )
    segmenters = tuple(load_network(bundle, SEGMENTERS, bundle.info.segmenter, f) for f in bundle.info.segmenter.files)
    cascade = Cascade(bundle, classifiers, segmenters, target)
    try:
        cascade = in_precision(cascade, chosen_precision(cascade, precision))
        return replace(cascade, notes=_notes(cascade)) if precision == "auto" else cascade
    except NotQuantisableError as error:
        raise ModelError(f"{bundle.path}: {error}; install the model again, or take precision fp32") from error


def chosen_precision(cascade: Cascade, wanted: str) -> str:
    """The precision to run in, where "auto" depends on the bundle, the device and this machine; see `load_model`.

    Raises:
        InputError: the bundle, the device or this machine does not support the precision asked for.
    """
    kind = cascade.device.type
    if wanted == "int8":
        refusal = _no_int8(cascade)
        if refusal:
            raise InputError(f"precision int8 is not available: {refusal}; take auto or fp32")
    if wanted == "fp16" and kind != "cuda":
        raise InputError(f"precision fp16 needs a CUDA device, this is {kind}; take auto or fp32")
    if wanted != "auto":
        return wanted
    return "int8" if _suits_int8(cascade) and not _no_int8(cascade) else "fp32"


def in_precision(cascade: Cascade, precision: str, ranges: dict[str, dict[str, float]] | None = None) -> Cascade:
    """A float32 cascade with its networks converted to another precision.

    Args:
        cascade: in float32.
        precision: "fp32", "int8" or "fp16".
        ranges: of its networks, for int8; those of the bundle by default.

    Raises:
        NotQuantisableError: a network has no 8-bit form.
    """
    if precision == "fp32":
        return cascade
    info = cascade.bundle.info
    if ranges is None:
        ranges = info.calibration.ranges if info.calibration is not None else {}

    def convert(networks: tuple[nn.Module, ...], files: tuple[str, ...]) -> tuple[nn.Module, ...]:
        if precision == "fp16":
            return tuple(network.half() for network in networks)
        return tuple(quantise(network, ranges.get(name, {})) for network, name in zip(networks, files))

    return replace(
        cascade,
        classifiers=convert(cascade.classifiers, info.classifier.files),
        segmenters=convert(cascade.segmenters, info.segmenter.files),
        precision=precision,
    )


def _suits_int8(cascade: Cascade) -> bool:
    calibration = cascade.bundle.info.calibration
    return calibration is not None and calibration.agreement.close and cascade.device.type == "cpu"


def _notes(cascade: Cascade) -> tuple[str, ...]:
    """A sentence where a processor made for 8-bit integers computes in float32 all the same."""
    reason = _no_int8(cascade) if _suits_int8(cascade) and cascade.precision == "fp32" else ""
    if reason in ("", NO_INSTRUCTIONS):
        return ()
    return (f"computed in float32, which takes longer than 8-bit integers and is the reference: {reason}",)


def _no_int8(cascade: Cascade) -> str:
    """Why a cascade cannot run in 8-bit integers; "" when it can."""
    if cascade.device.type != "cpu":
        return f"it is for CPUs, and the device is {cascade.device.type}"
    if cascade.bundle.info.calibration is None:
        return f"{cascade.bundle.path} is not calibrated (gtvautoseg model calibrate)"
    return missing_support()


def load_network(
    bundle: Described[Description], registry: dict[str, Callable[..., nn.Module]], info: NetworkInfo, name: str
) -> nn.Module:
    """A network of a bundle with its weights, checked, ready to infer.

    Raises:
        ModelError: the weights are damaged, or are not those of this network.
    """
    content = bundle.weights(name)
    where = bundle.path / name
    try:
        tensors = load(content)
        # On the meta device: memory for the network is taken only after the file's shapes have been checked.
        with torch.device("meta"), _NoRandomNumbers():
            expected = build_network(registry, info.network, info.arguments).state_dict()
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{bundle.path}: {error}; install the model again") from error
    except SafetensorError as error:
        raise ModelError(f"{where} is not a safetensors file ({error}); install the model again") from error
    for key in sorted(expected.keys() | tensors.keys()):
        got = tuple(tensors[key].shape) if key in tensors else "absent"
        wanted = tuple(expected[key].shape) if key in expected else "absent"
        if got != wanted:
            raise ModelError(f"{where}: tensor '{key}' is {got}, model.json describes {wanted}; install it again")
    with _NoRandomNumbers():
        network = build_network(registry, info.network, info.arguments)
    network.load_state_dict(tensors)
    return channels_last(network.eval().requires_grad_(False))


class _NoRandomNumbers(TorchFunctionMode):
    """Skips the random initialisation of a network whose weights are replaced right afterwards.

    On the meta device drawing normal numbers would also make PyTorch import its compiler, which takes a second.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "").endswith(("normal_", "uniform_")):
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)
