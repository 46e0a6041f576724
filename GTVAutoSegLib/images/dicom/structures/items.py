"""The items of a structure set that describe one region of interest (PS3.3 C.8.8.5, C.8.8.6, C.8.8.8)."""

from __future__ import annotations

import numpy as np
from pydicom import Dataset
from pydicom.valuerep import format_number_as_ds

from ....system.tags import DIGEST_TAG, MODEL_TAG, VERSION_TAG
from ...masks.structure import SMOOTH, Structure
from ...placement import volume_ml
from ...segment_info import SegmentInfo
from ...volume import bounding_box
from ..codes import ARTIFICIAL_INTELLIGENCE, interpreted_type, segment_codes
from ..outline.fields import smoothed_distance
from ..outline.tracing import trace
from ..source import LONG_STRING, MANUFACTURER, DicomSource, model_name
from .existing import reference

# Longest ROI name (AAPM TG-263) and StructureSetLabel (VR SH).
SHORT_STRING = 16
MM_DECIMALS = 6
# How far a smooth outline may be off to save points.
THIN_MM = 0.1
NOT_CHECKED = "Made by software; has to be checked and corrected by a qualified person before any use."


def add_structure(data: Dataset, structure: Structure, source: DicomSource) -> None:
    """Append a region of interest, under a number and a name of its own.

    Args:
        data: the structure set.
        structure: the region; its mask is on the grid of ``source``.
        source: the CT.
    """
    segment = structure.segment
    number = 1 + max((int(item.ROINumber) for item in data.StructureSetROISequence), default=0)
    taken = {str(item.get("ROIName", "")).strip() for item in data.StructureSetROISequence}
    data.StructureSetROISequence.append(_region(structure, source, number, free_name(segment.name, taken)))

    drawing = Dataset()
    drawing.ReferencedROINumber = number
    drawing.ROIDisplayColor = [round(255 * part) for part in segment.color]
    if contours := _contours(structure, source):
        drawing.ContourSequence = contours
    data.ROIContourSequence.append(drawing)

    numbers = (int(item.get("ObservationNumber") or 0) for item in data.RTROIObservationsSequence)
    data.RTROIObservationsSequence.append(_observation(structure, number, 1 + max(numbers, default=0)))


def free_name(name: str, taken: set[str]) -> str:
    """The name, with the first number that makes it one of its own."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name[: SHORT_STRING - len(f'_{number}')]}_{number}"
    return free


def _region(structure: Structure, source: DicomSource, number: int, name: str) -> Dataset:
    segment, region = structure.segment, Dataset()
    region.ROINumber, region.ReferencedFrameOfReferenceUID = number, source.slices[0].frame_of_reference
    region.ROIName = name
    region.ROIVolume = format_number_as_ds(round(volume_ml(structure.mask, source.volume), 3))
    region.ROIGenerationAlgorithm = structure.algorithm
    if structure.algorithm == "AUTOMATIC" and structure.review is None:
        region.ROIDescription = NOT_CHECKED
    if model_name(segment):
        region.ROIGenerationDescription = _generation(segment)
        region.ROIDerivationAlgorithmIdentificationSequence = [_algorithm_item(segment)]
    return region


def _observation(structure: Structure, number: int, observation_number: int) -> Dataset:
    codes, observation = segment_codes(structure.segment.terminology), Dataset()
    observation.ObservationNumber, observation.ReferencedROINumber = observation_number, number
    observation.RTROIInterpretedType = structure.interpreted_type or interpreted_type(codes)
    observation.ROIInterpreter = structure.review.reviewer if structure.review else None
    for name, code in (
        ("RTROIIdentificationCodeSequence", codes.type),
        ("SegmentedPropertyCategoryCodeSequence", codes.category),
        ("AnatomicRegionSequence", codes.region),
    ):
        if code:
            setattr(observation, name, [code.item()])
    return observation


def _generation(segment: SegmentInfo) -> str:
    digest = segment.tags.get(DIGEST_TAG, "")[:12]
    return ", ".join(part for part in (f"Model {model_name(segment)}", digest) if part)[:LONG_STRING]


def _algorithm_item(segment: SegmentInfo) -> Dataset:
    item = Dataset()
    item.AlgorithmFamilyCodeSequence = [ARTIFICIAL_INTELLIGENCE.item()]
    item.AlgorithmName = segment.tags[MODEL_TAG][:LONG_STRING]
    item.AlgorithmVersion = segment.tags.get(VERSION_TAG, "unknown")[:LONG_STRING]
    item.AlgorithmSource = MANUFACTURER
    return item


def _contours(structure: Structure, source: DicomSource) -> list[Dataset]:
    contours: list[Dataset] = []
    for index in np.flatnonzero(structure.mask.any(axis=(1, 2))).tolist():
        image = source.slices[index]
        for polygon in outlines(structure, index, image.spacing):
            contour = Dataset()
            contour.ContourNumber, contour.ContourGeometricType = len(contours) + 1, "CLOSED_PLANAR"
            contour.ContourImageSequence = [reference(image.sop_class, image.instance)]
            contour.NumberOfContourPoints = len(polygon)
            coordinates = source.points(index, polygon).round(MM_DECIMALS).ravel() + 0.0  # no -0.0
            contour.ContourData = [format_number_as_ds(value) for value in coordinates.tolist()]
            contours.append(contour)
    return contours


def outlines(structure: Structure, index: int, spacing: tuple[float, ...]) -> list[np.ndarray]:
    """The closed polygons around a region on one slice.

    Args:
        structure: the region.
        index: of the slice, along the mask's first axis.
        spacing: between its rows and between its columns, mm.

    Returns:
        float64 (n, 2) each, points (x, y) in pixels, see `outline.tracing.trace`.
    """
    plane = structure.mask[index] > 0
    box = bounding_box(plane[None])
    if box is None:
        return []
    # One pixel around: a probability outside says where between the two the outline runs.
    rows, columns = (slice(max(0, side.start - 1), side.stop + 1) for side in box[1:])
    inside = plane[rows, columns]
    if structure.contours == SMOOTH:
        field = _level(structure, index, (rows, columns), inside)
        polygons = trace(inside, field, (THIN_MM / spacing[1], THIN_MM / spacing[0]))
    else:
        polygons = trace(inside)
    return [polygon + np.array([columns.start, rows.start]) for polygon in polygons]


def _level(structure: Structure, index: int, where: tuple[slice, slice], inside: np.ndarray) -> np.ndarray:
    """What is 0 on the outline: from the probability where it has the mask's side everywhere on the slice."""
    if structure.probability is not None:
        above = structure.probability[index][where].astype(np.float64) - structure.threshold
        if np.array_equal(above >= 0, inside):
            return np.asarray(np.where(inside, np.maximum(above, 1e-6), above))
    return smoothed_distance(inside)
