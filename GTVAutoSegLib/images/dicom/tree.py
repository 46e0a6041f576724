"""Looking through a folder tree of DICOM files: one walk, for all commands that take such a tree."""

from __future__ import annotations

import filecmp
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ...errors import InputError
from ...system.files import files_below, unreadable
from ...system.lock import LOCK
from ...system.names import counted
from ...system.progress import Progress, followed
from .dataset import open_dataset, reading
from .headers import Patient, SliceHeader, read_header, read_modality
from .rtstruct import StructureSet, read_structure_set
from .structures.roi import Roi

# The slices of a series, by its key, that share their identity.
Versions = defaultdict[tuple[str, tuple[object, ...]], list[SliceHeader]]


@dataclass(frozen=True)
class ImageSeries:
    """The files of one image series, wherever they lie.

    Attributes:
        uid: SeriesInstanceUID, or "".
        slices: in no particular order.
        copies: further files that hold the same slices once more.
    """

    uid: str
    slices: list[SliceHeader] = field(default_factory=list)
    copies: list[Path] = field(default_factory=list)

    @property
    def patient(self) -> Patient:
        """Whose it is."""
        return self.slices[0].patient

    @property
    def frame_of_reference(self) -> str:
        """FrameOfReferenceUID."""
        return self.slices[0].frame_of_reference

    @property
    def instances(self) -> frozenset[str]:
        """SOPInstanceUIDs."""
        return frozenset(header.instance for header in self.slices)

    def __str__(self) -> str:
        """Modality, description, size and UID."""
        first = self.slices[0]
        return (
            f"{first.modality or 'no modality'} '{first.description}', {counted(len(self.slices), 'slice')} of "
            f"{first.columns} x {first.rows}, UID {self.uid}"
        )


@dataclass(frozen=True)
class Problem:
    """A file or folder whose content is not known.

    Attributes:
        path: where it lies.
        text: a sentence that names it.
        damaged: whether it could be opened and is damaged; else it could not be opened.
    """

    path: Path
    text: str
    damaged: bool = False


@dataclass(frozen=True)
class DicomTree:
    """What a folder tree holds.

    Attributes:
        root: the folder.
        series: image series by SeriesInstanceUID; those without one by study and folder.
        structure_sets: none twice.
        problems: what cannot be looked at, and damaged files.
        empty: files of 0 bytes.
        others: all other files, with the modality of those that are DICOM.
    """

    root: Path
    series: dict[str, ImageSeries] = field(default_factory=dict)
    structure_sets: list[StructureSet] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    empty: list[Path] = field(default_factory=list)
    others: list[tuple[Path, str]] = field(default_factory=list)


def scan(
    root: Path,
    progress: Progress | None = None,
    leave_out: Callable[[Path], bool] = lambda _: False,
    structure_sets: bool = True,
) -> DicomTree:
    """Read the headers of all DICOM images, and all structure sets, below a folder.

    Args:
        root: where to look.
        progress: called with "reading headers", files done, and files in all.
        leave_out: whether a file, or a folder with all that is in it, is not looked at.
        structure_sets: whether they are read; otherwise they are files like others.

    Raises:
        InputError: the folder does not exist.
    """
    if not root.is_dir():
        raise InputError(f"{root} is not a folder; expected one with DICOM files, in any subfolders")
    paths, unseen = files_below(root, leave_out)
    tree = DicomTree(root, problems=[Problem(path, unreadable(path, error)) for path, error in unseen])
    versions: Versions = defaultdict(list)
    for path in followed(sorted(paths), "reading headers", progress, len(paths)):
        try:
            _look_at(path, structure_sets, tree, versions)
        except InputError as error:
            damaged = not isinstance(error.__cause__, OSError)
            tree.problems.append(Problem(path, str(error), damaged))
        except OSError as error:
            tree.problems.append(Problem(path, unreadable(path, error)))
    return tree


def _look_at(path: Path, structure_sets: bool, tree: DicomTree, versions: Versions) -> None:
    if path.name == LOCK:  # of ours, where results or a data set lie among the slices
        return
    if path.stat().st_size == 0:
        tree.empty.append(path)
    elif (header := read_header(path)) is not None:
        key = header.series or f"{header.study} {path.parent}"
        # The same instance may have been exported into two folders.
        series = tree.series.setdefault(key, ImageSeries(header.series))
        same = versions[key, header.identity]
        if any(_same_slice(header, other) for other in same):
            series.copies.append(path)
        else:
            same.append(header)
            series.slices.append(header)
    elif (modality := read_modality(path)) == "RTSTRUCT" and structure_sets:
        found = read_structure_set(path)
        if not any(found.uid == other.uid and _same_bytes(path, other.path) for other in tree.structure_sets):
            tree.structure_sets.append(found)
    else:
        tree.others.append((path, modality))


