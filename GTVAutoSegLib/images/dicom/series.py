"""Finding, checking and reading a DICOM image series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk

from ...errors import InputError
from ...system.allocator import give_back_freed_memory
from ..headers import HEADER_READERS
from ..itk import names_for_itk, quiet_itk, reason
from ..volume import Volume, narrow
from .headers import SliceHeader, read_headers

# Exporters round positions to 0.1 mm; a slice further than that from its place in the stack is a fault.
POSITION_TOLERANCE_MM = 0.1
SAME_POSITION_MM = 0.01
DIRECTION_TOLERANCE = 1e-3
SPACING_TOLERANCE = 1e-3
NAMED_AT_MOST = 3


def read_dicom_series(folder: Path, series: str | None = None) -> Volume:
    """Read the image series of a folder and its subfolders.

    Args:
        folder: where to look; other files and DICOM objects that are not images are left aside.
        series: the SeriesInstanceUID to read; needed when there are several image series.

    Returns:
        The volume as `stack` makes it.

    Raises:
        InputError: no series, several, or one that cannot be stacked.
    """
    headers, empty = read_headers(folder)
    if not headers:
        found = "only empty files" if empty else "no DICOM image"
        names = f", such as {empty[0].name}" if empty else ""
        raise InputError(f"{folder} holds {found}{names}; {_instead(folder)}")
    volume = stack(_choose(folder, headers, series), str(folder))
    if not empty:
        return volume
    note = f"{len(empty)} empty files such as {empty[0].name} were left aside; slices may be missing"
    return replace(volume, notes=(*volume.notes, note))


def _instead(folder: Path) -> str:
    """What to give instead of a folder without DICOM images."""
    images = sorted(path for path in folder.iterdir() if path.name.lower().endswith(tuple(HEADER_READERS)))
    # A CT rather than its segmentation or its label.
    images.sort(key=lambda path: path.name.lower().startswith("label") or ".seg." in path.name.lower())
    if not images:
        return "expected one DICOM series of a CT"
    return f"expected one DICOM series of a CT, or an image file, so give {images[0]} itself"


def stack(slices: Sequence[SliceHeader], source: str) -> Volume:
    """Read the slices of one series into a volume.

    A tilted gantry's geometry is kept exactly: the third direction then is not at right angles to the others.

    Args:
        slices: in any order.
        source: where they came from, for messages.

    Returns:
        The volume, slices in the order of their position along the normal; HU for a CT.

    Raises:
        InputError: duplicate, missing or unequal slices, missing tags or unreadable pixels.
    """
    _check_alike(slices)
    slices = sorted(slices, key=lambda header: header.height)
    _check_positions(slices)
    spacing, direction, notes = _geometry(slices)
    return Volume(
        _read_pixels(slices),
        spacing,
        (slices[0].position[0], slices[0].position[1], slices[0].position[2]),
        direction,
        source,
        slices[0].modality or None,
        tuple(header.path for header in slices),
        notes,
    )


def _choose(folder: Path, headers: list[SliceHeader], series: str | None) -> list[SliceHeader]:
    """The slices of the one series asked for."""
    groups: dict[str, list[SliceHeader]] = {}
    for header in headers:
        groups.setdefault(header.series, []).append(header)
    # Screenshots and dose sheets have pixels and no place in space; they matter only when there is nothing else.
    placed = {
        uid: group for uid, group in groups.items() if any(not h.missing or h.frames > 1 for h in group)
    } or groups
    if series is not None and series not in groups:
        raise InputError(f"{folder} holds no series {series}; expected one of: {_listed(groups)}")
    if series is not None:
        return groups[series]
    if len(placed) > 1:
        raise InputError(
            f"{folder} holds {len(placed)} image series ({_listed(placed)}); expected one, so name the series by its "
            "UID (--series) or give its own folder"
        )
    return next(iter(placed.values()))


def _listed(groups: dict[str, list[SliceHeader]]) -> str:
    return "; ".join(
        f"{group[0].modality or 'no modality'} '{group[0].description}', {len(group)} slices, UID {uid or 'missing'}"
        for uid, group in groups.items()
    )


def _check_alike(slices: Sequence[SliceHeader]) -> None:
    """Raise unless every slice has its tags and all agree in size, orientation and pixel spacing."""
    first = slices[0]
    for header in slices:
        if header.frames > 1:
            raise InputError(
                f"{header.path} holds {header.frames} frames in one DICOM file; expected one file per slice, so "
                "convert it to single-frame CT or to .nrrd"
            )
        if header.missing:
            raise InputError(f"{header.path} lacks a valid {' and '.join(header.missing)}; export the series again")
        for what, same in (
            ("size", (header.rows, header.columns) == (first.rows, first.columns)),
            ("orientation", np.allclose(header.orientation, first.orientation, rtol=0, atol=DIRECTION_TOLERANCE)),
            ("pixel spacing", np.allclose(header.spacing, first.spacing, rtol=SPACING_TOLERANCE, atol=0)),
            # Each may have its own values, but one without any would be off by the intercept, 1024 HU.
            ("set of rescale tags", len(header.rescale) == len(first.rescale)),
        ):
            if not same:
                raise InputError(
                    f"{header.path} has another {what} than {first.path.name} of the same series; expected slices that "
                    "are all alike, so remove localizers and export the series again"
                )
    lengths = (
        np.linalg.norm(first.orientation[:3]),
        np.linalg.norm(first.orientation[3:]),
        np.linalg.norm(first.normal),
    )
    if not np.allclose(lengths, 1, rtol=0, atol=DIRECTION_TOLERANCE):
        raise InputError(
            f"{first.path} has the ImageOrientationPatient {list(first.orientation)}; expected two perpendicular unit "
            "vectors, so export the series again"
        )


def _check_positions(slices: list[SliceHeader]) -> None:
    """Raise unless the sorted slices stand at equal steps on a straight line."""
    gaps = np.diff([header.height for header in slices])
    for same, (a, b) in zip(gaps < SAME_POSITION_MM, pairwise(slices)):
        if same:
            count = int((gaps < SAME_POSITION_MM).sum())
            raise InputError(
                f"{a.path} and {b.path} lie at the same position, {_mm(a.height)} along the slice normal, and so do "
                f"{count} pairs in all; expected one slice per position, so export a single reconstruction or phase"
            )
    positions = np.array([header.position for header in slices])
    places = np.linspace(positions[0], positions[-1], len(positions))
    if np.abs(positions - places).max() > POSITION_TOLERANCE_MM:
        raise InputError(_unequal(slices, np.abs(positions - places).max(axis=1)))


def _unequal(slices: list[SliceHeader], off: np.ndarray) -> str:
    """What is wrong with the positions of sorted slices that lie ``off`` (mm, one per slice) their places."""
    folder = slices[0].path.parent
    heights = np.array([header.height for header in slices])
    gaps = np.diff(heights)
    usual = float(np.median(gaps))
    steps = np.rint(gaps / usual).astype(int)
    multiples = np.abs(gaps - steps * usual) <= np.maximum(POSITION_TOLERANCE_MM, 0.05 * usual)
    holes = [(heights[i], heights[i + 1], steps[i] - 1) for i in np.flatnonzero(multiples & (steps > 1))]
    if holes and multiples.all():
        named = ", ".join(f"{n} between {_mm(low)} and {_mm(high)}" for low, high, n in holes[:NAMED_AT_MOST])
        more = ", and more" if len(holes) > NAMED_AT_MOST else ""
        return f"{folder} lacks slices: {named}{more}, at the usual spacing of {_mm(usual)}; export the complete series"
    worst = int(np.abs(gaps - usual).argmax())
    low, high = heights[worst], heights[worst + 1]
    if abs(gaps[worst] - usual) > POSITION_TOLERANCE_MM:
        return (
            f"{folder} has slices {_mm(high - low)} apart between {_mm(low)} and {_mm(high)} but {_mm(usual)} "
            "elsewhere; expected equal spacing, so resample the scan or export one reconstruction"
        )
    return (
        f"{slices[int(off.argmax())].path} lies {_mm(off.max())} off the line through the other slices; "
        "expected equally spaced slices on a straight line, so export the series again"
    )


def _geometry(slices: Sequence[SliceHeader]) -> tuple[tuple[float, float, float], tuple[float, ...], tuple[str, ...]]:
    """Spacing (x, y, z), direction and remarks of sorted slices."""
    first, last = slices[0], slices[-1]
    notes: tuple[str, ...] = ()
    if len(slices) > 1:
        step = np.subtract(last.position, first.position) / (len(slices) - 1)
    else:
        step = first.normal * (first.thickness or (1.0,))[0]
        if not first.thickness:
            notes = (f"{first.path.name} does not give its slice thickness; 1 mm was taken",)
    length = float(np.linalg.norm(step))
    columns = np.column_stack([first.orientation[:3], first.orientation[3:], step / length])
    # PixelSpacing is given between rows (y) first.
    return (first.spacing[1], first.spacing[0], length), tuple(map(float, columns.ravel())), notes


def _read_pixels(slices: Sequence[SliceHeader]) -> np.ndarray:
    """The decoded and rescaled pixels (z, y, x) of sorted slices."""
    reader = sitk.ImageSeriesReader()
    reader.SetImageIO("GDCMImageIO")
    if len({header.rescale for header in slices}) > 1:
        reader.SetOutputPixelType(sitk.sitkFloat32)  # otherwise the first slice's integer type is forced on all
    folder = slices[0].path.parent
    for header in slices:
        _check_pixels(header.path)
    try:
        with quiet_itk(), names_for_itk([header.path for header in slices]) as names:
            reader.SetFileNames(names)
            image = reader.Execute()
    except RuntimeError as error:
        bad = next((header.path for header in slices if not _is_decodable(header.path)), folder)
        raise InputError(f"the pixels of {bad} cannot be decoded ({reason(error)}); export the series again") from None
    if image.GetNumberOfComponentsPerPixel() != 1:
        raise InputError(f"{folder} holds colour images; expected one HU value per pixel, so give the CT series")
    array = sitk.GetArrayFromImage(image)
    del image
    give_back_freed_memory()  # ITK's copy is as large as the CT
    return narrow(array)


def _check_pixels(path: Path) -> None:
    """Raise for pixels that ITK reads wrongly without a word.

    It fills up a slice that holds too few, and turns MONOCHROME1 into its negative, although that only says how to show
    the values, not what they mean (PS3.3 C.7.6.3.1.2).
    """
    tags = ["Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "PhotometricInterpretation", "PixelData"]
    try:
        data = pydicom.dcmread(path, specific_tags=tags)
        got = len(data.get("PixelData") or b"")
        expected = int(data.Rows) * int(data.Columns) * int(data.get("SamplesPerPixel") or 1) * data.BitsAllocated // 8
        compressed = data.file_meta.TransferSyntaxUID.is_compressed
    except (EOFError, OSError, ValueError, TypeError, AttributeError, KeyError, NotImplementedError) as error:
        raise InputError(f"the pixels of {path} cannot be decoded ({error}); export the series again") from None
    if got < expected and not compressed:
        raise InputError(
            f"the pixels of {path} cannot be decoded (it holds {got} of {expected} bytes); export the series again"
        )
    if data.get("PhotometricInterpretation") == "MONOCHROME1":
        raise InputError(
            f"{path} is stored for display in negative (MONOCHROME1); expected MONOCHROME2, so convert the series"
        )


def _is_decodable(path: Path) -> bool:
    try:
        with quiet_itk(), names_for_itk([path]) as names:
            sitk.ReadImage(names[0], imageIO="GDCMImageIO")
    except RuntimeError:
        return False
    return True


def _mm(value: float) -> str:
    return f"{round(value, 2):g} mm"
