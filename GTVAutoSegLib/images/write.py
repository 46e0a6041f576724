"""Writing a mask on its volume's grid; the suffix of the file decides the format."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..system.allocator import give_back_freed_memory
from ..system.files import check_writable, whole_file
from ..system.names import suffix_of
from ..system.tags import MODEL_TAG
from .dicom.segmentation import check_highdicom, make_dicom_seg
from .dicom.source import read_source
from .dicom.structures.existing import check_not_approved
from .dicom.structures.writer import make_rtstruct, save
from .itk import write_image
from .masks.packed import pack
from .masks.structure import Structure, mask_sha256
from .segment_info import SegmentInfo, as_left
from .volume import Volume, bounding_box

# Bytes, 250 slices of 512 x 512; in a batch of smaller CTs fetching memory anew would take longer than writing.
LARGE_MASK = 2**26
SEGMENT_ID = "Segment_1"


@dataclass(frozen=True)
class MaskFormat:
    """One way to store a mask.

    Attributes:
        write: writes a structure with a uint8 mask (z, y, x) to a path that does not exist yet; raises OSError.
        needs_dicom: whether it refers to the CT's DICOM slices, and so needs a CT read from them.
        needs_right_angles: whether it cannot hold the geometry of a tilted gantry.
        check_installed: raises InputError, for what is to be written, when a package is missing.
    """

    write: Callable[[Structure, Volume, Path], None]
    needs_dicom: bool = False
    needs_right_angles: bool = False
    check_installed: Callable[[str | Path], None] = lambda _: None

    def check(self, volume: Volume, path: Path) -> None:
        """Raise InputError when a mask on the volume's grid cannot be written in this format to a path."""
        self.check_installed(path)
        if self.needs_dicom:
            read_source(volume, path)
            check_not_approved(path)
        if self.needs_right_angles and volume.sheared:
            raise InputError(
                f"{path} cannot hold the geometry of {volume.source}, whose axes are not at right angles (tilted "
                "gantry); expected .nrrd, .seg.nrrd or .mha"
            )


def mask_format(path: Path) -> tuple[str, MaskFormat]:
    """The suffix of an output in lower case, and its format.

    Raises:
        InputError: no format has this suffix.
    """
    suffix = suffix_of(path, FORMATS)
    if not suffix:
        raise InputError(f"{path} has an unknown suffix for a result; expected one of {', '.join(FORMATS)}")
    return suffix, FORMATS[suffix]


def check_outputs(paths: Iterable[str | Path], volume: Volume, others: Iterable[Path] = ()) -> None:
    """Check before a run that its masks can be written.

    Args:
        paths: where the mask shall go.
        volume: the input, whose grid the mask will have.
        others: further files that were read and are to stay.

    Raises:
        InputError: unknown suffix, a format that cannot hold the geometry, a folder missing or not writable, the same
            file twice, or a file of the input.
    """
    inputs = [file for file in (Path(volume.source), *volume.dicom_files, *others) if file.exists()]
    seen: set[Path] = set()
    for path in map(Path, paths):
        chosen = mask_format(path)[1]
        check_writable(path)
        chosen.check(volume, path)
        if path.resolve() in seen:
            raise InputError(f"{path} is asked for twice; expected every result in a file of its own")
        seen.add(path.resolve())
        if path.exists() and any(file.samefile(path) for file in inputs):
            raise InputError(f"{path} is the input itself; expected another file for the result")


def write_mask(mask: np.ndarray, volume: Volume, path: str | Path, segment: SegmentInfo | None = None) -> None:
    """Write a mask on the volume's grid, whole or not at all; see `write_structure`."""
    write_structure(Structure(mask, segment or SegmentInfo()), volume, path)


