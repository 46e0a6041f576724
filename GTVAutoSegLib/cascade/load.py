"""``load_model``: from an id or a path to a cascade. Importing this does not import PyTorch, which may be missing."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import TorchBrokenError, TorchMissingError
from ..model.bundle import Bundle, Described, read_bundle
from ..model.precision import check_precision

if TYPE_CHECKING:
    from .cascade import Cascade


def load_model(model: str | Path | Bundle, device: str = "auto", precision: str = "auto") -> Cascade:
    """Load a cascade from a bundle, validated before anything is built.

    Args:
        model: id of an installed or shipped bundle, the path of its folder or .zip, or its description read already.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        precision: "fp32" is the reference; "int8" for CPUs, where the bundle is calibrated; "fp16" for CUDA devices;
            "auto" is int8 where this machine supports it and the bundle records that masks practically stay, else
            fp32.

    Raises:
        ModelError: the bundle is missing or damaged, or PyTorch is.
        InputError: there is no such device or precision, or this machine or bundle does not support it.
    """
    check_precision(precision)
    bundle = model if isinstance(model, Described) else read_bundle(model)
    check_torch()
    from .assembly import load_cascade

    return load_cascade(bundle, device, precision)


def check_torch() -> None:
    """Import PyTorch and safetensors.

    Raises:
        TorchMissingError: one of them is not installed.
        TorchBrokenError: one of them is installed and cannot be imported.
    """
    for name in ("torch", "safetensors"):
        if find_spec(name) is None:
            raise TorchMissingError(
                f"{name} is not installed, and the networks need it; install it: in Slicer under 'PyTorch and models', "
                "elsewhere with pip"
            )
        try:
            module = import_module(name)
        except MemoryError:
            raise  # says nothing about what is installed
        except Exception as error:
            # A half-removed one fails with whatever its first missing file leads to; a missing DLL with OSError.
            raise TorchBrokenError(
                f"{name} is installed but cannot be imported ({type(error).__name__}: {error}); remove and install it "
                "again"
            ) from error
        if getattr(module, "__file__", None) is None:
            # Python imports a folder without __init__.py too, as an empty namespace.
            raise TorchBrokenError(
                f"{name} is installed in part only ({next(iter(module.__path__))} has no __init__.py); remove "
                "and install it again"
            )
