"""Errors a user can act on: one sentence saying what was got, what was expected and what to do."""

from __future__ import annotations

# What importing needs at least, and how much of a package's own complaint is passed on.
BASICS = "numpy SimpleITK pydicom scipy"
WORDS = 12


class GTVAutoSegError(Exception):
    """Base of every expected failure.

    Attributes:
        exit_code: what the command line ends with.
        kind: what the worker protocol calls it.
    """

    exit_code = 4
    kind = "internal"


class InputError(GTVAutoSegError):
    """Wrong usage, or an input that cannot be read or is unsuitable."""

    exit_code = 2
    kind = "input"


class DeviceError(InputError):
    """The asked-for device does not exist or does not work."""

    kind = "device"


class ModelError(GTVAutoSegError):
    """A model bundle is missing or damaged."""

    exit_code = 3
    kind = "model"


class TorchMissingError(ModelError):
    """PyTorch or safetensors is not installed."""

    kind = "torch-missing"


class TorchBrokenError(ModelError):
    """PyTorch or safetensors is installed but cannot be imported."""

    kind = "torch-broken"


class PackageError(ModelError):
    """A package that the library needs is missing or broken."""

    kind = "package"


class RunError(GTVAutoSegError):
    """The run started and failed."""

    kind = "run"


class OutOfMemoryError(RunError):
    """Memory ran out even after every way to use less."""

    kind = "memory"


class DiskError(RunError):
    """A result could not be written: the disk is full or went away."""

    kind = "disk"


class Cancelled(GTVAutoSegError):
    """The user asked the run to stop."""

    exit_code = 130
    kind = "cancelled"


def broken_package(error: ImportError) -> GTVAutoSegError | None:
    """The error for a package that cannot be imported; None when it is this library's own module."""
    package = (error.name or "").partition(".")[0]
    if package == __package__:
        return None
    words = str(error).split()
    said = f"{' '.join(words[:WORDS])}{' ...' * (len(words) > WORDS)}"
    return PackageError(
        f"{package or 'a package'} cannot be imported ({said}); expected what the library was installed "
        f"with, so install it again: pip install --force-reinstall {package or BASICS}"
    )
