"""Masks of any origin as structures on their CT's grid: label maps, and 3D Slicer's segmentations."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ...errors import InputError
from ...system.names import some_of, suffix_of
from ...system.tags import MASK_TAG, MODEL_TAG
from ..headers import HEADER_READERS, check_header
from ..headers.header import HEADER_LIMIT
from ..headers.stored_voxels import read_voxels
from ..itk import opened, reading_image, reason, volume_of
from ..read import read_volume
from ..segment_info import SegmentInfo
from ..volume import Volume
from .grid import onto
from .stored import Box, by_hand
from .structure import Structure
from .terms import describe, meaning

SEGMENTATION = ".seg.nrrd"
TERMINOLOGY = "TerminologyEntry"
MOST_VALUES = 6


@dataclass(frozen=True)
class _Segment:
    """A segment as a .seg.nrrd describes it: its label value in one of the layers, and its description."""

    name: str
    value: int
    layer: int
    color: tuple[float, ...] | None
    tags: Mapping[str, str] = field(default_factory=dict)


def read_structures(
    path: str | Path, ct: Volume, labels: Mapping[str, str] | None = None, *, empty: bool = False
) -> list[Structure]:
    """Read a file's regions on the grid of a CT.

    Args:
        path: .nii, .nii.gz, .nrrd, .nhdr, .mha, .mhd, or .seg.nrrd with one or several segments, which may overlap.
        ct: the CT.
        labels: names by label value, or by name of a segment; others are left out. Without it a .seg.nrrd gives all its
            segments, and a label map, which then may hold one value only, one region called after the file.
        empty: whether regions may be empty.

    Returns:
        One for each region; which algorithm drew it is known for segments of a model.

    Raises:
        InputError: the file cannot be read, lies on another grid, holds no whole numbers, lacks a label that was named
            or holds several and none was named, or a region is empty.
    """
    path = Path(path)
    if path.name.lower().endswith(SEGMENTATION) and path.is_file():
        found = _segments(path, ct, labels)
    else:
        found = _label_map(path, ct, labels)
    for one in found:
        if not one.mask.any() and not empty:
            raise InputError(f"'{one.segment.name}' in {path} is empty; expected voxels to draw contours around")
    return found


def voxels_of(path: Path) -> list[Volume]:
    """The voxels of a mask's file as they are stored, one volume a layer; raises InputError for what is no mask."""
    if path.name.lower().endswith(SEGMENTATION) and path.is_file():
        return _layers(path)
    volume = read_volume(path)
    _check_whole_numbers(path, volume.array)
    return [volume]


def _check_whole_numbers(path: Path, array: np.ndarray) -> None:
    low, high = array.min(), array.max()
    if low < 0 or not np.isfinite(high) or (array.dtype.kind == "f" and (array != np.round(array)).any()):
        raise InputError(f"{path} holds values from {low:g} to {high:g}; expected a mask of whole numbers from 0 up")


def _label_map(path: Path, ct: Volume, labels: Mapping[str, str] | None) -> list[Structure]:
    volume = read_volume(path)
    array = onto(volume, ct)
    _check_whole_numbers(path, array)
    there = [int(value) for value in np.unique(array) if value]
    if labels is None:
        if len(there) > 1:
            named = " ".join(f"{value}=NAME" for value in there[:MOST_VALUES])
            raise InputError(
                f"{path} holds the labels {some_of(there)}; expected to be told what they are, so add --label {named}"
            )
        if not there:
            return [Structure(np.zeros(array.shape, np.uint8), describe(_stem(path)), "")]
        labels = {str(there[0]): _stem(path)}
    missing = [key for key in labels if not key.isdecimal() or int(key) not in there]
    if missing:
        raise InputError(
            f"{path} holds the labels {some_of(there) or 'none'}, and not {', '.join(missing)}; name one that it holds"
        )
    return [
        Structure((array == int(key)).astype(np.uint8), describe(name, number=number), "")
        for number, (key, name) in enumerate(labels.items())
    ]


def _stem(path: Path) -> str:
    return path.name[: len(path.name) - len(suffix_of(path, (SEGMENTATION, *HEADER_READERS)))]


