"""Writing DICOM segmentations (SEG, PS3.3 A.51) through highdicom: voxels instead of contours."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.uid import generate_uid

from ...errors import InputError
from ...system.tags import VERSION_TAG
from ..segment_info import SegmentInfo
from ..volume import Volume
from .codes import ARTIFICIAL_INTELLIGENCE, Code, SegmentCodes, segment_codes
from .source import (
    MANUFACTURER,
    DicomSource,
    fill_empty,
    model_name,
    quiet_pydicom,
    read_source,
    read_without_pixels,
    series_description,
    software_versions,
    use_characters,
)

INSTALL = "install it with: pip install 'gtvautoseg[dicom-seg]'"


def check_highdicom(what: str | Path) -> None:
    """Raise InputError, for what is to be written, when highdicom is missing."""
    if find_spec("highdicom") is None:
        raise InputError(f"{what} is a DICOM segmentation, which the package highdicom writes; {INSTALL}")


def check_dicom_seg(volume: Volume, path: Path) -> None:
    """Check that a DICOM segmentation of a volume can be written.

    Raises:
        InputError: highdicom is missing, or the volume was not read from DICOM.
    """
    check_highdicom(path)
    read_source(volume, path)


def make_dicom_seg(
    mask: np.ndarray, source: DicomSource, segment: SegmentInfo, algorithm: str = "AUTOMATIC"
) -> Dataset:
    """A mask as a binary DICOM segmentation that refers to the CT's slices.

    Args:
        mask: uint8 (z, y, x), 0 or 1, in the volume's storage order.
        source: the CT.
        segment: name, colour, meaning and model.
        algorithm: AUTOMATIC, SEMIAUTOMATIC once a person has edited it, or MANUAL.

    Raises:
        InputError: the segment has no code, or highdicom refuses something in the CT's headers.
    """
    import highdicom

    codes = segment_codes(segment.terminology)
    if not (codes.category and codes.type):
        raise InputError(
            f"the segment '{segment.name}' has no DICOM code; expected a category and a type, which a DICOM "
            "segmentation needs, so choose its terminology"
        )
    versions: Any = software_versions(segment)  # highdicom wants a tuple, which pydicom refuses
    images = [read_without_pixels(header.path) for header in source.slices]
    for image in images:
        fill_empty(image)
    try:
        with quiet_pydicom():
            data = highdicom.seg.Segmentation(
                source_images=images,
                pixel_array=mask,
                segmentation_type="BINARY",
                segment_descriptions=[_description(segment, codes, algorithm)],
                series_instance_uid=generate_uid(prefix=None),
                series_number=1,
                sop_instance_uid=generate_uid(prefix=None),
                instance_number=1,
                manufacturer=MANUFACTURER,
                manufacturer_model_name=MANUFACTURER,
                software_versions=versions,
                device_serial_number=versions[0],
                content_label="SEGMENTATION",
                series_description=series_description(segment),
            )
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise InputError(
            f"{source} cannot be the source of a DICOM segmentation ({error}); export the series again, or write "
            ".seg.nrrd"
        ) from error
    use_characters(data, f"{segment.name}{segment.terminology}{model_name(segment)}")
    return data


def _concept(code: Code | None) -> Any:
    from highdicom.sr import CodedConcept

    return CodedConcept(code.value, code.scheme, code.meaning) if code else None


def _description(segment: SegmentInfo, codes: SegmentCodes, algorithm: str) -> Any:
    import highdicom

    identification = None
    if algorithm != "MANUAL":
        identification = highdicom.AlgorithmIdentificationSequence(
            name=model_name(segment) or MANUFACTURER,
            family=_concept(ARTIFICIAL_INTELLIGENCE),
            version=segment.tags.get(VERSION_TAG, software_versions(segment)[0]),
            source=MANUFACTURER,
        )
    return highdicom.seg.SegmentDescription(
        segment_number=1,
        segment_label=segment.name,
        segmented_property_category=_concept(codes.category),
        segmented_property_type=_concept(codes.type),
        algorithm_type=algorithm,
        algorithm_identification=identification,
        anatomic_regions=[_concept(codes.region)] if codes.region else None,
        display_color=highdicom.color.CIELabColor.from_rgb(*(round(255 * part) for part in segment.color)),
    )
