"""Small helpers around SimpleITK."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import SimpleITK as sitk


@contextmanager
def quiet_itk() -> Iterator[None]:
    """Keep ITK's C++ warnings off the terminal; what matters is raised or noted by the caller."""
    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(shown)


def reason(error: Exception) -> str:
    """The last line of an ITK error, which says what went wrong; the lines above say where in ITK."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # "ITK ERROR: NiftiImageIO(0x55...): " tells a user nothing.
    return re.sub(r"^(\w+::?|ITK )ERROR: |\w+\(0x\w+\): ", "", lines[-1]).rstrip(".") if lines else "no reason given"
