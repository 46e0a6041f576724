"""Finding the CTs of a batch in a folder or a table, and saying what is left aside and why."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import SimpleITK as sitk
from pydicom.uid import CTImageStorage

from ..errors import InputError
from ..images.dicom.headers import SliceHeader
from ..images.dicom.tree import DicomTree, Problem, scan
from ..images.itk import names_for_itk, opened, reading_image
from ..images.read import IMAGE_IO
from ..images.region import Region
from ..system.names import counted, safe_name, short_hash, shown, suffix_of, tell_apart
from ..system.progress import Progress
from .cohort import Case, Cohort, Skipped
from .table import Row, read_rows

# Localizers have one or two slices; a scan that shows a tumour has more than a handful.
FEWEST_SLICES = 5
# Secondary Capture Image Storage and its multi-frame siblings (DICOM PS3.4 B.5).
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
EMPTY = "empty, 0 bytes"
DAMAGED = "damaged DICOM"


def find_cohort(
    source: Path, output: Path | None = None, by_patient: bool = False, progress: Progress | None = None
) -> Cohort:
    """Find the CTs in a folder of volumes or DICOM files in any nesting, or in a .csv with the columns name and path.

    Args:
        source: the folder or the table; paths in a table are relative to it.
        output: where results go; nothing below it is looked at.
        by_patient: name DICOM cases by PatientID and the hash of the series instead of by the hash alone.
        progress: called with "reading headers", files done, and files in all.

    Raises:
        InputError: no such folder or table, or the table cannot be read.
    """
    if source.is_file() and source.suffix.lower() == ".csv":
        return _from_table(source)
    if not source.is_dir():
        raise InputError(f"{source} is neither a folder nor a .csv table; expected the folder with the CTs")
    return _search(source, output, by_patient, progress)


def _search(root: Path, output: Path | None, by_patient: bool, progress: Progress | None) -> Cohort:
    excluded = None if output is None else output.resolve()
    tree = scan(
        root, progress, lambda path: path.name.startswith(".") or path.resolve() == excluded, structure_sets=False
    )
    volumes, others = [], defaultdict(list)
    for path, modality in tree.others:
        if suffix_of(path, IMAGE_IO):
            volumes.append(path)
        else:
            others[f"{modality}, not an image" if modality else "neither DICOM nor a volume"].append(path)
    for path in tree.empty:
        (volumes if suffix_of(path, IMAGE_IO) else others[EMPTY]).append(path)
    found, skipped = _volumes(volumes, root)
    more, unfit = _series_cases(tree, by_patient)
    skipped += unfit
    for reason, paths in others.items():
        skipped.append(Skipped(counted(len(paths), "file"), reason, str(paths[0]), len(paths)))
    skipped += [_unread(problem) for problem in tree.problems]
    cases = [*found, *more]
    names = tell_apart([case.name for case in cases], [case.source for case in cases])
    cases = [replace(case, name=name) for case, name in zip(cases, names)]
    return Cohort(tuple(sorted(cases, key=lambda case: case.name)), tuple(skipped))


def _unread(problem: Problem) -> Skipped:
    """What could not be read, and so may be a patient or a slice of one."""
    if problem.damaged:
        return Skipped("1 file", DAMAGED, str(problem.path), lost=True)
    return Skipped("1 file or folder", "cannot be read: check the permissions", str(problem.path), lost=True)


def _unfit(header: SliceHeader) -> str:
    """Why an image is no slice of a CT, or ""."""
    if header.modality != "CT":
        return f"{header.modality or 'no modality given'}, not CT"
    if header.sop_class.startswith(SECONDARY_CAPTURE):
        return "secondary capture"
    if "LOCALIZER" in header.image_type:
        return "scout (localizer)"
    if header.frames == 1 and header.missing:
        return f"no place in space ({', '.join(header.missing)} missing)"
    return ""


def _series_cases(tree: DicomTree, by_patient: bool) -> tuple[list[Case], list[Skipped]]:
    cases, skipped = [], []
    for identity, one in tree.series.items():
        hashed = short_hash(identity)
        label = f"series_{hashed}"
        fit: dict[str, list[SliceHeader]] = defaultdict(list)
        for header in one.slices:
            fit[_unfit(header)].append(header)
        for reason, headers in fit.items():
            paths = tuple(str(header.path) for header in headers)
            # A single file may hold all frames of a scan; reading it says what to do with it.
            too_few = not reason and len(paths) < FEWEST_SLICES and headers[0].frames == 1
            if reason or too_few:
                why = reason or f"too few slices for a CT, expected at least {FEWEST_SLICES}"
                skipped.append(Skipped(f"{label}, {counted(len(paths), 'image')}", why, paths[0], len(paths)))
                continue
            source = f"case_{hashed}"
            patient = safe_name(one.patient.id) if by_patient else ""
            name = f"{patient}_{hashed}" if patient else source
            cases.append(
                Case(name, files=paths, is_dicom=True, source=source, notes=_notes(paths, tree), series=one.uid)
            )
        if one.copies:
            copies = len(one.copies)
            skipped.append(Skipped(f"{label}, {counted(copies, 'image')}", "copies", str(one.copies[0]), copies))
    return cases, skipped


def _notes(paths: tuple[str, ...], tree: DicomTree) -> tuple[str, ...]:
    """Remarks on empty and damaged files in the folders of a series: they may have been slices of it."""
    folders = {Path(path).parent for path in paths}
    notes = []
    headers = [header for one in tree.series.values() for header in one.slices]
    unplaced = [header.path for header in headers if header.sop_class == CTImageStorage and header.missing]
    damaged = [problem.path for problem in tree.problems]
    for reason, files in ((EMPTY, tree.empty), (DAMAGED, damaged), ("no place in space", unplaced)):
        beside = [path for path in files if path.parent in folders]
        if beside:
            notes.append(f"{counted(len(beside), 'file')} beside the CT left aside ({reason}); slices may be missing")
    return tuple(notes)


def _volumes(paths: list[Path], root: Path) -> tuple[list[Case], list[Skipped]]:
    cases, skipped = [], []
    for path in paths:
        relative = shown(path.relative_to(root).as_posix())
        reason = _unfit_volume(path)
        if reason:
            skipped.append(Skipped(relative, reason, str(path)))
        else:
            cases.append(Case(_volume_name(path, root), (str(path),), False, relative))
    return cases, skipped


def _unfit_volume(path: Path) -> str:
    """Why a volume is no CT, by its header, or "". One that cannot be read counts as a CT, and then fails by name."""
    suffix = suffix_of(path, IMAGE_IO)
    if path.name.lower().endswith(".seg.nrrd"):
        return "a segmentation"
    try:
        with reading_image(), names_for_itk([path]) as names:
            reader = opened(names[0], IMAGE_IO[suffix])
    except RuntimeError:
        return ""
    if reader.GetPixelID() in (sitk.sitkUInt8, sitk.sitkInt8):
        return "8-bit voxels: a label map or a preview, not HU"
    if path.name.lower() == f"label{suffix}" and path.with_name(f"data{path.name[-len(suffix) :]}").exists():
        return "the label of a data set"
    if reader.GetDimension() == 3 and min(reader.GetSize()) < FEWEST_SLICES:
        return f"too few slices for a CT, expected at least {FEWEST_SLICES}"
    return ""


def _volume_name(path: Path, root: Path) -> str:
    """The path below the root with underscores; a data set's ``<case>/data.nii.gz`` has the name of its folder."""
    relative = path.relative_to(root)
    stem = path.name[: -len(suffix_of(path, IMAGE_IO))]
    parts = relative.parts[:-1] if stem == "data" and len(relative.parts) > 1 else (*relative.parts[:-1], stem)
    return safe_name("_".join(parts)) or f"case_{short_hash(relative.as_posix())}"


