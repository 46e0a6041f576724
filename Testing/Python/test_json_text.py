"""JSON that is too deep or too large, or holds too large a number, is an error like any other."""

from __future__ import annotations

import pytest

from GTVAutoSegLib.system import json_text
from GTVAutoSegLib.system.json_text import parse_json, read_json


def test_deep_nesting_is_a_value_error():
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json("[" * 100_000 + "]" * 100_000)


def test_a_whole_number_that_no_float_holds_is_a_value_error():
    assert parse_json(f'{{"a": [-{10**300 - 1}, 7]}}') == {"a": [1 - 10**300, 7]}
    for number in (10**300, -(10**400)):
        with pytest.raises(ValueError, match=f"a whole number of {len(str(abs(number)))} digits, more than 300"):
            parse_json(f'{{"a": [{number}]}}')


def test_a_file_that_is_too_large_is_not_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(json_text, "MOST_BYTES", 1 << 20)
    path = tmp_path / "a.json"
    path.write_text('"' + "x" * (1 << 20) + '"')
    with pytest.raises(ValueError, match="larger than 1 MiB"):
        read_json(path)
    path.write_text('{"a": 1}')
    assert read_json(path) == {"a": 1}
