"""Which cases of a batch cannot be written in the formats asked for, as far as their headers tell before any run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..images.dicom.headers import SliceHeader, read_header
from ..images.write import FORMATS
from .cohort import Case, Cohort

# Positions are often rounded to 0.1 mm. Over a shorter stretch than this they show no tilt, over a longer one those
# from 0.6° on. A tilt that is missed here is found when the CT is read.
FAR_MM = 20.0
TILTED = 0.01


def without_unwritable(cohort: Cohort, formats: Sequence[str]) -> Cohort:
    """Let cases fail at once whose masks cannot be written in one of the formats (suffixes) that were asked for.

    Raises:
        InputError: that is so for every case.
    """
    reasons = {case.name: _unwritable(case, formats) for case in cohort.cases}
    failed = [(name, reason) for name, reason in reasons.items() if reason]
    if failed and len(failed) == len(cohort.cases):
        distinct = "; ".join(dict.fromkeys(reason for _, reason in failed))
        raise InputError(f"none of the CTs can be written as asked for ({len(failed)} found): {distinct}")
    fit = tuple(case for case in cohort.cases if not reasons[case.name])
    return replace(cohort, cases=fit, failed=(*cohort.failed, *failed))


def _unwritable(case: Case, formats: Sequence[str]) -> str:
    """Why a case's mask cannot be written, or ""."""
    needy = [suffix for suffix in formats if FORMATS[suffix.lower()].needs_dicom]
    if needy and not case.is_dicom:
        return (
            f"{' and '.join(needy)} can be written only for a CT read from DICOM, to whose slices it refers; give the "
            "DICOM series, or another --format"
        )
    square = [suffix for suffix in formats if FORMATS[suffix.lower()].needs_right_angles]
    if square and case.is_dicom and _tilted(case):
        return (
            f"{' and '.join(square)} cannot hold the geometry of a tilted gantry; choose .nrrd, .seg.nrrd or .mha as "
            "--format"
        )
    return ""


def _tilted(case: Case) -> bool:
    """Whether the slices of a series lie askew above each other; from a few of them."""
    headers = [header for index in (0, len(case.files) // 2, -1) if (header := _header(case.files[index]))]
    if not headers:
        return False
    step = max((np.subtract(one.position, headers[0].position) for one in headers), key=np.linalg.norm)
    length = np.linalg.norm(step)
    askew = np.reshape(headers[0].orientation, (2, 3)) @ step
    return bool(length >= FAR_MM and np.abs(askew).max() > TILTED * length)


def _header(file: str) -> SliceHeader | None:
    """The header of a slice; None for one without a place in space, which reading it says."""
    try:
        header = read_header(Path(file))
    except (InputError, OSError):
        return None
    return None if header is None or header.missing else header