def _same_slice(header: SliceHeader, other: SliceHeader) -> bool:
    """Whether two files hold one slice; what an archive adds to a header on its way does not matter."""
    if _same_bytes(header.path, other.path):
        return True
    return replace(header, path=other.path) == other and _pixels(header.path) == _pixels(other.path)


def _pixels(path: Path) -> bytes:
    with reading(path):
        data = open_dataset(path, ["PixelData"])
        return bytes(data.PixelData) if data is not None and "PixelData" in data else b""


def _same_bytes(path: Path, other: Path) -> bool:
    return filecmp.cmp(path, other, shallow=False)


def referenced_series(structure_set: StructureSet, tree: DicomTree, rois: Sequence[Roi] = ()) -> ImageSeries:
    """The image series a structure set, or some of its regions of interest, were drawn on.

    The SeriesInstanceUID in its Referenced Frame of Reference Sequence decides. Where that names several series, a CT
    comes before an MR or a PET, and then the one in whose frame of reference the regions lie; where it names none, or
    still several, the SOPInstanceUIDs their contours refer to decide.

    Args:
        structure_set: of the tree.
        tree: where to look.
        rois: those that are wanted; all by default.

    Raises:
        InputError: the series is not there, is not the only one it can be, or is another patient's.
    """
    rois = rois or structure_set.rois
    named = [tree.series[uid] for uid in structure_set.series if uid in tree.series]
    candidates = [series for series in named or tree.series.values() if series.slices[0].modality == "CT"]
    candidates = candidates or named or list(tree.series.values())
    frames = {roi.frame_of_reference for roi in rois} - {""}
    candidates = [series for series in candidates if series.frame_of_reference in frames] or candidates
    if not named or len(candidates) > 1:
        candidates = _most_drawn_on(candidates, frozenset[str]().union(*(roi.instances for roi in rois)))
    if not candidates:
        wanted = ", ".join(structure_set.series) or "no series at all"
        raise InputError(
            f"{structure_set.path} refers to {wanted}, of which no image is below {tree.root}; copy its CT there "
            "as well"
        )
    if len(candidates) > 1:
        raise InputError(
            f"{structure_set.path} may have been drawn on either of {len(candidates)} series: "
            f"{'; '.join(map(str, candidates))}; expected one, so move the others away"
        )
    unlike = structure_set.patient.unlike(candidates[0].patient)
    if unlike:
        raise InputError(
            f"{structure_set.path} has another {unlike} than its CT, {candidates[0]}; expected both of one patient, so "
            "export them together"
        )
    return candidates[0]


def _most_drawn_on(candidates: Sequence[ImageSeries], instances: frozenset[str]) -> list[ImageSeries]:
    """The series that hold most of the instances; none where no series holds one."""
    counts = [len(series.instances & instances) for series in candidates]
    most = max(counts, default=0)
    return [series for series, count in zip(candidates, counts) if count == most and most]


def drawn_here(
    structure_set: StructureSet, series: ImageSeries, rois: Sequence[Roi]
) -> tuple[tuple[Roi, ...], tuple[str, ...]]:
    """The regions of interest, of a structure set, whose contours lie in a CT's frame of reference (PS3.3 C.7.4.1).

    Returns:
        The regions, and remarks, a sentence each.

    Raises:
        InputError: all of them lie in another frame.
    """
    frame = series.frame_of_reference
    here = tuple(roi for roi in rois if _in_frame(roi, structure_set, series))
    elsewhere = [f"'{roi.name}'" for roi in rois if roi not in here]
    if not elsewhere:
        return here, ()
    names = ", ".join(elsewhere)
    if here:
        return here, (f"{names} lies in another frame of reference than the CT and was left out",)
    frames = {roi.frame_of_reference for roi in structure_set.rois} | set(structure_set.frames)
    drawn = frozenset[str]().union(*(roi.instances for roi in rois))
    if len(frames - {""}) == 1 and (series.uid in structure_set.series or drawn & series.instances):
        return tuple(rois), (
            f"{structure_set.path} names another frame of reference than its CT ({frame}), as sets whose identifiers "
            "were replaced do; check that its contours lie on the patient",
        )
    raise InputError(
        f"{structure_set.path} has {names} in another frame of reference than its CT, {series}; expected contours "
        "drawn on the CT, so bring them over in the planning system and export them again"
    )


def _in_frame(roi: Roi, structure_set: StructureSet, series: ImageSeries) -> bool:
    if roi.frame_of_reference and series.frame_of_reference:
        return roi.frame_of_reference == series.frame_of_reference
    # Of several frames the images that its contours refer to tell which is meant.
    several = len(set(structure_set.frames) - {""}) > 1
    return not (several and roi.instances and not roi.instances & series.instances)
