"""How a slice's pixels are stored: what its header says of bits, signs and HU, checked in one place.

What the standard leaves no doubt about is read as it says (PS3.5 8.1, PS3.3 C.7.6.3 and C.11.1). What no reader can
know is an error; what is likely but not certain, a doubt, which an import and --strict refuse.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.uid import ExplicitVRBigEndian

from ....errors import InputError

TAGS = (
    "Modality",
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PhotometricInterpretation",
    "PixelPaddingValue",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "ModalityLUTSequence",
    "SharedFunctionalGroupsSequence",
    "RealWorldValueMappingSequence",
    *range(0x60000102, 0x60200102, 0x20000),  # OverlayBitPosition: overlays in bits that the pixels leave free
    "PixelData",
)
NUMBERS = {
    "RescaleSlope": "RescaleSlope (0028,1053)",
    "RescaleIntercept": "RescaleIntercept (0028,1052)",
}
# GE's own: a data set in little endian whose pixels are in big endian.
GE_PRIVATE = "1.2.840.113619.5.2"
ALLOCATED = (16, 32)
DEFLATED = pydicom.uid.DeflatedExplicitVRLittleEndian
PIXEL_GROUP = 0x7FE0
ELEMENT = 8  # bytes of a tag and a length
# A word's type decides only over a padding byte at the end of an odd number of bytes.
PADDING = 1


@dataclass(frozen=True)
class Storage:
    """How the pixels of a slice are stored.

    Attributes:
        path: its file.
        rows: of the slice.
        columns: of the slice.
        allocated: bits a pixel takes.
        stored: how many of them are its value.
        high: the highest of these.
        signed: whether the value is in two's complement.
        big_endian: the order of its bytes.
        slope: from values to HU.
        intercept: from values to HU.
        syntax: TransferSyntaxUID, or "".
        overlays: whether overlays lie in bits that are no value.
        doubts: why the HU are not certain.
    """

    path: Path
    rows: int
    columns: int
    allocated: int
    stored: int
    high: int
    signed: bool
    big_endian: bool
    slope: float
    intercept: float
    syntax: str
    overlays: bool
    doubts: tuple[str, ...]

    @property
    def compressed(self) -> bool:
        """Whether the pixels are encapsulated: JPEG, JPEG-LS, JPEG 2000, RLE."""
        return self.syntax.startswith("1.2.840.10008.1.2.4.") or self.syntax == pydicom.uid.RLELossless

    @property
    def size(self) -> int:
        """Bytes of the pixels when they are not compressed."""
        return self.rows * self.columns * self.allocated // 8


def read_storage(data: pydicom.FileDataset, path: Path) -> Storage:
    """What a data set says of its pixels; to be called within `GTVAutoSegLib.images.dicom.dataset.reading`.

    Raises:
        InputError: it is a picture in colour or in negative, or contradicts itself.
    """
    _check_picture(data, path)
    rows, columns = int(data.Rows), int(data.Columns)
    if rows < 1 or columns < 1:
        raise _unfit(path, f"Rows {rows} and Columns {columns}", "numbers above 0")
    allocated = int(data.BitsAllocated)
    if allocated not in ALLOCATED:
        raise _unfit(path, f"BitsAllocated (0028,0100) {allocated}", "16, as every CT has")
    stored = int(data.get("BitsStored") or allocated)
    if not 1 < stored <= allocated:
        raise _unfit(path, f"BitsStored (0028,0101) {stored}", f"a number up to {allocated}")
    given = data.get("HighBit")
    high = stored - 1 if given is None else int(given)
    if not stored - 1 <= high < allocated:
        raise _unfit(path, f"HighBit (0028,0102) {high}", f"{stored - 1}, the last of {stored} bits")
    representation = data.get("PixelRepresentation")
    if representation not in (0, 1, None):
        raise _unfit(path, f"PixelRepresentation (0028,0103) {representation}", "0 or 1")
    slope, intercept, doubts = _rescale(data, path)
    if representation is None:
        doubts = (*doubts, "PixelRepresentation (0028,0103) is missing, and the values were taken as unsigned")
    syntax = str(data.file_meta.get("TransferSyntaxUID", ""))
    little = data.original_encoding[1]
    return Storage(
        path=path,
        rows=rows,
        columns=columns,
        allocated=allocated,
        stored=stored,
        high=high,
        signed=representation == 1,
        big_endian=syntax in (ExplicitVRBigEndian, GE_PRIVATE) or (not syntax and little is False),
        slope=slope,
        intercept=intercept,
        syntax=syntax,
        overlays=any(tag.group >> 8 == 0x60 for tag in list(data.keys())),  # values stay as they are
        doubts=doubts,
    )


def _check_picture(data: pydicom.Dataset, path: Path) -> None:
    """Raise for pixels that are no values."""
    samples, colours = data.get("SamplesPerPixel"), str(data.get("PhotometricInterpretation") or "MONOCHROME2")
    if samples not in (1, None) or not colours.startswith("MONOCHROME"):
        raise InputError(
            f"{path} holds a colour image ({colours}); expected one HU value per pixel, so give the CT series"
        )
    if colours == "MONOCHROME1":
        # That only says how to show the values, not what they mean (PS3.3 C.7.6.3.1.2), and readers disagree.
        raise InputError(
            f"{path} is stored for display in negative (MONOCHROME1); expected MONOCHROME2, so convert the series"
        )


def _rescale(data: pydicom.Dataset, path: Path) -> tuple[float, float, tuple[str, ...]]:
    """Slope, intercept, and why they are not certain (PS3.3 C.11.1)."""
    values = {tag: _number(data, tag, path) for tag in NUMBERS}
    slope, intercept = values["RescaleSlope"], values["RescaleIntercept"]
    if slope is not None and not slope > 0:
        raise _unfit(path, f"{NUMBERS['RescaleSlope']} {slope:g}", "a number above 0")
    doubts = []
    missing = [NUMBERS[tag] for tag, value in values.items() if value is None]
    if missing and str(data.get("Modality") or "CT") == "CT":
        nested = ("ModalityLUTSequence", "SharedFunctionalGroupsSequence", "RealWorldValueMappingSequence")
        instead = next((f"; {tag} is there, and was not applied" for tag in nested if data.get(tag)), "")
        doubts.append(f"lacking {' and '.join(missing)}, so the values may be no HU{instead}")
    elif data.get("ModalityLUTSequence"):
        doubts.append("ModalityLUTSequence (0028,3000) stands beside RescaleSlope, and was not applied")
    kind = str(data.get("RescaleType") or "HU").strip()
    if kind != "HU":
        doubts.append(f"of the RescaleType (0028,1054) {kind!r}, so the values may be no HU")
    return (1.0 if slope is None else slope), (0.0 if intercept is None else intercept), tuple(doubts)


def _number(data: pydicom.Dataset, tag: str, path: Path) -> float | None:
    """A number; None where the attribute is missing or empty, which is not the same as one that cannot be read."""
    if tag not in data:
        return None
    try:
        value = data.get(tag)
        number = None if value is None or value == "" else float(value)
    except Exception:  # what pydicom raises over a bad value is of many kinds
        number = math.nan
    if number is not None and not math.isfinite(number):
        raise _unfit(path, f"a {NUMBERS[tag]} that is no number", "one number")
    return number


def _unfit(path: Path, got: str, expected: str) -> InputError:
    return InputError(f"{path} has {got}; expected {expected}, so export the series again")


def check_end(data: pydicom.FileDataset, path: Path) -> None:
    """Raise where bytes follow the pixels that are neither an element nor padding: some were put in before them.

    Args:
        data: with pixels that are not compressed, before they are asked for.
        path: its file.
    """
    pixels = data.get_item("PixelData")
    if not isinstance(pixels, RawDataElement) or data.file_meta.get("TransferSyntaxUID") == DEFLATED:
        return
    with path.open("rb") as file:
        file.seek(pixels.value_tell + pixels.length)
        start = file.read(ELEMENT)
    big = data.original_encoding[1] is False
    group = int.from_bytes(start[:2], "big" if big else "little")
    # Behind the pixels come private groups, trailing padding (FFFC) and signatures (FFFA); PS3.5 7.1 orders by tag.
    if start.strip(b"\0") and not (len(start) == ELEMENT and group >= PIXEL_GROUP):
        raise InputError(f"{path} has bytes behind its pixels that are no DICOM; export or copy it again")


def stored_values(storage: Storage, content: bytes) -> tuple[np.ndarray, tuple[str, ...]]:
    """The values of uncompressed pixels (PS3.5 8.1.1).

    Returns:
        int32 or int64 (rows, columns), before rescaling, and why they are not certain.

    Raises:
        InputError: there are fewer or more bytes than rows and columns ask for.
    """
    got, expected = len(content), storage.size
    if not expected <= got <= expected + expected % 2 * PADDING:
        raise InputError(
            f"the pixels of {storage.path} cannot be decoded (it holds {got} of {expected} bytes that "
            f"{storage.rows} rows of {storage.columns} pixels take); export the series again"
        )
    order = ">" if storage.big_endian else "<"
    bits = np.frombuffer(content, f"{order}u{storage.allocated // 8}", storage.rows * storage.columns)
    bits = bits.reshape(storage.rows, storage.columns).astype(np.int64 if storage.allocated > 16 else np.int32)
    shift = storage.high + 1 - storage.stored
    values = (bits >> shift) & ((1 << storage.stored) - 1)
    sign = values >> (storage.stored - 1)
    if storage.signed:
        values -= sign << storage.stored
    return values, _bit_doubts(storage, bits, sign)


def _bit_doubts(storage: Storage, bits: np.ndarray, sign: np.ndarray) -> tuple[str, ...]:
    """Where the bits contradict what the header says of them."""
    doubts = []
    above = bits >> (storage.high + 1)
    extension = (1 << (storage.allocated - storage.high - 1)) - 1
    fits = (above == 0) | ((above == extension) & (sign == 1)) if storage.signed else above == 0
    below = bits & ((1 << (storage.high + 1 - storage.stored)) - 1)
    if not storage.overlays and not (fits.all() and not below.any()):
        doubts.append(
            f"more bits in use than BitsStored (0028,0101) {storage.stored} and HighBit (0028,0102) {storage.high} "
            "allow"
        )
    if storage.stored == storage.allocated == 16:
        # Values of a patient begin near 0 or -1024, whichever way they are stored: none are in the middle.
        middle = (bits >= 0x4000) & (bits < 0xC000)
        wrong = middle & (bits > 0x8000) if storage.signed else bits >= 0xC000
        if wrong.any() and (storage.signed or not middle.any()):
            said = "signed" if storage.signed else "unsigned"
            doubts.append(f"the values are said to be {said} (PixelRepresentation, 0028,0103), but do not look so")
    return tuple(doubts)
