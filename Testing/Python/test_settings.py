"""Settings from JSON: every mistake is named with its place and what is allowed."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from GTVAutoSegLib.system.settings import PreprocessSettings, parse_settings


@dataclass(frozen=True)
class Part:
    count: int
    ratio: float = 1.0


@dataclass(frozen=True)
class Whole:
    name: str
    part: Part
    pair: tuple[float, float] = (0.0, 1.0)
    names: tuple[str, ...] = ()
    table: dict[str, int] = field(default_factory=dict)
    maybe: int | None = None


def test_nested_values_are_built_with_their_types():
    data = {"name": "a", "part": {"count": 2}, "pair": [1, 2.5], "names": ["x", "y"], "table": {"k": 1}, "maybe": None}
    expected = Whole("a", Part(2), (1.0, 2.5), ("x", "y"), {"k": 1}, None)
    assert parse_settings(Whole, data, "file") == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nam": "b"}, "file has the unknown key 'nam', expected some of: name, part, pair"),
        ({"part": {"count": "two"}}, "file.part.count is 'two', expected a whole number"),
        ({"part": {"count": True}}, "file.part.count is True, expected a whole number"),
        ({"part": {}}, "file.part lacks the key 'count'"),
        ({"part": [1]}, "file.part is a list, expected an object"),
        ({"pair": [1]}, "file.pair has 1 values, expected 2"),
        ({"pair": 3}, "file.pair is 3, expected a list"),
        ({"names": ["x", None]}, r"file.names\[1\] is null, expected a string"),
        ({"table": {"k": 1.5}}, "file.table.k is 1.5, expected a whole number"),
    ],
)
def test_a_mistake_is_named_with_its_place(change, message):
    with pytest.raises(ValueError, match=message):
        parse_settings(Whole, {"name": "a", "part": {"count": 2}, **change}, "file")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"window": [240, -160]}, "low < high"),
        ({"size": 8}, "at least 32"),
        ({"channels": 2}, "odd"),
        ({"margin": -1}, "margin is -1"),
    ],
)
def test_preprocessing_that_makes_no_sense_is_refused(data, message):
    with pytest.raises(ValueError, match=f"model.json: .*{message}"):
        parse_settings(PreprocessSettings, data, "model.json")
