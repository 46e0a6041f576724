"""The record of a result: what is on disk reads back as it was, and what is damaged is said."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from bundles import make_bundle
from phantoms import phantom

from GTVAutoSegLib.cascade.result import CascadeResult, ResultRecord, sentence, summarise
from GTVAutoSegLib.model.bundle import read_bundle
from GTVAutoSegLib.report.case_record import CaseRecord
from GTVAutoSegLib.report.measures import measure

ROOT = Path(__file__).resolve().parents[2]
KEYS = ("input", "roi", "volume_ml", "tumour_slices", "extent_mm", "slice_probability", "threshold", "picked_slices")
KEYS += ("reason", "warnings", "mask_sha256", "model", "device", "precision", "timings", "versions")


@pytest.fixture
def found(tmp_path):
    """A result with a tumour on slices 3 to 5 of a CT, its mask and the CT."""
    volume = phantom((8, 40, 50))
    mask = np.zeros((8, 40, 50), np.uint8)
    mask[3:6, 10:16, 20:28] = 1
    probability = np.array([np.nan, 0.25, *[0.75] * 6], np.float32)
    result = CascadeResult(mask, probability, 0.5, probability > 0.5, "", ("odd",), "cpu", timings={"total": 1.23456})
    return summarise(result, volume, read_bundle(make_bundle(tmp_path / "model"))), mask, volume


def test_a_record_is_the_same_after_json(found):
    record, _, _ = found
    data = json.loads(json.dumps(record.to_json()))
    assert set(KEYS) <= set(data)  # the keys on disk: others read them too
    assert data["slice_probability"][:2] == [None, 0.25] and data["tumour_slices"] == [3, 4, 5]
    assert ResultRecord.from_json(data) == record
    assert ResultRecord.from_json({**data, "of_a_later_version": 1}) == record
    assert sentence(record).startswith(f"{record.roi}: ") and "3 slices (3 to 5)" in sentence(record)


@pytest.mark.parametrize("empty", [False, True])
def test_the_record_of_a_case_holds_the_result_s_keys_beside_its_own(found, empty):
    record, mask, volume = found
    measures = None if empty else measure(mask, volume)
    case = CaseRecord("case_1", "2024-01-02T03:04:05+01:00", record, measures, key={"formats": [".nrrd"]})
    data = json.loads(json.dumps(case.to_json()))
    assert {*KEYS, "case", "finished", "check", "doubts", "key", "measures", "files", "sha256"} <= set(data)
    assert "result" not in data and (data["measures"] == {}) is empty
    assert CaseRecord.from_json(data) == case


@pytest.mark.parametrize(
    "damage", [{"volume_ml": "3"}, {"input": []}, {"tumour_slices": 3}, {"timings": {"total": ""}}]
)
def test_a_record_with_a_value_of_another_type_is_refused(found, damage):
    with pytest.raises(ValueError, match=f"the result.{next(iter(damage))}"):
        ResultRecord.from_json({**found[0].to_json(), **damage})


def test_a_result_is_no_dict_with_keys_anywhere():
    """Names of tags stand in one file, too."""
    texts = {path: path.read_text() for part in ("GTVAutoSeg", "GTVAutoSegLib") for path in (ROOT / part).rglob("*.py")}
    keys = re.compile(rf"""\b(record|report|summary)\[["']({"|".join(KEYS)})["']\]""")
    assert [path.name for path, text in texts.items() if keys.search(text)] == []
    tags = re.compile(r"""["']GTVAutoSeg\.(?!ui|term|json)[A-Z]\w*["']""")
    assert [path.name for path, text in texts.items() if tags.search(text)] == ["tags.py"]