def _segments(path: Path, ct: Volume, labels: Mapping[str, str] | None) -> list[Structure]:
    segments = _described(path)
    if labels is not None:
        segments = _chosen(path, segments, labels)
    layers = _layers(path)
    found = []
    for number, one in enumerate(segments):
        if not 0 <= one.layer < len(layers):
            raise InputError(f"{path} describes a layer {one.layer} that it does not hold; save it again")
        layer = replace(layers[one.layer], array=(layers[one.layer].array == one.value).astype(np.uint8))
        mask = onto(layer, ct, cropped=True)
        found.append(Structure(mask, _info(path, one, number), _algorithm(one, mask)))
    return found


def _chosen(path: Path, segments: list[_Segment], labels: Mapping[str, str]) -> list[_Segment]:
    chosen = []
    for key, name in labels.items():
        fitting = [one for one in segments if key in (one.name, str(one.value))]
        exact = [one for one in fitting if one.name == key] or fitting
        if len(exact) != 1:
            names = ", ".join(f"{one.value}={one.name}" for one in segments)
            raise InputError(f"{path} has the segments {names}, and {len(exact)} called {key}; name one of them")
        chosen.append(replace(exact[0], name=name))
    return chosen


def _info(path: Path, segment: _Segment, number: int) -> SegmentInfo:
    terminology, color = meaning(segment.name, number=number)
    tags = {name: value for name, value in segment.tags.items() if name != TERMINOLOGY}
    try:
        return SegmentInfo(
            segment.name,
            segment.color or color,  # type: ignore[arg-type]  # checked by SegmentInfo
            segment.tags.get(TERMINOLOGY, terminology),
            tags,
        )
    except ValueError as error:
        raise InputError(
            f"{path} has a segment that cannot be taken over ({error}); correct it and save again"
        ) from None


def _algorithm(segment: _Segment, mask: np.ndarray) -> str:
    """AUTOMATIC where a model's mask is as the model left it, no slice of it drawn; "" where nobody knows."""
    if MODEL_TAG not in segment.tags or MASK_TAG not in segment.tags:
        return ""
    as_left = not by_hand(segment.tags) and Box.of(mask).has_been_left(segment.tags)
    return "AUTOMATIC" if as_left else "SEMIAUTOMATIC"


def _described(path: Path) -> list[_Segment]:
    """The segments in the header, https://slicer.readthedocs.io, developer guide, segmentations."""
    with path.open("rb") as file:
        text = re.split(r"\r?\n\r?\n", file.read(HEADER_LIMIT).decode("utf-8", "replace"))[0]
    fields = defaultdict(str, dict(line.split(":=", 1) for line in text.splitlines() if ":=" in line))
    numbers = sorted({int(match[1]) for name in fields if (match := re.match(r"Segment(\d+)_", name))})
    if not numbers:
        raise InputError(f"{path} describes no segments; expected a segmentation saved by 3D Slicer, or another suffix")
    try:
        return [_segment(fields, f"Segment{number}") for number in numbers]
    except ValueError:
        raise InputError(f"{path} describes its segments in a way that cannot be read; save it again") from None


def _segment(fields: defaultdict[str, str], begin: str) -> _Segment:
    return _Segment(
        fields[f"{begin}_Name"].strip() or fields[f"{begin}_ID"].strip(),
        value=int(fields[f"{begin}_LabelValue"] or 1),
        layer=int(fields[f"{begin}_Layer"] or 0),
        color=tuple(float(part) for part in fields[f"{begin}_Color"].split()) or None,
        tags=dict(part.split(":", 1) for part in fields[f"{begin}_Tags"].split("|") if ":" in part),
    )


def _layers(path: Path) -> list[Volume]:
    """The label maps of a segmentation; segments that overlap lie in different ones, stored as components."""
    header = check_header(path, ".nrrd")
    voxels = read_voxels(path, header)
    try:
        with reading_image():
            reader = opened(str(path), "NrrdImageIO")
            # Only one component lies as it is stored for certain.
            whole = voxels is not None and reader.GetNumberOfComponents() == 1
            array = np.asarray(voxels) if whole else sitk.GetArrayFromImage(reader.Execute())
    except RuntimeError as error:
        raise InputError(f"{path} cannot be read as a {SEGMENTATION} ({reason(error)}); save it again") from None
    shape, components = reader.GetSize()[::-1], reader.GetNumberOfComponents()
    if len(shape) != 3:
        raise InputError(f"{path} is a {len(shape)}D image; expected a 3D segmentation, so save it again")
    array = array.reshape(*shape, components)
    return [volume_of(array[..., layer], reader, str(path)) for layer in range(components)]
