"""Names in the character sets of the world pass into RTSTRUCT and SEG byte for byte, or in UTF-8 where ours need it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_samples import patient_array, write_series
from structure_sets import SEGMENT

from GTVAutoSegLib.images.read import read_volume
from GTVAutoSegLib.images.segment_info import SegmentInfo
from GTVAutoSegLib.images.write import write_mask

# SpecificCharacterSet, the bytes of a name, and the name; None where nobody can tell it.
NAMES = {
    "Latin 1": (["ISO_IR 100"], "Müller^Jörg".encode("latin-1"), "Müller^Jörg"),
    "Japanese": (["", "ISO 2022 IR 87"], b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", "Yamada^Tarou=山田^太郎"),
    "Korean": (
        ["", "ISO 2022 IR 149"],
        b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7",
        "Hong^Gildong=洪^吉洞",
    ),
    "Chinese": (
        ["", "ISO 2022 IR 58"],
        b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab",
        "Zhang^XiaoDong=张^小东",
    ),
    "GB18030": (["GB18030"], "Wang^XiaoDong=王^小东".encode("gb18030"), "Wang^XiaoDong=王^小东"),
    "UTF-8 that is none": (["ISO_IR 192"], b"M\xfcller^J\xf6rg", None),
    "a set that is none": (["ISO_IR 999"], b"M\xfcller^J\xf6rg", None),
}
LATIN_1 = b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100"


def ct(folder: Path, charset: list[str], name: bytes):
    """A CT whose PatientName and StudyDescription are these bytes."""
    name += b" " * (len(name) % 2)
    tags = {"PatientName": "Q" * len(name), "StudyDescription": "S" * len(name), "SpecificCharacterSet": "ISO_IR 100"}
    text = "\\".join(charset).encode()
    text += b" " * (len(text) % 2)
    for path in write_series(folder, patient_array(), **tags):
        content = path.read_bytes()
        for letter in b"QS":
            content = content.replace(bytes([letter]) * len(name), name)
        path.write_bytes(content.replace(LATIN_1, LATIN_1[:6] + len(text).to_bytes(2, "little") + text))
    return read_volume(folder)


def segment(name: str) -> SegmentInfo:
    return SegmentInfo(name, SEGMENT.color, SEGMENT.terminology, SEGMENT.tags)


def mask() -> np.ndarray:
    array = np.zeros((5, 20, 24), np.uint8)
    array[1:4, 5:9, 5:9] = 1
    return array


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("suffix", [".dcm", ".seg.dcm"])
@pytest.mark.parametrize("which", NAMES)
def test_names_are_carried_over_byte_for_byte(tmp_path, suffix, which):
    charset, name, _ = NAMES[which]
    path = tmp_path / f"gtv{suffix}"
    write_mask(mask(), ct(tmp_path / "ct", charset, name), path, segment("GTVp"))
    data, content = pydicom.dcmread(path), path.read_bytes()
    assert content.count(name) == 2
    found = data.SpecificCharacterSet
    assert (list(found) if isinstance(found, pydicom.multival.MultiValue) else [found]) == charset


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("suffix", [".dcm", ".seg.dcm"])
@pytest.mark.parametrize("which", NAMES)
def test_a_segment_that_needs_more_letters_turns_all_texts_that_can_be_read_to_utf_8(tmp_path, suffix, which):
    charset, name, text = NAMES[which]
    path = tmp_path / f"gtv{suffix}"
    write_mask(mask(), ct(tmp_path / "ct", charset, name), path, segment("GTV węzły"))
    data = pydicom.dcmread(path)
    items = data.StructureSetROISequence if suffix == ".dcm" else data.SegmentSequence
    assert data.SpecificCharacterSet == "ISO_IR 192"
    assert items[0].get("ROIName", items[0].get("SegmentLabel")) == "GTV węzły"
    if text is None:
        assert path.read_bytes().count(name) == 2
    else:
        assert str(data.PatientName) == text == data.StudyDescription
