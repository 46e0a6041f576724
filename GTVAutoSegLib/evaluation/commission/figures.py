"""What is measured of a case, and kept of a commission; the fields are the keys in JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...cascade.result import ModelRecord
from ...images.metrics import added_path_length, compare, surface_dice
from ...images.placement import tumour_slices
from ...images.volume import Volume, bounding_box
from ..cases import Failure
from .limits import Limits

DECIMALS_ML = 7  # a voxel of 0.1 mm is still one


@dataclass(frozen=True)
class Ends:
    """Slices by which an outline misses the tumour's feet and head end, or goes beyond it."""

    missed_feet: int
    missed_head: int
    extra_feet: int
    extra_head: int


@dataclass(frozen=True)
class CaseFigures:
    """An outline against the reference of its case; figures that are not defined are None.

    Attributes:
        case: its name.
        patient: whose it is.
        voxels_sha256: of the CT, so that it is known again.
        reference_sha256: of the reference's bytes (z, y, x).
        mask_sha256: of the outline's.
        volume_ml: of the outline, mL.
        reference_ml: of the reference, mL; 0 where there is no tumour.
        dsc: Dice similarity coefficient.
        hd95_mm: see `images.metrics.Agreement`.
        surface_dice: at the site's tolerance.
        added_path_length_mm: how much of the reference's outline has to be drawn, mm.
        added_path_share: share of the reference's outline that is farther from the model's than the site's tolerance.
        difference_ml: outline minus reference, mL.
        difference_percent: the same as percent of the mean of both volumes (Bland and Altman).
        ends: None where either is empty.
        slices_missed: slices with tumour that have no outline.
        slices_extra: slices with an outline that have no tumour.
        slices: slices with tumour.
        dsc_by_box: DSC by the slack of the box, mm, where the model looks inside simulated boxes.
        warnings: of the run.
        device: where it ran.
        precision: in which numbers.
        seconds: that it took.
    """

    case: str
    patient: str
    voxels_sha256: str
    reference_sha256: str
    mask_sha256: str
    volume_ml: float
    reference_ml: float
    dsc: float | None
    hd95_mm: float | None
    surface_dice: float | None
    added_path_length_mm: float
    added_path_share: float | None
    difference_ml: float
    difference_percent: float | None
    ends: Ends | None
    slices_missed: int
    slices_extra: int
    slices: int
    dsc_by_box: dict[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    device: str = ""
    precision: str = ""
    seconds: float = 0.0

    @property
    def has_tumour(self) -> bool:
        """Whether the reference shows one."""
        return self.slices > 0

    @property
    def missed(self) -> bool:
        """Whether there is a tumour of which nothing was outlined."""
        return self.has_tumour and not self.dsc


def agreement_figures(mask: np.ndarray, reference: np.ndarray, volume: Volume, tolerance_mm: float) -> dict[str, Any]:
    """The figures of `CaseFigures` that follow from the two masks.

    Args:
        mask: (z, y, x), 0 or 1.
        reference: bool (z, y, x).
        volume: the CT.
        tolerance_mm: of the surface Dice, mm.
    """
    found = compare(mask, reference, volume)
    in_mask, in_reference = tumour_slices(mask > 0, volume), tumour_slices(reference, volume)
    whole = found.volume_ml + found.reference_ml
    length, beyond = (
        float(added_path_length(before > 0, reference, volume, tolerance).sum())
        for before, tolerance in ((np.zeros_like(reference), 0.0), (mask, tolerance_mm))
    )
    return {
        "volume_ml": round(found.volume_ml, DECIMALS_ML),
        "reference_ml": round(found.reference_ml, DECIMALS_ML),
        "dsc": round(found.dsc, 5),
        "hd95_mm": None if found.empty else round(found.hd95_mm, 3),
        "surface_dice": round(surface_dice(mask, reference, volume, tolerance_mm), 5),
        "added_path_length_mm": round(float(added_path_length(mask > 0, reference, volume).sum()), 2),
        "added_path_share": round(beyond / length, 5) if length else None,
        "difference_ml": round(found.volume_error_ml, DECIMALS_ML),
        "difference_percent": round(200 * found.volume_error_ml / whole, 3) if whole else None,
        "ends": _ends(mask, reference, volume),
        "slices_missed": int((in_reference & ~in_mask).sum()),
        "slices_extra": int((in_mask & ~in_reference).sum()),
        "slices": int(in_reference.sum()),
    }


def _ends(mask: np.ndarray, reference: np.ndarray, volume: Volume) -> Ends | None:
    """From the feet to the head, however the CT is stored."""
    boxes = [bounding_box(volume.axial.of(array) > 0) for array in (mask, reference)]
    if boxes[0] is None or boxes[1] is None:
        return None
    ours, true = boxes[0][0], boxes[1][0]
    return Ends(
        missed_feet=max(0, ours.start - true.start),
        missed_head=max(0, true.stop - ours.stop),
        extra_feet=max(0, true.start - ours.start),
        extra_head=max(0, ours.stop - true.stop),
    )


@dataclass(frozen=True)
class Subject:
    """What was commissioned.

    Attributes:
        model: id, version, digest.
        title: of the model.
        roi: the structure it outlines.
        training: what its training data are.
        learned: whether it has learned from these patients: "none", "some", "all" or "unknown".
        learned_from: cases that it is known to have learned from.
        chosen_on: cases on which its epochs or thresholds are known to have been chosen.
        boxes: slack of the simulated boxes that it looked inside, mm; the first one counts.
        drawn: how many slices a simulated person drew for a completer, and all figures are of the others; 0 for a
            model.
    """

    model: ModelRecord
    title: str
    roi: str
    training: str
    learned: str
    learned_from: tuple[str, ...] = ()
    chosen_on: tuple[str, ...] = ()
    boxes: tuple[float, ...] = ()
    drawn: int = 0


@dataclass(frozen=True)
class DataRecord:
    """The data set: name of its folder, a digest of all its files, and which region it holds where that is known."""

    name: str
    digest: str
    region: str = ""


@dataclass(frozen=True)
class Judgement:
    """A limit that was asked for.

    Attributes:
        key: of `Limits`.
        text: what is limited, for people.
        limit: its value.
        found: None where it is not defined.
        low: of the 95 % confidence interval of what was found, where there is one.
        high: the same.
        passed: whether the limit is kept.
        note: what a reader has to know, or "".
    """

    key: str
    text: str
    limit: float
    found: float | None = None
    low: float | None = None
    high: float | None = None
    passed: bool = False
    note: str = ""


@dataclass(frozen=True)
class Change:
    """A figure then and now, means over the tumours that are in both; the difference with its 95 % interval."""

    text: str
    cases: int
    earlier: float
    now: float
    difference: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Against:
    """What has changed since an earlier commission.

    Attributes:
        date: of the earlier one.
        passed: whether that one did.
        sentence: what has changed, in one.
        common: cases with the same CT and the same reference.
        same_outlines: how many of these have the same outline, voxel for voxel.
        differs: what is other than then: model, software, data, limits.
        changes: of the figures.
        no_longer_kept: limits that were kept then and are not now.
    """

    date: str
    passed: bool
    sentence: str
    common: int
    same_outlines: int
    differs: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    no_longer_kept: tuple[str, ...] = ()


@dataclass(frozen=True)
class Commission:
    """All of a commission; ``commission.json``.

    Attributes:
        schema: of the file.
        date: ISO 8601.
        by: who ran it, as given; "" where nobody was.
        subject: the model.
        data: the data set.
        limits: the site's.
        cases: in the order of their names.
        failed: cases that could not be measured.
        versions: of the software, by name.
        judgements: one a limit.
        passed: whether all limits are kept.
        sentence: the verdict in one sentence.
        against: what has changed since an earlier one, where that was asked.
    """

    schema: int
    date: str
    by: str
    subject: Subject
    data: DataRecord
    limits: Limits
    cases: tuple[CaseFigures, ...]
    failed: tuple[Failure, ...]
    versions: dict[str, str]
    judgements: tuple[Judgement, ...] = ()
    passed: bool = False
    sentence: str = ""
    against: Against | None = None

    @property
    def tumours(self) -> tuple[CaseFigures, ...]:
        """The cases with a tumour."""
        return tuple(one for one in self.cases if one.has_tumour)
