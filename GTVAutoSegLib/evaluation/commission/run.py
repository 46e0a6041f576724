"""A commission from beginning to end, without its page."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ...cascade.result import ModelRecord, versions
from ...errors import InputError
from ...model.bundle import Bundle
from ...model.completer import CompleterBundle
from ...model.info import ModelInfo
from ...report.record.audit import now
from ...system.names import counted
from ...system.progress import Progress, followed
from ...training.data.collected.case import read_collected
from ...training.data.dataset import Case, find_cases, read_patients
from ...training.data.slice_store import content_of
from ..boxes import checked_slacks
from ..cases import Failure
from ..in_order import in_order
from ..learned import UNKNOWN, Learned, learned_from
from .earlier import SCHEMA, compared
from .figures import CaseFigures, Commission, DataRecord, Subject
from .judge import judged
from .limits import Limits
from .measure import Measured, WorstSlice, measure
from .outline import HowRun, outliner

STAGE = "commissioning"
ANY_STRUCTURE = "any structure"
DEFAULT_BOXES = (20.0, 10.0, 40.0)
PACKAGES = ("scipy", "pydicom", "safetensors")


@dataclass(frozen=True)
class Request:
    """What is to be commissioned.

    Attributes:
        dataset: folder of the data set.
        bundle: the model, or the completer.
        how: how its outlines are made.
        limits: of the site.
        by: who runs it, or "".
        region: what the data set calls the structure, or "".
        earlier: the commission to compare with.
    """

    dataset: Path
    bundle: Bundle | CompleterBundle
    how: HowRun
    limits: Limits
    by: str = ""
    region: str = ""
    earlier: Commission | None = None

    @property
    def roi(self) -> str:
        """The structure that is outlined."""
        return self.bundle.info.task.roi if isinstance(self.bundle.info, ModelInfo) else ANY_STRUCTURE


def boxes_of(info: ModelInfo, asked: Sequence[float] | None) -> tuple[float, ...]:
    """The boxes to look inside: those asked for, else `DEFAULT_BOXES` for a model that sees boxes and not slices.

    Raises:
        InputError: they make no sense.
    """
    return checked_slacks(asked) or (() if info.preprocessing.crops is None else DEFAULT_BOXES)


def check_region(dataset: Path, cases: Sequence[Case], roi: str, named: str) -> str:
    """The region that the outlines of a data set are, where its cases tell.

    Args:
        dataset: its folder.
        cases: of it.
        roi: what the model outlines.
        named: what the data set calls the same structure, or "".

    Raises:
        InputError: a case is of another structure.
    """
    names = {case.name for case in cases}
    collected = {name: one.provenance.region for name, one in read_collected(dataset).items() if name in names}
    regions = {name: region for name, region in collected.items() if region}
    for name, region in regions.items():
        if roi != ANY_STRUCTURE and region.casefold() not in (roi.casefold(), named.casefold()):
            raise InputError(
                f"{dataset / name} is an outline of '{region}', and the model outlines '{roi}'; give a model of the "
                f"same structure, or, where it is only called otherwise, add --region '{region}'"
            )
    return ", ".join(sorted(set(regions.values()))) or named


def commission(
    request: Request, workers: int = 1, progress: Progress | None = None
) -> tuple[Commission, tuple[WorstSlice, ...]]:
    """Measure all cases, judge, and compare with the earlier commission.

    Args:
        request: what.
        workers: processes.
        progress: called with "commissioning", cases done, and cases in all.

    Returns:
        The commission, and the worst slices of all cases, the worst first.

    Raises:
        InputError: the data set, or an option, is unsuitable, or none of its cases has a tumour.
        ModelError: the model or PyTorch is missing or damaged.
        RunError: memory ran out, or a process died.
    """
    cases = find_cases(request.dataset)
    region = check_region(request.dataset, cases, request.roi, request.region)
    patients = read_patients(request.dataset, (case.name for case in cases))
    outliner.cache_clear()  # since an earlier commission the model may have changed on disk
    outliner(request.how)  # what is wrong with it is said before a case is read, or a process started
    seen: dict[str, str] = {}
    results = in_order(partial(measure, how=request.how, patients=patients), cases, workers)
    found = [_only_once(one, seen) for one in followed(results, STAGE, progress, len(cases))]
    measured = [one for one in found if isinstance(one, Measured)]
    failed = [one for one in found if isinstance(one, Failure)]
    figures = tuple(one.figures for one in measured)
    _check_tumours(request.dataset, figures, failed)
    done = Commission(
        schema=SCHEMA,
        date=now(),
        by=request.by,
        subject=_subject(request, figures),
        data=DataRecord(_name(request.dataset.resolve()), _digest(cases), region),
        limits=request.limits,
        cases=figures,
        failed=tuple(failed),
        versions=_versions(),
    )
    done = judged(done)
    if request.earlier is not None:
        done = replace(done, against=compared(done, request.earlier))
    worst = sorted((one for case in measured for one in case.worst), key=lambda one: -one.added_path_length_mm)
    return done, tuple(worst)


def _subject(request: Request, figures: Sequence[CaseFigures]) -> Subject:
    bundle = request.bundle
    if isinstance(bundle.info, ModelInfo):
        training = bundle.info.training_data.description
        learned = learned_from(bundle, {one.case: one.voxels_sha256 for one in figures})
    else:
        training, learned = bundle.info.data, Learned(UNKNOWN)
    return Subject(
        ModelRecord(**bundle.identity),
        title=bundle.info.title,
        roi=request.roi,
        training=training,
        learned=learned.kind,
        learned_from=learned.cases,
        chosen_on=learned.chosen,
        boxes=request.how.boxes,
        drawn=request.how.drawn,
    )


def _only_once(found: Measured | Failure, seen: dict[str, str]) -> Measured | Failure:
    """The case, or its failure where an earlier one holds the same CT: it would count as one more patient."""
    if isinstance(found, Failure):
        return found
    case = found.figures.case
    first = seen.setdefault(found.figures.voxels_sha256, case)
    if first == case:
        return found
    return Failure(case, f"{case} and {first} hold the same CT; expected every CT once, so remove one of them")


def _check_tumours(dataset: Path, figures: Sequence[CaseFigures], failed: Sequence[Failure]) -> None:
    if any(one.has_tumour for one in figures):
        return
    if failed:
        raise InputError(
            f"no case of {dataset} with a tumour could be measured, the first one failed because {failed[0].reason}"
        )
    raise InputError(
        f"{dataset} has {counted(len(figures), 'label')} and no tumour in any; expected at least one label with one"
    )


def _name(folder: Path) -> str:
    """Of a data set; ``val`` alone tells nothing."""
    return f"{folder.parent.name}/{folder.name}" if folder.name in ("train", "val") else folder.name


def _digest(cases: Sequence[Case]) -> str:
    """SHA-256 of the cases' names and files, whatever their folder is called."""
    return hashlib.sha256("\n".join(f"{one.name} {content_of(one)}" for one in cases).encode()).hexdigest()


def _versions() -> dict[str, str]:
    found = versions()
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # as where it was copied by hand
            found[name] = "unknown"
    return {**found, "system": platform.platform()}
