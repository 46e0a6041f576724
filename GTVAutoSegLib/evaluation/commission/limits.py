"""What a model has to keep to be used, as a site has decided it: a JSON file, whose defaults are a beginning."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields
from pathlib import Path

from ...errors import InputError
from ...system.json_text import read_json
from ...system.settings import as_json, parse_settings

LARGEST_TOLERANCE_MM = 50.0


@dataclass(frozen=True)
class Limits:
    """Limits; None asks for nothing. Those on one case count for the worst one.

    The defaults are a beginning and no standard: 0.8 is the lower end of what AAPM TG-132 (Brock et al., Med Phys 44
    (2017) e43) expects of contours that a registration propagates; the others are ours. A site decides its own, by
    tumour and purpose.

    Attributes:
        surface_tolerance_mm: of the surface Dice and the share to draw, mm; no limit but the site's tolerance.
        patients_at_least: with a tumour, that were measured and are new to the model as far as it tells.
        cases_taught_at_most: that the model tells to have learned from: they flatter every other figure.
        cases_failed_at_most: that could not be measured.
        tumours_missed_at_most: of which nothing was outlined that touches them.
        false_tumours_at_most: cases without a tumour, in which something was outlined.
        dsc_mean_at_least: mean of the Dice similarity coefficient.
        dsc_worst_at_least: of any one case.
        surface_dice_mean_at_least: mean of the surface Dice.
        hd95_mm_mean_at_most: mean of the 95th percentile Hausdorff distance.
        hd95_mm_worst_at_most: of any one case.
        added_path_share_mean_at_most: mean share of the reference's outline that is beyond the tolerance.
        volume_bias_percent_at_most: size of the mean difference of the volumes, as percent of their mean.
        volume_agreement_percent_at_most: how far either limit of agreement is from 0.
        end_slices_missed_worst_at_most: of any one case, at either end.
        end_slices_extra_worst_at_most: the same, beyond the tumour's end.
    """

    surface_tolerance_mm: float = 2.0
    patients_at_least: int | None = 10
    cases_taught_at_most: int | None = 0
    cases_failed_at_most: int | None = 0
    tumours_missed_at_most: int | None = 0
    false_tumours_at_most: int | None = 0
    dsc_mean_at_least: float | None = 0.8
    dsc_worst_at_least: float | None = 0.5
    surface_dice_mean_at_least: float | None = None
    hd95_mm_mean_at_most: float | None = 10.0
    hd95_mm_worst_at_most: float | None = None
    added_path_share_mean_at_most: float | None = None
    volume_bias_percent_at_most: float | None = 10.0
    volume_agreement_percent_at_most: float | None = None
    end_slices_missed_worst_at_most: int | None = 3
    end_slices_extra_worst_at_most: int | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for what is no number, or can never be kept."""
        for one in fields(self):
            value = getattr(self, one.name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{one.name} is {value}, expected a number from 0 upwards, or null to ask for nothing")
            if one.name.startswith(("dsc", "surface_dice")) and value is not None and value > 1:
                raise ValueError(f"{one.name} is {value}, expected a number from 0 to 1")
        if not 0 < self.surface_tolerance_mm <= LARGEST_TOLERANCE_MM:
            raise ValueError(
                f"surface_tolerance_mm is {self.surface_tolerance_mm}, expected mm above 0 and up to "
                f"{LARGEST_TOLERANCE_MM:g}"
            )


def load_limits(path: Path) -> Limits:
    """Read limits; those that a file leaves out have their defaults.

    Raises:
        InputError: it cannot be read, or a key or value in it is wrong; the message names it.
    """
    advice = "write the defaults with 'gtvautoseg commission --write-limits FILE', and change those"
    try:
        data = read_json(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}), expected limits as JSON; {advice}") from error
    except ValueError as error:
        raise InputError(f"{path} is no JSON that can be read ({error}), expected limits; {advice}") from error
    try:
        return parse_settings(Limits, data, str(path))
    except ValueError as error:
        raise InputError(f"{error}; correct it, or {advice}") from error


def limits_text(limits: Limits) -> str:
    """Limits as the text of their file."""
    return json.dumps(as_json(limits), indent=2) + "\n"
