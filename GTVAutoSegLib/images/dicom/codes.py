"""DICOM codes of a segment, out of 3D Slicer's terminology entry."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom import Dataset

# RT ROI Interpreted Type (PS3.3 C.8.8.8.1) of the codes in CID 9534 Radiotherapy Target that have one.
INTERPRETED_TYPES = {
    ("DCM", "130052"): "GTV",
    ("DCM", "130051"): "GTV",
    ("SCT", "228791009"): "GTV",
    ("SCT", "228792002"): "CTV",
    ("SCT", "228793007"): "PTV",
}


@dataclass(frozen=True)
class Code:
    """A coded concept (PS3.3 section 8.8): coding scheme, value and meaning."""

    scheme: str
    value: str
    meaning: str

    def item(self) -> Dataset:
        """The code as an item of a code sequence."""
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = self.value, self.scheme, self.meaning
        return item


ARTIFICIAL_INTELLIGENCE = Code("DCM", "123109", "Artificial Intelligence")  # CID 7162


@dataclass(frozen=True)
class SegmentCodes:
    """What a segment means.

    Attributes:
        category: such as RT Target.
        type: such as GTV Primary.
        region: part of the body, or None.
    """

    category: Code | None
    type: Code | None
    region: Code | None


def interpreted_type(codes: SegmentCodes) -> str:
    """RT ROI Interpreted Type: GTV, CTV, PTV, or "" when the code does not tell."""
    return INTERPRETED_TYPES.get((codes.type.scheme, codes.type.value), "") if codes.type else ""


def segment_codes(terminology: str) -> SegmentCodes:
    """Take the codes from a terminology entry.

    Args:
        terminology: 3D Slicer's notation, see `segment_info.SegmentInfo`; parts left out or incomplete
            give no code.
    """
    parts = [*terminology.split("~"), *[""] * 6]
    return SegmentCodes(_code(parts[1]), _code(parts[2]), _code(parts[5]))


def _code(text: str) -> Code | None:
    parts = text.split("^")
    return Code(*parts) if len(parts) == 3 and all(parts) else None
