"""``gtvautoseg import``: a clinic's DICOM export becomes a data set."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from ...system.names import counted
from ..options import SOME_FAILED

if TYPE_CHECKING:
    from ...images.dicom.tree import DicomTree
    from ...training.data.imports.plan import Outcome

NOTHING_DONE = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("dicom", metavar="DICOM", type=Path, help="folder with DICOM files of any number of patients")
    parser.add_argument("dataset", metavar="DATASET", type=Path, nargs="?", help="folder to write the cases to")
    parser.add_argument(
        "--roi",
        metavar="REGEX",
        type=roi_pattern,
        help="which ROIs: a regular expression for the whole name, upper and lower case alike, such as 'gtv.*'; "
        "several matches of a patient are joined",
    )
    parser.add_argument(
        "--each", action="store_true", help="a data set for each ROI name, DATASET/NAME, not their union"
    )
    parser.add_argument(
        "--name-by",
        choices=("hash", "patient"),
        default="hash",
        help="name of a case: 'hash' (default) is case_ and 8 hexadecimal digits of the SHA-256 of the CT's series "
        "UID, the same in every import; 'patient' is the PatientID",
    )
    parser.add_argument(
        "--allow-empty", action="store_true", help="an ROI that was never drawn makes an empty label (no tumour)"
    )
    parser.add_argument(
        "--fill-between",
        action="store_true",
        help="fill slices that a system left without contours within an ROI, by interpolation",
    )
    parser.add_argument("--list", action="store_true", help="show every patient, series and ROI; write nothing")
    parser.epilog = (
        "A case is data.nii.gz (HU), label.nii.gz and import.json (hashed origin, ROI names; nothing that names the "
        "patient). Which patient became which case is printed here and kept nowhere else. Cases that are there already "
        "are left as they are. Exit codes: 0 all done; 1 some failed; 2 nothing could be imported."
    )


def run(arguments: argparse.Namespace) -> int:
    """List, or import and say what became of each patient."""
    from ...errors import InputError
    from ...images.dicom.tree import scan
    from ...system.files import make_folder
    from ...system.lock import locked
    from ...system.progress import progress_bar
    from ...training.data.collected.collect import check_is_dataset
    from ...training.data.imports.cases import import_cases, note_patients
    from ...training.data.imports.plan import plan_import

    if not arguments.list and (arguments.dataset is None or arguments.roi is None):
        raise InputError("import needs DATASET and --roi REGEX; run it with --list first to see which ROIs there are")
    with progress_bar("file") as progress:
        tree = scan(arguments.dicom, progress)
    for text in remarks(tree):
        print(f"warning: {text}", file=sys.stderr)
    if arguments.list:
        show(tree, arguments.roi)
        return SOME_FAILED if tree.problems else 0
    if not tree.structure_sets:
        raise InputError(f"{arguments.dicom} holds no RTSTRUCT; expected the structure sets beside the CT series")
    plans, failed = plan_import(
        tree,
        dataset=arguments.dataset,
        pattern=arguments.roi,
        each=arguments.each,
        by_patient=arguments.name_by == "patient",
    )
    outcomes = []
    if plans:  # or a folder would be left with nothing in it
        make_folder(arguments.dataset)
        check_is_dataset(arguments.dataset)
    with locked(arguments.dataset) if plans else nullcontext():
        for outcome in chain(failed, import_cases(plans, arguments.allow_empty, arguments.fill_between)):
            report(outcome)
            outcomes.append(outcome)
        for path in note_patients(outcomes):
            print(f"{path}: cases of one patient, which training keeps together")
    return conclude(outcomes + _without_set(tree, outcomes), tree, arguments.dataset)


def remarks(tree: DicomTree) -> list[str]:
    """What of a tree cannot be read, or is left aside, a sentence each."""
    found = [problem.text for problem in tree.problems]
    if tree.empty:
        found.append(
            f"{counted(len(tree.empty), 'empty file')} (0 bytes) such as {tree.empty[0]}; slices may be missing"
        )
    copies = [path for series in tree.series.values() for path in series.copies]
    if copies:
        found.append(f"left aside: {counted(len(copies), 'copy', 'copies')} such as {copies[0]}")
    return found


def _without_set(tree: DicomTree, outcomes: Sequence[Outcome]) -> list[Outcome]:
    """A failure for each patient with a CT of whom nothing was heard otherwise."""
    from ...training.data.imports.plan import Outcome

    heard = {outcome.patient for outcome in outcomes}
    silent = {
        series.patient.id: series
        for series in tree.series.values()
        if series.slices[0].modality == "CT" and series.patient.id not in heard
    }
    found = [
        Outcome(patient, None, f"{series} has no structure set; expected one drawn on it, so export it as well")
        for patient, series in silent.items()
    ]
    for outcome in found:
        report(outcome)
    return found


def roi_pattern(text: str) -> re.Pattern[str]:
    """Parse a regular expression for ROI names."""
    try:
        return re.compile(text, re.IGNORECASE)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"'{text}' is no regular expression ({error})") from None


def show(tree: DicomTree, pattern: re.Pattern[str] | None) -> None:
    """Print patients, series, structure sets and ROIs; with a pattern, which ROIs match.

    Raises:
        InputError: there is nothing to print.
    """
    from ...errors import InputError
    from ...images.dicom.tree import referenced_series

    if not tree.series and not tree.structure_sets:
        raise InputError(
            f"{tree.root} holds no DICOM image and no RTSTRUCT; expected the CT series with their structure sets"
        )
    placed: dict[str, list[str]] = {uid: [] for uid in tree.series}
    lost = []
    for structure_set in tree.structure_sets:
        lines = [f"    structure set {structure_set}"]
        for roi in structure_set.rois:
            match = "  <- matches" if pattern is not None and pattern.fullmatch(roi.name) else ""
            lines.append(f"      {roi.name:<24} {counted(len(roi.items), 'contour'):>13}{match}")
        try:
            placed[referenced_series(structure_set, tree).uid] += lines
        except InputError as error:
            lost += [*lines, f"      {error}"]
    series = sorted(tree.series.values(), key=lambda one: (one.patient.id, one.uid))
    for patient in dict.fromkeys(one.patient.id for one in series):
        print(f"patient {patient or 'without PatientID'}")
        for one in series:
            if one.patient.id == patient:
                print("\n".join([f"  {one}", *(placed[one.uid] or ["    no structure set"])]))
    if lost:
        print("\n".join(["structure sets whose CT is not here", *lost]))
    print(f"{len(series)} series, {counted(len(tree.structure_sets), 'structure set')}")


def report(outcome: Outcome) -> None:
    """Print what became of one case; failures and notes go to standard error."""
    patient = outcome.patient or "(no PatientID)"
    if outcome.case is None:
        print(f"failed: {patient}: {outcome.text}", file=sys.stderr, flush=True)
        return
    for note in outcome.notes:
        print(f"warning: {patient}: {note}", file=sys.stderr)
    print(f"{patient} -> {outcome.case}  {outcome.text}", flush=True)


def conclude(outcomes: Sequence[Outcome], tree: DicomTree, dataset: Path) -> int:
    """Print the sum and give the exit code."""
    done = [outcome for outcome in outcomes if outcome.case is not None]
    failed = len(outcomes) - len(done) + len(tree.problems)
    parts = [f"{counted(len(done), 'case')} in {dataset}"]
    empty = sum(outcome.empty for outcome in done)
    if empty:
        parts.append(f"{empty} of them with an empty label (normal patients)")
    if failed:
        parts.append(f"{failed} failed")
    print(", ".join(parts))
    if not done:
        return NOTHING_DONE
    return SOME_FAILED if failed else 0
