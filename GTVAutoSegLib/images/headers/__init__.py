"""What the headers of NIfTI, NRRD and MetaImage files say, read beside ITK: `check_header`.

ITK replaces a spacing it cannot use by 1 mm and takes metres for millimetres. Of two places that contradict each other
it takes one. It fills what a truncated NIfTI file lacks with whatever lies in memory, returns damaged compressed data
as if it were sound, and turns NaN in NIfTI files into 0. None of this may become a contour, so the raw header is read
here, and the voxels in `stored_voxels.py`.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

from ...errors import InputError
from ...system.files import unreadable
from .header import Header, check
from .meta_image import read_meta_image
from .nifti import read_nifti
from .nrrd import read_nrrd

HEADER_READERS: dict[str, Callable[[Path], Header]] = {
    ".nii": read_nifti,
    ".nii.gz": read_nifti,
    ".nrrd": read_nrrd,
    ".nhdr": read_nrrd,
    ".mha": read_meta_image,
    ".mhd": read_meta_image,
}


def check_header(path: Path, suffix: str) -> Header:
    """Read a header and check that it is usable.

    Args:
        path: the file.
        suffix: its suffix in lower case, a key of ``HEADER_READERS``.

    Raises:
        InputError: not such a file, one that may not be read, or no usable geometry.
    """
    try:
        if path.stat().st_size == 0:
            raise InputError(f"{path} is empty (0 bytes); expected a {suffix} image, so export or copy it again")
        header = HEADER_READERS[suffix](path)
    except (ValueError, KeyError, IndexError, EOFError, OSError, OverflowError, struct.error, zlib.error) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise InputError(unreadable(path, error)) from None
        raise InputError(f"{path} does not begin like a {suffix} image; export or copy it again") from None
    check(path, header)
    return header
