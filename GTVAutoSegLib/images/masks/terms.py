"""From the name and type of a region to its DICOM code and colour, by the terms that ship for Slicer too."""

from __future__ import annotations

from functools import cache
from typing import Any

from ...errors import InputError
from ...system.json_text import read_json
from ...system.resources import resource_folders
from ..dicom.codes import INTERPRETED_TYPES, interpreted_type, segment_codes
from ..segment_info import SegmentInfo
from ..volume import triple

TERMS = "GTVAutoSeg.term.json"
# RT ROI Interpreted Type, defined terms of PS3.3 C.8.8.8.1 that a mask can be.
TYPES = (
    "GTV",
    "CTV",
    "PTV",
    "ORGAN",
    "EXTERNAL",
    "AVOIDANCE",
    "CAVITY",
    "BOLUS",
    "SUPPORT",
    "FIXATION",
    "DOSE_REGION",
    "CONTROL",
    "TREATED_VOLUME",
    "IRRAD_VOLUME",
)
# What a DICOM segmentation needs where no more is known than that it is an organ: CID 7150 and 7166 know no less.
ORGAN = "~SCT^123037004^Anatomical Structure~SCT^113343008^Organ~^^~~^^~^^"
# Of regions that have no colour of their own, one after the other.
COLORS = ((0.2, 0.7, 0.3), (0.2, 0.5, 0.9), (0.8, 0.7, 0.1), (0.6, 0.3, 0.8), (0.1, 0.7, 0.7))


def describe(
    name: str, kind: str = "", color: tuple[float, float, float] | None = None, number: int = 0
) -> SegmentInfo:
    """A segment by its name (AAPM TG-263, such as GTVp, GTVn, GTVn1, CTV) and its RT ROI Interpreted Type.

    Args:
        name: of the region.
        kind: of ``TYPES``; "" takes what the name says.
        color: each part 0 to 1; None takes that of its term, or one of ``COLORS``.
        number: which of several regions it is.

    Raises:
        InputError: a segmentation file cannot hold the name.
    """
    terminology, own = meaning(name, kind, number)
    try:
        return SegmentInfo(name, color or own, terminology)
    except ValueError as error:
        raise InputError(f"no region can be called {name!r} ({error}); choose another name") from None


def meaning(name: str, kind: str = "", number: int = 0) -> tuple[str, tuple[float, float, float]]:
    """Terminology entry and colour of a region; see `describe`."""
    term = _term(name, kind)
    if term is None:
        return ORGAN if kind == "ORGAN" else "", COLORS[number % len(COLORS)]
    code = "^".join(term[key] for key in ("CodingSchemeDesignator", "CodeValue", "CodeMeaning"))
    color = triple(part / 255 for part in term["recommendedDisplayRGBValue"])
    return f"{_terms()['context']}~{_terms()['category']}~{code}~^^~~^^~^^", color


def names() -> tuple[str, ...]:
    """The names of AAPM TG-263 that have a term, such as GTVp."""
    return tuple(term["3dSlicerLabel"] for term in _terms()["types"])


def kind_of(terminology: str) -> str:
    """RT ROI Interpreted Type of a terminology entry; "" when it does not tell."""
    return "ORGAN" if terminology == ORGAN else interpreted_type(segment_codes(terminology))


def _term(name: str, kind: str) -> dict[str, Any] | None:
    """The term whose label begins the name, the longest first; one of the wanted type."""
    fitting = [term for term in _terms()["types"] if not kind or _kind(term) == kind]
    by_length = sorted(fitting, key=lambda term: -len(term["3dSlicerLabel"]))
    begins = (term for term in by_length if name.upper().startswith(term["3dSlicerLabel"].upper()))
    return next(begins, by_length[-1] if kind and by_length else None)


def _kind(term: dict[str, Any]) -> str:
    return INTERPRETED_TYPES.get((term["CodingSchemeDesignator"], term["CodeValue"]), "")


@cache
def _terms() -> dict[str, Any]:
    path = next(path for path in resource_folders(TERMS) if path.is_file())
    content = read_json(path)
    (category,) = content["SegmentationCodes"]["Category"]
    code = "^".join(category[key] for key in ("CodingSchemeDesignator", "CodeValue", "CodeMeaning"))
    return {
        "context": content["SegmentationCategoryTypeContextName"],
        "category": code,
        "types": category["Type"],
    }
