"""Writing DICOM segmentations (SEG, PS3.3 A.51) through highdicom: voxels instead of contours."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.uid import generate_uid

from ...errors import GTVAutoSegError, InputError
from ...system.tags import VERSION_TAG
from ..masks.structure import Structure
from .codes import ARTIFICIAL_INTELLIGENCE, Code, segment_codes
from .dataset import quiet_pydicom
from .source import (
    MANUFACTURER,
    DicomSource,
    fill_empty,
    model_name,
    read_without_pixels,
    series_description,
    software_versions,
)
from .text import use_characters, without_texts

INSTALL = "install it with: pip install 'gtvautoseg[dicom-seg]'"


def check_highdicom(what: str | Path) -> None:
    """Raise InputError, for what is to be written, when highdicom is missing."""
    if find_spec("highdicom") is None:
        raise InputError(f"{what} is a DICOM segmentation, which the package highdicom writes; {INSTALL}")


def make_dicom_seg(structures: Sequence[Structure], source: DicomSource) -> Dataset:
    """Masks as a binary DICOM segmentation that refers to the CT's slices.

    Args:
        structures: at least one, on the grid of the CT; they may overlap.
        source: the CT.

    Raises:
        InputError: a segment has no code, or highdicom refuses something in the CT's headers.
    """
    import highdicom

    for one in structures:
        codes = segment_codes(one.segment.terminology)
        if not (codes.category and codes.type):
            raise InputError(
                f"the segment '{one.segment.name}' has no DICOM code; expected a category and a type, which a DICOM "
                "segmentation needs, so choose its terminology"
            )
    segment = structures[0].segment
    described = [_description(number, one) for number, one in enumerate(structures, start=1)]
    masks = [(one.mask > 0).astype(np.uint8) for one in structures]
    versions: Any = software_versions(segment)  # highdicom wants a tuple, which pydicom refuses
    try:
        with quiet_pydicom():
            # Texts are put in afterwards as they are: highdicom takes not all character sets that there are.
            images = [without_texts(read_without_pixels(header.path)) for header in source.slices]
            for image in images:
                fill_empty(image)
            data: Dataset = highdicom.seg.Segmentation(
                source_images=images,
                pixel_array=masks[0] if len(masks) == 1 else np.stack(masks, axis=-1),
                segmentation_type="BINARY",
                segment_descriptions=described,
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
    except (GTVAutoSegError, MemoryError):
        raise
    except Exception as error:  # what pydicom and highdicom raise over damaged values is of many kinds
        raise InputError(
            f"{source} cannot be the source of a DICOM segmentation: something that it takes from the CT's headers is "
            "missing there, or is not as the standard says; export the series again, or write .seg.nrrd"
        ) from error
    for element in source.patient_and_study():
        data[element.tag] = element
    for info in (one.segment for one in structures):
        use_characters(data, f"{info.name}{info.terminology}{model_name(info)}")
    return data


def _concept(code: Code | None) -> Any:
    from highdicom.sr import CodedConcept

    return CodedConcept(code.value, code.scheme, code.meaning) if code else None


def _description(number: int, structure: Structure) -> Any:
    import highdicom

    segment, codes = structure.segment, segment_codes(structure.segment.terminology)
    identification = None
    # It has to be one of three: what nobody knows is taken for drawn by a person when no model is named.
    algorithm = structure.algorithm or ("AUTOMATIC" if model_name(segment) else "MANUAL")
    if algorithm != "MANUAL":
        identification = highdicom.AlgorithmIdentificationSequence(
            name=model_name(segment) or MANUFACTURER,
            family=_concept(ARTIFICIAL_INTELLIGENCE),
            version=segment.tags.get(VERSION_TAG, software_versions(segment)[0]),
            source=MANUFACTURER,
        )
    return highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=segment.name,
        segmented_property_category=_concept(codes.category),
        segmented_property_type=_concept(codes.type),
        algorithm_type=algorithm,
        algorithm_identification=identification,
        anatomic_regions=[_concept(codes.region)] if codes.region else None,
        display_color=highdicom.color.CIELabColor.from_rgb(*(round(255 * part) for part in segment.color)),
    )
