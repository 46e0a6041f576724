"""One rung of the ladder: two evaluations of the same cases."""

from __future__ import annotations

import pytest

from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.study.rung import compare, first_stage, main


def write(path, rows):
    path.write_text("model,case,variant,dsc\n" + "".join(f"m,{case},{variant},{dsc}\n" for case, variant, dsc in rows))
    return path


def test_the_difference_is_paired_by_case_whatever_their_order(tmp_path, capsys):
    cases = [("a", 0.5), ("b", 0.9), ("c", 0.7)]
    before = write(tmp_path / "1.csv", [(case, "box_20_cascade", dsc) for case, dsc in cases] + [("a", "cascade", 0.1)])
    after = write(tmp_path / "2.csv", [(case, "box_20_cascade", dsc + 0.05) for case, dsc in reversed(cases)])
    main([str(before), str(after)])
    line = capsys.readouterr().out.splitlines()[-1]
    assert line == "| box 20 mm: cascade | 3 | 0.700 | 0.750 | +0.050 [+0.050, +0.050] |"


def test_other_cases_and_other_boxes_are_not_compared(tmp_path):
    one = write(tmp_path / "1.csv", [("a", "cascade", 0.5)])
    with pytest.raises(InputError, match="different cases"):
        compare(one, write(tmp_path / "2.csv", [("b", "cascade", 0.5)]))
    with pytest.raises(InputError, match="no variant in common"):
        compare(one, write(tmp_path / "3.csv", [("a", "box_20_cascade", 0.5)]))
    with pytest.raises(InputError, match="expected the cases.csv"):
        compare(one, tmp_path / "away.csv")


def test_one_file_tells_what_the_first_stage_gave(tmp_path, capsys):
    rows = [("a", "box_20_cascade", 0.8), ("b", "box_20_cascade", 0.6)]
    rows += [("b", "box_20_all_slices", 0.5), ("a", "box_20_all_slices", 0.7)]
    one = write(tmp_path / "1.csv", [*rows, ("a", "box_20_true_slices", 0.9), ("b", "box_20_true_slices", 0.9)])
    main([str(one)])
    assert capsys.readouterr().out.splitlines()[2:] == [
        "| box 20 mm: cascade | 2 | 0.600 | 0.700 | +0.100 [+0.100, +0.100] |"
    ]
    with pytest.raises(InputError, match="holds no cascade"):
        first_stage(write(tmp_path / "2.csv", [("a", "predictions", 0.5)]))