def _from_table(table: Path) -> Cohort:
    cases: list[Case] = []
    skipped: list[Skipped] = []
    failed = []
    rows = read_rows(table)
    names = tell_apart(
        [safe_name(row.name) or f"row{row.number}" for row in rows], [f"{row.path} {row.box}".strip() for row in rows]
    )
    for name, row in zip(names, rows):
        where = table.parent / row.path
        try:
            region = _box(row, table.parent)
            if where.is_dir():
                inside = _search(where, None, False, None)
                skipped += inside.skipped
                if len(inside.cases) != 1:
                    raise InputError(f"row {row.number} names a folder with {len(inside.cases)} CTs; expected one")
                cases.append(replace(inside.cases[0], name=name, source=name, region=region))
            elif where.is_file():
                cases.append(Case(name, (str(where),), False, name, region=region))
            else:
                raise InputError(f"row {row.number} names a path that does not exist; expected a volume or a folder")
        except InputError as error:
            failed.append((name, str(error)))
        except OSError as error:
            why = f"cannot be looked at ({error.strerror}); expected a volume or a folder"
            failed.append((name, f"row {row.number} names a path that {why}"))
    return Cohort(tuple(sorted(cases, key=lambda case: case.name)), tuple(skipped), tuple(failed))


def _box(row: Row, folder: Path) -> Region | None:
    """The box of a row; whose file it is stays out of the sentence when it cannot be used."""
    if not row.box:
        return None
    is_file = row.box.lower().endswith(".json")
    try:
        return Region.of_words([row.box] if is_file else row.box.split(), folder)
    except InputError as error:
        why = str(error).replace(str(folder / row.box), "its box") if is_file else str(error)
        raise InputError(f"row {row.number}: {why}") from error