def write_structure(structure: Structure, volume: Volume, path: str | Path, *, checked: bool = False) -> None:
    """Write a region of interest on the volume's grid, whole or not at all.

    Args:
        structure: its mask is in the volume's storage order; the rest is for formats that hold it.
        volume: the image it belongs to.
        path: a key of ``FORMATS`` ends its name; a file already there is replaced.
        checked: whether `check_outputs` has passed it.

    Raises:
        InputError: as for ``check_outputs``.
        DiskError: writing failed, for instance because the disk is full; nothing is left behind.
        ValueError: the mask has another shape than the volume, or other values than 0 and 1.
    """
    path, mask = Path(path), structure.mask
    if mask.shape != volume.array.shape:
        raise ValueError(f"the mask has shape {mask.shape}, expected the volume's {volume.array.shape}")
    if mask.dtype != bool and mask.size and (mask.min() < 0 or mask.max() > 1):
        raise ValueError(f"the mask has values from {mask.min()} to {mask.max()}, expected 0 and 1")
    if not checked:
        check_outputs([path], volume)
    suffix, chosen = mask_format(path)
    if mask.nbytes >= LARGE_MASK:
        give_back_freed_memory()  # what the networks used: writing needs another copy of the mask
    # In lower case: ITK refuses some suffixes in upper case, and writes .MHA as two files.
    with whole_file(path, suffix) as temporary:
        chosen.write(replace(structure, mask=np.ascontiguousarray(mask, dtype=np.uint8)), volume, temporary)


def _write_image(structure: Structure, volume: Volume, path: Path) -> None:
    write_image(structure.mask, volume, path)


def _write_segmentation(structure: Structure, volume: Volume, path: Path) -> None:
    """3D Slicer's segmentation file: an NRRD label map with the segment described in its header."""
    segment, mask = structure.segment, structure.mask
    if MODEL_TAG in segment.tags and structure.algorithm == "AUTOMATIC":
        segment = as_left(segment, mask_sha256(mask), SEGMENT_ID, pack(mask))
    tags = {"TerminologyEntry": segment.terminology, **segment.tags}
    fields = {
        "Segmentation_ContainedRepresentationNames": "Binary labelmap|",
        # The first is read by Slicer before 5.2, the second from then on.
        "Segmentation_MasterRepresentation": "Binary labelmap",
        "Segmentation_SourceRepresentation": "Binary labelmap",
        "Segmentation_ReferenceImageExtentOffset": "0 0 0",
        "Segment0_ID": SEGMENT_ID,
        "Segment0_Name": segment.name,
        "Segment0_NameAutoGenerated": "0",
        "Segment0_Color": " ".join(f"{part:g}" for part in segment.color),
        "Segment0_ColorAutoGenerated": "0",
        "Segment0_LabelValue": "1",
        "Segment0_Layer": "0",
        "Segment0_Extent": " ".join(str(index) for index in _extent(mask)),
        "Segment0_Tags": "".join(f"{name}:{value}|" for name, value in tags.items()),
    }
    write_image(mask, volume, path, fields)


def _write_structure_set(structure: Structure, volume: Volume, path: Path) -> None:
    source = read_source(volume, path)
    save(make_rtstruct([structure], source), path, [structure], source)


def _write_dicom_segmentation(structure: Structure, volume: Volume, path: Path) -> None:
    make_dicom_seg([structure], read_source(volume, path)).save_as(path, enforce_file_format=True)


def _extent(mask: np.ndarray) -> list[int]:
    """First and last index of the segment along x, y and z; 0 and -1 when it is empty."""
    box = bounding_box(mask) or (slice(0),) * 3
    return [index for side in box[::-1] for index in (side.start or 0, side.stop - 1)]


FORMATS: dict[str, MaskFormat] = {
    ".seg.nrrd": MaskFormat(_write_segmentation),
    ".nrrd": MaskFormat(_write_image),
    ".nii.gz": MaskFormat(_write_image, needs_right_angles=True),
    ".nii": MaskFormat(_write_image, needs_right_angles=True),
    ".mha": MaskFormat(_write_image),
    ".dcm": MaskFormat(_write_structure_set, needs_dicom=True),
    ".seg.dcm": MaskFormat(_write_dicom_segmentation, needs_dicom=True, check_installed=check_highdicom),
}
