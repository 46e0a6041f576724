"""The header of a NIfTI-1 file, https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h."""

from __future__ import annotations

import gzip
import math
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ...errors import InputError
from .header import Form, Header, bytes_of, check_spacings, check_units, unfit

GZIP_MAGIC = b"\x1f\x8b"
LENGTH, LENGTH_2 = 348, 540  # of the header, and of that of NIfTI-2
# Types of voxels as numpy names them, without their byte order.
NIFTI_TYPES = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
}
# Types that are no single numbers: bits, complex ones, colours, and numbers of 16 bytes.
COMPOUND = {1, 32, 128, 1536, 1792, 2048, 2304}
# NIFTI_UNITS_METER, _MM and _MICRON; 0 is none.
UNITS = {0: "", 1: "metres", 2: "mm", 3: "micrometres"}
# Up to this cosine axes count as at right angles: 0.06 degrees, far more than float32 loses.
SQUARE = 1e-3
# Corners of the volume may lie this far apart before two places count as different ones.
FORMS_APART_MM = 0.1
LPS = np.diag([-1.0, -1.0, 1.0])


def read_nifti(path: Path) -> Header:
    """Read the header of a .nii or .nii.gz file.

    Raises:
        InputError: another version or name, or a geometry that contradicts itself.
        ValueError: no such file; struct.error, EOFError and zlib.error as well.
    """
    raw, compressed = _raw(path)
    order = "<" if raw[:4] in (struct.pack("<i", LENGTH), struct.pack("<i", LENGTH_2)) else ">"

    def unpack(kind: str, first: int) -> tuple[float, ...]:
        return struct.unpack_from(f"{order}{kind}", raw, first)

    if unpack("i", 0)[0] == LENGTH_2:
        raise InputError(f"{path} is a NIfTI-2 file; expected NIfTI-1, so convert it or use .nrrd")
    if unpack("i", 0)[0] != LENGTH or raw[344:347] != b"n+1":
        raise ValueError("no NIfTI-1 header")
    count, *sides = struct.unpack_from(f"{order}8h", raw, 40)
    if not 1 <= count <= len(sides):
        raise unfit(path, f"{count} dimensions", "3")
    code, bits = struct.unpack_from(f"{order}2h", raw, 70)
    name = NIFTI_TYPES.get(code)
    if not name and code not in COMPOUND:
        raise unfit(path, f"voxels of the type {code}", "numbers, such as 4 (int16)")
    if name and bits != bytes_of(name) * 8:
        raise unfit(path, f"{bits} bits a voxel", f"{bytes_of(name) * 8}, as its type has")
    spacing = unpack("3f", 80)[: min(count, 3)]
    start, slope, intercept = unpack("3f", 108)
    _check_scaling(path, slope, intercept)
    if not start >= LENGTH:
        raise InputError(
            f"{path} says that its voxels begin at byte {start:g}, within its header; expected {LENGTH} or more, so "
            "export it again"
        )
    check_units(path, UNITS.get(raw[123] & 7, f"the unit {raw[123] & 7}"))
    forms = _forms(path, spacing, unpack) if count >= 3 else ()
    return Header(
        sides=tuple(sides[:count]),
        spacing=spacing,
        data=path,
        offset=0,
        compressed=compressed,
        # By the type where it is known: too small a number of bits would hide that voxels are missing.
        size=int(start) + math.prod(sides[:count]) * bits // 8,
        oriented=any(unpack("2h", 252)),
        kind=f"{order}{name}" if name else "",
        start=int(start),
        # A slope of 0, or one that is no number, stands for none.
        scaled=slope != 0 and (slope, intercept) != (1, 0),
        loses_nan=True,
        place=tuple(float(number) for form in forms for number in form.affine.ravel()),
        forms=forms,
    )


def _raw(path: Path) -> tuple[bytes, bool]:
    """The first bytes of a file once decompressed, and whether it is compressed."""
    with path.open("rb") as file:
        compressed = file.read(2) == GZIP_MAGIC
    if compressed and path.name.lower().endswith(".nii"):
        raise InputError(f"{path} is compressed but named .nii; rename it to .nii.gz")
    with gzip.open(path) if compressed else path.open("rb") as file:
        return file.read(LENGTH), compressed


