"""The number formats that networks compute in, and the figures that show that masks stay. Does not need torch."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InputError

PRECISIONS = ("auto", "fp32", "int8", "fp16")
RECALL_LOSS = 0.005
DIGITS = 4  # of the figures of `Agreement`


@dataclass(frozen=True)
class Agreement:
    """Results in 8-bit integers against those in float32, over the cases of a data set.

    Attributes:
        split: folder name of the data set.
        cases: number of them.
        slices: number of their axial slices.
        dsc_mean: Dice of the two masks, mean over cases; 1 when both are empty.
        dsc_worst: of the case with the lowest.
        slices_equal: share of slices on which both classifiers decide alike.
        recall_fp32: share of the label's slices that the float32 classifier picks.
        recall_int8: the same in 8-bit integers.
    """

    split: str
    cases: int
    slices: int
    dsc_mean: float
    dsc_worst: float
    slices_equal: float
    recall_fp32: float
    recall_int8: float

    @property
    def close(self) -> bool:
        """Whether masks are practically unchanged, so that "auto" may choose 8-bit integers.

        Two classifiers that pick nothing agree too, which shows nothing: float32 has to pick slices of the label.
        """
        alike = self.dsc_mean >= 0.995 and self.dsc_worst >= 0.98 and self.slices_equal >= 0.995
        return alike and self.recall_fp32 > 0 and round(self.recall_fp32 - self.recall_int8, DIGITS) <= RECALL_LOSS


@dataclass(frozen=True)
class Calibration:
    """What a bundle needs to run in 8-bit integers.

    Attributes:
        ranges: by weight file, then by point in the network: largest activation, see `calibration.measure_ranges`.
        agreement: what that does to results.
    """

    ranges: dict[str, dict[str, float]]
    agreement: Agreement


def check_precision(precision: str) -> None:
    """Raise InputError for a precision that does not exist."""
    if precision not in PRECISIONS:
        raise InputError(f"precision '{precision}' is unknown; expected one of: {', '.join(PRECISIONS)}")
