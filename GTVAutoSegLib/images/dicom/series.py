"""Finding, checking and reading a DICOM image series."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from pydicom.uid import CTImageStorage

from ...errors import InputError
from ...system.names import counted
from ..headers import HEADER_READERS
from ..volume import Volume, check_geometry
from .headers import SliceHeader
from .pixels.hu import read_hu
from .tree import ImageSeries, scan

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
    tree = scan(folder, structure_sets=False)
    if tree.problems:
        more = f" (and {len(tree.problems) - 1} further files)" if len(tree.problems) > 1 else ""
        raise InputError(f"{tree.problems[0].text}{more}")
    if not tree.series:
        found = "only empty files" if tree.empty else "no DICOM image"
        names = f", such as {tree.empty[0].name}" if tree.empty else ""
        raise InputError(f"{folder} holds {found}{names}; {_instead(folder)}")
    chosen = _choose(folder, tree.series, series)
    volume = stack(chosen.slices, str(folder))
    notes = []
    if tree.empty:
        notes.append(
            f"left aside: {counted(len(tree.empty), 'empty file')} such as {tree.empty[0].name}; slices may be missing"
        )
    lost = [header for one in tree.series.values() for header in one.slices if _may_belong(header, one, chosen)]
    if lost:
        notes.append(
            f"left aside: {counted(len(lost), 'image')} without a place in space, such as {lost[0].path.name}; slices "
            "may be missing"
        )
    if chosen.copies:
        notes.append(f"left aside: {counted(len(chosen.copies), 'copy', 'copies')} such as {chosen.copies[0]}")
    return replace(volume, notes=(*volume.notes, *notes))


def _may_belong(header: SliceHeader, series: ImageSeries, chosen: ImageSeries) -> bool:
    """Whether an image of another series may be a slice whose header was damaged, and not a picture of something."""
    return series is not chosen and header.sop_class == CTImageStorage and header.frames == 1 and bool(header.missing)


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

    Returns:
        The volume, slices in the order of their position along the normal; HU for a CT.

    Raises:
        InputError: duplicate, missing or unequal slices, missing tags or unreadable pixels.
    """
    _check_alike(slices)
    slices = sorted(slices, key=lambda header: header.height)
    _check_positions(slices)
    spacing, direction, notes = _geometry(slices)
    instances = [header.instance for header in slices if header.instance]
    if len(set(instances)) < len(instances):
        shared = len(instances) - len(set(instances))
        both = "slice shares its SOPInstanceUID", "slices share their SOPInstanceUID"
        notes = (*notes, f"{counted(shared, *both)} with another one")
    paths = tuple(header.path for header in slices)
    hu, doubts = read_hu(paths)
    volume = Volume(
        hu,
        spacing=spacing,
        origin=(slices[0].position[0], slices[0].position[1], slices[0].position[2]),
        direction=direction,
        source=source,
        modality=slices[0].modality or None,
        dicom_files=paths,
        notes=(*notes, *doubts),
        doubts=doubts,
    )
    check_geometry(volume)
    return volume


def _choose(folder: Path, groups: dict[str, ImageSeries], series: str | None) -> ImageSeries:
    """The one series asked for."""
    # Screenshots and dose sheets have pixels and no place in space; they matter only when there is nothing else.
    placed = [
        one for one in groups.values() if any(not header.missing or header.frames > 1 for header in one.slices)
    ] or list(groups.values())
    if series is not None:
        named = [one for one in groups.values() if one.uid == series]
        if len(named) != 1:
            raise InputError(f"{folder} holds no series {series}; expected one of: {_listed(groups.values())}")
        return named[0]
    if len(placed) > 1:
        raise InputError(
            f"{folder} holds {len(placed)} image series ({_listed(placed)}); expected one, so name the series by its "
            "UID (--series) or give its own folder"
        )
    return placed[0]


def _listed(series: Iterable[ImageSeries]) -> str:
    return "; ".join(
        f"{one.slices[0].modality or 'no modality'} '{one.slices[0].description}', "
        f"{counted(len(one.slices), 'slice')}, UID {one.uid or 'missing'}"
        for one in series
    )


def _check_alike(slices: Sequence[SliceHeader]) -> None:
    """Raise unless every slice has its tags and all agree in size, orientation and pixel spacing."""
    first = slices[0]
    _check_patient(slices)
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
            ("modality", header.modality == first.modality),
            ("frame of reference", header.frame_of_reference == first.frame_of_reference),
            # Each may have its own values, but one without any would be off by the intercept, 1024 HU.
            ("set of rescale tags", len(header.rescale) == len(first.rescale)),
        ):
            if not same:
                raise InputError(
                    f"{header.path} has another {what} than {first.path.name} of the same series; expected slices that "
                    "are all alike, so remove localizers and export the series again"
                )
    lengths = [np.linalg.norm(axis) for axis in (first.orientation[:3], first.orientation[3:], first.normal)]
    if not np.allclose(lengths, 1, rtol=0, atol=DIRECTION_TOLERANCE):
        raise InputError(
            f"{first.path} has the ImageOrientationPatient {list(first.orientation)}; expected two perpendicular unit "
            "vectors, so export the series again"
        )


def _check_patient(slices: Sequence[SliceHeader]) -> None:
    """Raise unless all slices are of one patient, and no two of them are versions of one instance."""
    first = slices[0]
    places: dict[tuple[object, ...], SliceHeader] = {}
    for header in slices:
        unlike = first.patient.unlike(header.patient)
        if unlike or bool(first.patient.id) != bool(header.patient.id):
            raise InputError(
                f"{header.path} has another {unlike or 'PatientID'} than {first.path.name} of the same series; "
                "expected the slices of one patient, so give each patient a folder and export the series again"
            )
        twin = places.setdefault((header.instance or str(header.path), header.position), header)
        if twin is not header:
            raise InputError(
                f"{header.path} has the SOPInstanceUID of {twin.path} and other content; expected one version of each "
                "slice, so remove the one that is wrong"
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


def _mm(value: float) -> str:
    return f"{round(value, 2):g} mm"
