"""Texts of another DICOM object, carried over byte for byte, and the character set they are in (PS3.3 C.12.1.1.2).

Texts that are only passed on are not decoded: bytes that do not fit the character set they claim to be in, or are in
one that pydicom decodes wrongly, stay what they are.
"""

from __future__ import annotations

import warnings
from collections.abc import MutableSequence, Sequence
from copy import deepcopy

from pydicom import DataElement, Dataset
from pydicom.charset import convert_encodings, decode_bytes
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement

UTF_8 = "ISO_IR 192"
TEXTS = {"LO", "LT", "PN", "SH", "ST", "UC", "UT"}
GB2312, GB2312_BEGINS = "ISO 2022 IR 58", b"\x1b$)A"
# Behind these a text is in its first set again (PS3.5 6.1.2.5.3).
DELIMITERS = set(b"\\^=\r\n\t\f")


class _Bytes(bytes):
    """Bytes that pydicom writes as a person's name without another encoding."""

    def encode(self, encodings: Sequence[str] | None = None) -> bytes:  # noqa: ARG002 - as PersonName.encode
        return bytes(self)


def carried_over(data: Dataset, name: str) -> DataElement:
    """An attribute of a data set that was read, for another one in the same character set; texts keep their bytes."""
    element = data.get_item(name)
    tag = element.tag
    kind = element.VR or dictionary_VR(tag)
    if isinstance(element, RawDataElement) and kind in TEXTS:
        return DataElement(tag, kind, _Bytes(element.value or b""), already_converted=True)
    return deepcopy(data[tag])


def without_texts(data: Dataset) -> Dataset:
    """A data set's attributes that are in ASCII by their kind."""
    found = Dataset()
    for tag in list(data.keys()):
        element = data.get_item(tag)
        if not tag.is_private and (element.VR or dictionary_VR(tag)) not in TEXTS and tag != 0x00080005:
            found[tag] = element if isinstance(element, DataElement) else data[tag]
    return found


def use_characters(data: Dataset, text: str) -> None:
    """Change the data set to UTF-8 when a text needs more than ASCII; what is there already is kept."""
    if text.isascii():
        return
    charset = data.get("SpecificCharacterSet") or ""
    texts = [element for element in data if element.VR in TEXTS and isinstance(element.value, bytes)]
    decoded = [_decoded(element.value, charset) for element in texts]
    for element in texts:
        del data[element.tag]
    data.decode()
    data.SpecificCharacterSet = UTF_8
    for element, text_now in zip(texts, decoded):
        if text_now is None:
            data[element.tag] = element
        else:
            data.add_new(element.tag, element.VR, text_now)


def _decoded(value: bytes, charset: str | MutableSequence[str]) -> str | None:
    """A text, or None where its bytes do not fit the character set."""
    if GB2312 in charset:
        value, charset = value.replace(GB2312_BEGINS, b""), "GBK"  # which pydicom does not take out
    with warnings.catch_warnings(record=True) as remarks:
        warnings.simplefilter("always")
        try:
            text = decode_bytes(bytes(value), convert_encodings(charset), DELIMITERS)
        except (LookupError, UnicodeError):
            return None
    return None if remarks or "\x1b" in text else text.rstrip(" \0")