def _check_scaling(path: Path, slope: float, intercept: float) -> None:
    if slope == 0 and intercept != 0:
        raise InputError(
            f"{path} has a slope of 0 and an intercept of {intercept:g}, which readers take differently; expected HU "
            "that is certain, so export it again"
        )
    if slope < 0 or math.isinf(slope) or (math.isfinite(slope) and not math.isfinite(intercept)):
        raise unfit(path, f"the slope {slope:g} and the intercept {intercept:g}", "numbers")


def _forms(path: Path, spacing: tuple[float, ...], unpack: Callable[[str, int], tuple[float, ...]]) -> tuple[Form, ...]:
    """The places that the header gives: qform, sform, both, or none.

    Raises:
        InputError: one contradicts the spacing, or is sheared.
    """
    qform, sform = unpack("2h", 252)
    forms = []
    if qform > 0:
        turn = _turn(path, unpack("3f", 256))
        # pixdim[0] says whether the third axis is mirrored; 0 stands for 1.
        mirrored = -1.0 if unpack("f", 76)[0] < 0 else 1.0
        with np.errstate(invalid="ignore"):  # an infinite spacing is said for all formats
            axes = turn * spacing * [1, 1, mirrored]
            forms.append(Form("qform", LPS @ np.column_stack([axes, unpack("3f", 268)])))
    if sform > 0:
        affine = np.reshape(unpack("12f", 280), (3, 4))
        _check_sform(path, affine[:, :3], spacing)
        forms.append(Form("sform", LPS @ affine))
    return tuple(forms)


def _turn(path: Path, numbers: tuple[float, ...]) -> np.ndarray:
    """The rotation of a quaternion that is given by its last three numbers; raises InputError for too long ones."""
    b, c, d = numbers
    square = 1 - (b * b + c * c + d * d)
    if square < -SQUARE:
        raise unfit(path, "a qform whose quaternion is none", "one of length 1 at most")
    a = math.sqrt(max(0.0, square))
    return np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )


def _check_sform(path: Path, axes: np.ndarray, spacing: tuple[float, ...]) -> None:
    lengths = np.linalg.norm(axes, axis=0)
    if not (np.isfinite(axes).all() and lengths.all()):
        return  # said for all formats
    unit = axes / lengths
    cosines = np.abs((unit.T @ unit)[[0, 0, 1], [1, 2, 2]])
    if cosines.max() > SQUARE:
        angle = math.degrees(math.asin(min(1.0, float(cosines.max()))))
        raise InputError(
            f"{path} has an sform that is sheared by {angle:.1f} degrees, as of a tilted gantry; expected axes at "
            "right angles, which is all that NIfTI readers keep, so give the DICOM series or an .nrrd file"
        )
    check_spacings(path, spacing, lengths, places=("pixdim", "the sform"))


def contradiction(path: Path, forms: Sequence[Form], sides: Sequence[int], affine: np.ndarray) -> str:
    """What is to be said when qform and sform contradict each other, or "".

    Args:
        path: the file.
        forms: both.
        sides: voxels along x, y and z.
        affine: the place that was taken, (3, 4), from indices to mm, LPS.
    """
    if len(forms) < 2:
        return ""
    corners = np.array(list(np.ndindex(2, 2, 2))) * (np.array(sides[:3]) - 1)
    places = [corners @ form[:, :3].T + form[:, 3] for form in (affine, *(one.affine for one in forms))]
    off = [float(np.linalg.norm(place - places[0], axis=1).max()) for place in places[1:]]
    apart = float(np.linalg.norm(places[1] - places[2], axis=1).max())
    if apart <= FORMS_APART_MM:
        return ""
    taken = forms[int(np.argmin(off))].name
    return (
        f"{path} gives its place twice and differently, up to {apart:.1f} mm apart: the {taken} was taken; check on "
        "which side of the patient the result lies"
    )
