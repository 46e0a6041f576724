"""Cells that a spreadsheet would compute are made harmless in every table."""

from __future__ import annotations

import pytest

from GTVAutoSegLib.system.csv_text import to_csv


@pytest.mark.parametrize("cell", ["=1+1", "+cmd", "-a", "@sum", "\tx", "\rx", "=HYPERLINK('x')", "-", "+1\t"])
def test_a_formula_becomes_a_text(cell):
    assert to_csv([[cell]]).lstrip('"').startswith("'")


@pytest.mark.parametrize("cell", ["-12.5", "+3", "-1e-3", -4, 2.5, "GTV-1", "a=b", ""])
def test_numbers_and_other_texts_stay(cell):
    assert to_csv([[cell, "x"]]) == f"{cell},x\n"
