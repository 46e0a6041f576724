"""Errors a user can act on: one sentence saying what was got, what was expected and what to do."""

from __future__ import annotations

import errno

FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
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


class ExportError(GTVAutoSegError):
    """An export that gave no file.

    Args:
        kind: "segment" or "no-dicom" when a segment or the CT's slices are the reason; "export" for everything else.
        message: the sentence.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.exit_code = GTVAutoSegError.exit_code if kind == "export" else InputError.exit_code


class Cancelled(GTVAutoSegError):
    """The user asked the run to stop."""

    exit_code = 130
    kind = "cancelled"


def exit_code_of(kind: str) -> int:
    """What the command line ends with for an error that the worker protocol calls so."""
    classes = [GTVAutoSegError]
    for one in classes:
        if one.kind == kind:
            return one.exit_code
        classes += one.__subclasses__()
    return GTVAutoSegError.exit_code


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


def foreseen(error: BaseException) -> GTVAutoSegError | None:
    """The sentence for an error that may happen anywhere in the program; None for all others.

    Args:
        error: OSError of a full or read-only disk, of a forbidden or too long name; MemoryError; ImportError
            of another package.
    """
    if isinstance(error, GTVAutoSegError):
        return error
    if isinstance(error, ImportError):
        return broken_package(error)
    if isinstance(error, MemoryError):
        return OutOfMemoryError("memory ran out; close other programs, and run again")
    if not isinstance(error, OSError):
        return None
    what = error.filename if error.filename is not None else "a temporary file"
    if error.errno in FULL:
        return DiskError(f"{what} could not be written because the disk is full; free space on it, and run again")
    if error.errno in FORBIDDEN:
        return InputError(
            f"{what} may not be read or changed ({error.strerror}); ask for the permission, or choose another place"
        )
    if error.errno == errno.ENAMETOOLONG:
        return InputError(f"{what} has a longer name than the disk allows; choose a shorter one")
    return None


def explained(error: BaseException, advice: str) -> GTVAutoSegError:
    """The sentence for whatever ended a run; one that nobody has foreseen names the error, and what to do with it.

    Args:
        error: any, also Ctrl+C.
        advice: what to do then.
    """
    if isinstance(error, KeyboardInterrupt):
        return Cancelled("cancelled; unfinished files were removed")
    return foreseen(error) or GTVAutoSegError(
        f"the run failed unexpectedly ({type(error).__name__}: {error}); {advice}"
    )
