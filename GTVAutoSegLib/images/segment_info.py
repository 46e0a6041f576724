"""What a segment is called, how it is shown and what it means."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ..system.tags import AUTOMATIC_TAG, MASK_TAG, NAME_TAG, RESULT_TAG, ROI_TAG

# No region: which part of the body the tumour lies in is known to the model's task only.
GTV_TERMINOLOGY = (
    "Segmentation category and type - GTVAutoSeg~DCM^130041^RT Target~DCM^130052^GTV Primary~^^"
    "~Anatomic codes - DICOM master list~^^~^^"
)


def is_gtv(name: str) -> bool:
    """Whether a volume is a gross tumour volume by its name (AAPM TG-263), and not a PTV, say."""
    return name.upper().startswith("GTV")


@dataclass(frozen=True)
class SegmentInfo:
    """Name, colour and meaning of a segment.

    Attributes:
        name: shown to the user; AAPM TG-263 names such as "GTVp".
        color: (red, green, blue), each 0 to 1.
        terminology: 3D Slicer's terminology entry: context, category, type, type modifier, region context, region
            and region modifier joined by "~", each code as "scheme^value^meaning".
        tags: further tags of the segment, by name.
    """

    name: str = "GTV"
    color: tuple[float, float, float] = (0.9, 0.2, 0.2)
    terminology: str = GTV_TERMINOLOGY
    tags: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise ValueError for what a segmentation file cannot hold."""
        if not self.name.strip():
            raise ValueError("the segment has no name")
        if len(self.color) != 3 or not all(0 <= part <= 1 for part in self.color):
            raise ValueError(f"color is {list(self.color)}, expected three numbers from 0 to 1")
        for text in (self.name, self.terminology, *self.tags, *self.tags.values()):
            if "|" in text or "\n" in text:
                raise ValueError(f"{text!r} holds a '|' or a line break, which a segment's tags cannot")


def as_left(segment: SegmentInfo, sha256: str, segment_id: str, packed: str) -> SegmentInfo:
    """A segment of a model with the tags by which Slicer's module knows the result of a run.

    Args:
        segment: as the run describes it.
        sha256: of its mask, see `structure.mask_sha256`.
        segment_id: under which it is stored.
        packed: its mask, see `masks.packed`.
    """
    marks = {MASK_TAG: sha256, RESULT_TAG: segment_id, AUTOMATIC_TAG: packed}
    return replace(segment, tags={**segment.tags, ROI_TAG: segment.name, NAME_TAG: segment.name, **marks})
