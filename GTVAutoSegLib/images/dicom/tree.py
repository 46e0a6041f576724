"""Looking through a folder tree of DICOM files: image series, structure sets, and which belong together."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.errors import InvalidDicomError

from ...errors import InputError
from ...system.files import files_below
from .headers import SliceHeader, read_header
from .rtstruct import StructureSet, read_structure_set


@dataclass(frozen=True)
class ImageSeries:
    """The files of one image series, wherever they lie.

    Attributes:
        uid: SeriesInstanceUID.
        slices: in no particular order, no instance twice.
    """

    uid: str
    slices: tuple[SliceHeader, ...]

    @property
    def patient(self) -> str:
        """PatientID."""
        return self.slices[0].patient

    @property
    def instances(self) -> frozenset[str]:
        """SOPInstanceUIDs."""
        return frozenset(header.instance for header in self.slices)

    def __str__(self) -> str:
        """Modality, description, size and UID."""
        first = self.slices[0]
        return (
            f"{first.modality or 'no modality'} '{first.description}', {len(self.slices)} slices of {first.columns} x "
            f"{first.rows}, UID {self.uid}"
        )


@dataclass(frozen=True)
class DicomTree:
    """What a folder tree holds.

    Attributes:
        root: the folder.
        series: image series by SeriesInstanceUID.
        structure_sets: none twice.
        problems: a sentence for each file that cannot be read.
    """

    root: Path
    series: dict[str, ImageSeries]
    structure_sets: tuple[StructureSet, ...]
    problems: tuple[str, ...]


def scan(root: Path, progress: Callable[[int, int], None] | None = None) -> DicomTree:
    """Read the headers of all DICOM images, and all structure sets, below a folder.

    Args:
        root: where to look.
        progress: called with files done, and files in all.

    Raises:
        InputError: the folder does not exist.
    """
    if not root.is_dir():
        raise InputError(f"{root} is not a folder; expected one with DICOM files, in any subfolders")
    slices: dict[str, dict[tuple[object, ...], SliceHeader]] = {}
    sets: dict[str, StructureSet] = {}
    problems = []
    paths = sorted(path for path in files_below(root) if path.is_file())
    for index, path in enumerate(paths):
        try:
            header = read_header(path) if path.stat().st_size else None
            if header is not None:
                # The same instance may have been exported into two folders.
                slices.setdefault(header.series, {}).setdefault(header.identity, header)
            elif path.stat().st_size and _is_structure_set(path):
                structure_set = read_structure_set(path)
                sets.setdefault(structure_set.uid or str(path), structure_set)
        except InputError as error:
            problems.append(str(error))
        if progress is not None:
            progress(index + 1, len(paths))
    series = {uid: ImageSeries(uid, tuple(found.values())) for uid, found in slices.items()}
    return DicomTree(root, series, tuple(sets.values()), tuple(problems))


def referenced_series(structure_set: StructureSet, tree: DicomTree) -> ImageSeries:
    """The image series a structure set was drawn on.

    The SeriesInstanceUID in its Referenced Frame of Reference Sequence decides; where that names no series of the tree,
    or several, the SOPInstanceUIDs its contours refer to do.

    Raises:
        InputError: the series is not there.
    """
    named = [tree.series[uid] for uid in structure_set.series if uid in tree.series]
    if len(named) == 1:
        return named[0]
    instances = frozenset[str]().union(*(roi.instances for roi in structure_set.rois))
    candidates = named or list(tree.series.values())
    best = max(candidates, key=lambda series: len(series.instances & instances), default=None)
    if best is None or not best.instances & instances:
        wanted = ", ".join(structure_set.series) or "no series at all"
        raise InputError(
            f"{structure_set.path} refers to {wanted}, of which no image is below {tree.root}; copy its CT there "
            "as well"
        )
    return best


def _is_structure_set(path: Path) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pydicom.dcmread(path, specific_tags=["Modality"]).get("Modality") == "RTSTRUCT"
    except InvalidDicomError:
        return False
    except (EOFError, OSError, ValueError, TypeError, AttributeError, KeyError, NotImplementedError) as error:
        raise InputError(f"{path} is a damaged DICOM file ({error}); export it again") from None
