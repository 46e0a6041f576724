"""What has changed since an earlier commission: the question of a quarter's check."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...system.json_text import read_json
from ...system.names import counted
from ...system.settings import as_json, parse_settings
from ..statistics import compare_systems
from .figures import Against, CaseFigures, Change, Commission

FILE = "commission.json"
SCHEMA = 1
FIGURES: dict[str, Callable[[CaseFigures], float | None]] = {
    "DSC": lambda one: one.dsc,
    "HD95 (mm)": lambda one: one.hd95_mm,
    "surface Dice": lambda one: one.surface_dice,
    "added path length (mm)": lambda one: one.added_path_length_mm,
    "volume difference (mL)": lambda one: one.difference_ml,
}
TOLERANCE_BOUND = "surface Dice"


def read_commission(path: Path) -> Commission:
    """Read ``commission.json``, given by its path or its folder.

    Raises:
        InputError: there is none, or it is damaged or of another version.
    """
    file = path / FILE if path.is_dir() else path
    advice = f"give the {FILE} of an earlier commission, or its folder"
    try:
        data = read_json(file)
        if isinstance(data, dict) and data.get("schema", SCHEMA) != SCHEMA:
            raise ValueError(f"it has schema {data['schema']!r}, this version reads {SCHEMA}")
        return parse_settings(Commission, data, file.name, others=True)
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}); {advice}") from error
    except ValueError as error:
        raise InputError(f"{file} is no commission ({error}); {advice}") from error


def check_comparable(earlier: Commission, roi: str, drawn: int) -> None:
    """Raise InputError for a commission of another structure, or one with another number of drawn slices."""
    if earlier.subject.drawn != drawn:
        raise InputError(
            f"the earlier commission is with {counted(earlier.subject.drawn, 'drawn slice')}, and this one with "
            f"{drawn}; expected the same number, so give --drawn as then"
        )
    if earlier.subject.roi != roi:
        raise InputError(
            f"the earlier commission is of {earlier.subject.roi} ({earlier.subject.model.id}), and this model outlines "
            f"{roi}; expected one of the same structure"
        )


def compared(now: Commission, earlier: Commission) -> Against:
    """What has changed. Cases are the same when CT and reference are, whatever their names."""
    then = {_key(one): one for one in earlier.cases}
    pairs = [(then[_key(one)], one) for one in now.cases if _key(one) in then]
    same = sum(old.mask_sha256 == new.mask_sha256 for old, new in pairs)
    changes = tuple(
        change
        for text, of in FIGURES.items()
        if text != TOLERANCE_BOUND or now.limits.surface_tolerance_mm == earlier.limits.surface_tolerance_mm
        for change in _change(text, of, pairs)
    )
    kept = {one.key for one in earlier.judgements if one.passed}
    lost = tuple(one.text for one in now.judgements if one.key in kept and not one.passed)
    return Against(
        date=earlier.date,
        passed=earlier.passed,
        sentence=_sentence(earlier, pairs=len(pairs), same=same, changes=changes, lost=lost),
        common=len(pairs),
        same_outlines=same,
        differs=tuple(_differences(now, earlier, pairs=len(pairs))),
        changes=changes,
        no_longer_kept=lost,
    )


def signed(value: float) -> str:
    """A difference for people; one that is nearly 0 has no sign."""
    return f"{value:+.3f}" if round(value, 3) else "0.000"


def _key(one: CaseFigures) -> tuple[str, str]:
    return one.voxels_sha256, one.reference_sha256


def _change(
    text: str, of: Callable[[CaseFigures], float | None], pairs: list[tuple[CaseFigures, CaseFigures]]
) -> list[Change]:
    """The change of a figure; none where it is not defined for a case in both."""
    known = [(of(old), of(new), new.patient) for old, new in pairs if new.has_tumour]
    kept = [one for one in known if None not in one]
    values = np.array([one[:2] for one in kept], dtype=np.float64).reshape(-1, 2)
    found = compare_systems(values[None, :, 1], values[None, :, 0], patients=[one[2] for one in kept])
    if found is None:
        return []
    means = (*values.mean(axis=0).tolist(), found.mean, found.low, found.high)
    return [Change(text, found.cases, *(as_json(round(mean, 5)) for mean in means))]


def _sentence(earlier: Commission, *, pairs: int, same: int, changes: tuple[Change, ...], lost: tuple[str, ...]) -> str:
    since = f"Since {earlier.date[:10]}"
    if pairs == 0:
        return f"{since} all cases are other ones, so nothing can be compared case by case."
    kept = f"; no longer kept: {', '.join(lost)}" if lost else ""
    if same == pairs:
        all_same = "that of the one case is" if pairs == 1 else f"those of all {pairs} cases are"
        return f"{since} no outline has changed: {all_same} the same, voxel for voxel{kept}."
    overlap = next((one for one in changes if one.text == "DSC"), None)
    told = (
        ""
        if overlap is None
        else f"; mean DSC {overlap.earlier:.3f} then and {overlap.now:.3f} now{_interval(overlap)}"
    )
    changed = "the outline of the one case has" if pairs == 1 else f"{pairs - same} of {pairs} outlines have"
    return f"{since} {changed} changed{told}{kept}."


def _interval(change: Change) -> str:
    if change.low is None or change.high is None:
        return ""
    return f" (difference {signed(change.difference)}, 95 % interval {signed(change.low)} to {signed(change.high)})"


def _differences(now: Commission, earlier: Commission, pairs: int) -> list[str]:
    """What is other than then, a line each."""
    told = []
    ours, theirs = now.subject.model, earlier.subject.model
    if ours != theirs:
        told.append(
            f"model: {theirs.id} {theirs.version} ({theirs.digest[:12]}) then, {ours.id} {ours.version} "
            f"({ours.digest[:12]}) now"
        )
    if now.subject.boxes != earlier.subject.boxes:
        told.append(f"boxes: slack of {_listed(earlier.subject.boxes)} mm then, {_listed(now.subject.boxes)} mm now")
    new, gone = len(now.cases) - pairs, len(earlier.cases) - pairs
    if new or gone:
        told.append(f"data: {counted(new, 'case')} new or changed, {gone} of then gone")
    for name in sorted(now.versions.keys() | earlier.versions.keys()):
        before, after = (one.versions.get(name, "none") for one in (earlier, now))
        if before != after:
            told.append(f"{name}: {before} then, {after} now")
    how = [{f"{one.device}, {one.precision}" for one in done.cases} for done in (earlier, now)]
    if how[0] != how[1]:
        told.append(f"computed on: {'; '.join(sorted(how[0]))} then, {'; '.join(sorted(how[1]))} now")
    if now.limits != earlier.limits:
        told.append("limits: others than then")
    return told


def _listed(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values) or "no"
