"""CTs in all orientations, masks, and structure sets written from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from dicom_samples import patient_array, stack_positions, write_series
from scipy import ndimage

from GTVAutoSegLib.images.dicom.rtstruct import read_structure_set, roi_mask
from GTVAutoSegLib.images.dicom.series import read_dicom_series
from GTVAutoSegLib.images.dicom.structures import writer
from GTVAutoSegLib.images.masks.structure import Structure
from GTVAutoSegLib.images.segment_info import SegmentInfo
from GTVAutoSegLib.images.volume import Volume

SHAPE = (6, 30, 34)
LUNG = "~Anatomic codes - DICOM master list~SCT^39607008^Lung~^^"
GTV = f"Segmentation category and type - GTVAutoSeg~DCM^130041^RT Target~DCM^130052^GTV Primary~^^{LUNG}"
ORIGIN = {"GTVAutoSeg.Model": "sts-gtv", "GTVAutoSeg.Version": "1.2.0", "GTVAutoSeg.Digest": "0123456789abcdef" * 4}
SEGMENT = SegmentInfo("GTVp", (1.0, 0.5, 0.0), GTV, ORIGIN)

TURN = np.radians(20)
OBLIQUE = np.array([[np.cos(TURN), 0, -np.sin(TURN)], [0, 1, 0], [np.sin(TURN), 0, np.cos(TURN)]])
SCANS = {
    "axial": {},
    "feet first": {"orientation": (-1, 0, 0, 0, 1, 0), "positions": stack_positions(6, (0, 0, -2.5))},
    "coronal": {"orientation": (1, 0, 0, 0, 0, -1), "positions": stack_positions(6, (0, 2.5, 0))},
    "oblique": {"orientation": (*OBLIQUE[:, 0], *OBLIQUE[:, 1]), "positions": stack_positions(6, 2.5 * OBLIQUE[:, 2])},
    "tilted gantry": {
        "orientation": (1, 0, 0, 0, np.cos(TURN), -np.sin(TURN)),
        "positions": stack_positions(6, (0, 0, 3.0)),
    },
    "far away, fine pixels": {
        "positions": stack_positions(6, (0, 0, 0.6), (-3210.123456, 2109.876543, -1234.567891)),
        "pixel_spacing": (0.123456789, 0.0987654321),
    },
    "rounded positions": {"positions": stack_positions(6, (0, 0, 1.6666)).round(1)},
}


def ct(folder: Path, scan: str = "axial", **options) -> Volume:
    options = {"positions": None, **SCANS[scan], **options}
    write_series(folder, patient_array(SHAPE), **options)
    return read_dicom_series(folder)


def blobs(seed: int = 0, share: float = 0.3, smoothness: float = 1.2) -> np.ndarray:
    """Parts, holes, islands in holes and parts at the border, on all slices but the first."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=SHAPE), (0, smoothness, smoothness))
    mask = (noise > np.quantile(noise, 1 - share)).astype(np.uint8)
    mask[0] = 0
    return mask


def write_rtstruct(mask, volume: Volume, path: Path, segment=SEGMENT, *, base: Path | None = None, **options) -> None:
    """Write one region; ``options`` are those of `Structure`."""
    writer.write_rtstruct([Structure(mask, segment, **options)], volume, path, base=base)


def read_back(path: Path, volume: Volume, roi: int = -1) -> np.ndarray:
    mask, notes = roi_mask(read_structure_set(path).rois[roi : roi + 1 or None], volume)
    assert notes == ()
    return mask


def written(tmp_path: Path, mask=None, segment=SEGMENT, options=None, **series) -> pydicom.Dataset:
    write_rtstruct(
        blobs() if mask is None else mask, ct(tmp_path / "ct", **series), tmp_path / "rt.dcm", segment, **options or {}
    )
    return pydicom.dcmread(tmp_path / "rt.dcm")
