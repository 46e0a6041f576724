"""What a batch has to do with its input: the CTs to segment, and what is left aside."""

from __future__ import annotations

from dataclasses import dataclass

from ..images.region import Region
from ..system.names import counted, without_paths


@dataclass(frozen=True)
class Case:
    """A CT to segment.

    Attributes:
        name: of its folder in the output.
        files: the file of a volume, or those of a series' slices, in no particular order.
        is_dicom: whether it is a DICOM series.
        source: what results call the input: a path below the input folder, or the name where a path may name a patient.
        notes: remarks the user should see, one sentence each.
        series: SeriesInstanceUID of a DICOM case, by which the archive finds the patient; "" for a volume.
        region: the box that is looked in; None for all of the CT.
    """

    name: str
    files: tuple[str, ...]
    is_dicom: bool
    source: str
    notes: tuple[str, ...] = ()
    series: str = ""
    region: Region | None = None

    def neutral(self, text: str) -> str:
        """A sentence about the case without the paths of its files."""
        return without_paths(text, self.files, self.source)


@dataclass(frozen=True)
class Skipped:
    """Something that is not segmented.

    Attributes:
        what: the kind of file and how many, without anything that may name a patient.
        reason: why it is left aside.
        path: of the file, or of the first of several; shown to the person at the screen only.
        files: how many files.
        lost: whether it may be a patient or a slice of one, as far as anybody can tell; the run then fails in part.
    """

    what: str
    reason: str
    path: str
    files: int = 1
    lost: bool = False


@dataclass(frozen=True)
class Cohort:
    """What a batch has to do with its input.

    Attributes:
        cases: by name.
        skipped: what is left aside.
        failed: rows of a table that name no CT: the case's name, and why.
    """

    cases: tuple[Case, ...]
    skipped: tuple[Skipped, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()

    @property
    def lost(self) -> bool:
        """Whether something that is left aside may be a patient, or a slice of one."""
        return any(one.lost for one in self.skipped)

    @property
    def skipped_files(self) -> str:
        """How many files are left aside, in words."""
        return counted(sum(one.files for one in self.skipped), "file")
