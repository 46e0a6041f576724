"""Commissioning: what an earlier commission tells, and that a new one takes its place whole or not at all."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from commissions import case, made, read, run

from GTVAutoSegLib.evaluation.commission.earlier import compared
from GTVAutoSegLib.evaluation.commission.limits import Limits


def test_the_same_again_has_not_changed(filed, clinic, everywhere, tmp_path, capsys):
    assert run(clinic, "--model", everywhere, "--output", tmp_path / "q4", "--against", filed) == 1

    against = read(tmp_path / "q4")["against"]
    assert "no outline has changed: those of all 3 cases are the same, voxel for voxel" in against["sentence"]
    assert (against["common"], against["same_outlines"], against["differs"]) == (3, 3, [])
    assert against["sentence"] in (tmp_path / "q4" / "commission.html").read_text()
    assert against["sentence"] in capsys.readouterr().out


def test_what_has_changed_since_is_told_case_by_case():
    earlier = made(*(case(name, dsc=0.9) for name in "abc"))
    new = [case(name, dsc=0.6, mask_sha256="other") for name in "ab"]
    now = made(*new, case("d"), versions={"gtvautoseg": "2"})

    found = compared(now, earlier)

    assert (found.common, found.same_outlines) == (2, 0)
    assert found.sentence.startswith("Since 2026-08-28 2 of 2 outlines have changed; mean DSC 0.900 then and 0.600 now")
    assert "difference -0.300" in found.sentence and "no longer kept: mean DSC" in found.sentence
    change = next(one for one in found.changes if one.text == "DSC")
    assert (change.cases, change.earlier, change.now, change.difference) == (2, 0.9, 0.6, -0.3)
    assert "data: 1 case new or changed, 1 of then gone" in found.differs
    assert "gtvautoseg: 1 then, 2 now" in found.differs


def test_other_tolerances_and_no_common_case_are_not_compared():
    earlier = made(case("a"))
    limits = Limits(patients_at_least=None, surface_tolerance_mm=3.0)

    assert "surface Dice" not in [one.text for one in compared(made(case("a"), limits=limits), earlier).changes]
    assert "nothing can be compared" in compared(made(case("z")), earlier).sentence


def test_cases_are_the_same_by_ct_and_reference_and_not_by_name():
    earlier = made(case("a"), case("b"))
    assert compared(made(case("z", voxels_sha256="a"), case("b", reference_sha256="new")), earlier).common == 1


def test_a_limit_that_was_broken_then_too_is_not_called_no_longer_kept():
    missed = made(case("a", dsc=0.3))
    found = compared(missed, missed)
    assert not missed.passed and found.no_longer_kept == () and found.sentence.endswith("voxel for voxel.")


def test_a_limit_that_was_kept_is_named_when_other_limits_break_it_though_no_outline_has_changed():
    earlier = made(case("a", dsc=0.9))
    stricter = Limits(patients_at_least=None, dsc_mean_at_least=0.95)
    sentence = compared(made(case("a", dsc=0.9), limits=stricter), earlier).sentence
    assert sentence.endswith("that of the one case is the same, voxel for voxel; no longer kept: mean DSC.")


def test_the_interval_of_a_change_is_drawn_over_patients_and_not_over_their_cases():
    earlier = made(*(case(name, patient=name[0]) for name in ("a1", "a2", "b1", "b2")))
    now = [case(name, patient=name[0], dsc=dsc) for name, dsc in (("a1", 0.9), ("a2", 0.9), ("b1", 0.5), ("b2", 0.5))]
    change = next(one for one in compared(made(*now), earlier).changes if one.text == "DSC")
    assert (change.cases, change.difference, change.low, change.high) == (4, -0.2, -0.4, 0.0)
    alone = made(*(replace(one, patient="a") for one in now))
    assert next(one for one in compared(alone, earlier).changes if one.text == "DSC").low is None


def test_a_commission_or_a_data_set_of_another_structure_is_refused(filed, clinic, everywhere, tmp_path, capsys):
    other = shutil.copytree(filed, tmp_path / "other")
    content = read(other)
    content["subject"]["roi"] = "GTVn"
    (other / "commission.json").write_text(json.dumps(content))
    assert run(clinic, "--model", everywhere, "--output", tmp_path / "out", "--against", other) == 2
    assert "is of GTVn (everywhere), and this model outlines GTVp" in capsys.readouterr().err

    collected = shutil.copytree(clinic, tmp_path / "collected")
    record = {
        "patient": "", "ct_sha256": "0", "mask_sha256": "0", "provenance": {"region": "GTVn"},
        "collected_by": "x", "collected_at": "2026-01-01",
    }  # fmt: skip
    (collected / "patient1" / "collect.json").write_text(json.dumps(record))
    assert run(collected, "--model", everywhere, "--output", tmp_path / "out") == 2
    assert "patient1 is an outline of 'GTVn', and the model outlines 'GTVp'" in capsys.readouterr().err
    assert run(collected, "--model", everywhere, "--output", tmp_path / "out", "--region", "GTVn") == 1
    assert read(tmp_path / "out")["data"]["region"] == "GTVn"


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": 2}', '{"schema": 1}'])
def test_what_is_no_earlier_commission_is_a_sentence(clinic, everywhere, tmp_path, capsys, text):
    (tmp_path / "commission.json").write_text(text)

    assert run(clinic, "--model", everywhere, "--output", tmp_path / "out", "--against", tmp_path) == 2
    said = capsys.readouterr().err
    assert "is no commission" in said and said.count("\n") == 1


@pytest.mark.parametrize("name", ["commission.html", "commission.json"])
def test_a_record_never_lies_beside_the_page_of_another(filed, clinic, everywhere, tmp_path, monkeypatch, name):
    copy = shutil.copytree(filed, tmp_path / "copy")
    replace_file = Path.replace

    def killed(path, target):
        if Path(target).name == name:
            raise KeyboardInterrupt
        return replace_file(path, target)

    monkeypatch.setattr(Path, "replace", killed)
    assert run(clinic, "--model", everywhere, "--output", copy, "--replace") == 130
    page = (copy / "commission.html").read_bytes()
    assert (page == (filed / "commission.html").read_bytes()) is (name == "commission.html")
    assert not (copy / "commission.json").exists()


def test_a_full_disk_leaves_the_record_that_was_to_be_replaced(
    filed, clinic, everywhere, tmp_path, monkeypatch, capsys
):
    copy = shutil.copytree(filed, tmp_path / "copy")
    write = Path.write_text

    def full(path, *given, **named):
        if path.suffix == ".html":
            raise OSError(28, "No space left on device")
        return write(path, *given, **named)

    monkeypatch.setattr(Path, "write_text", full)
    assert run(clinic, "--model", everywhere, "--output", copy, "--replace") == 4
    assert "could not be written (No space left on device)" in capsys.readouterr().err
    for name in ("commission.html", "commission.json"):
        assert (copy / name).read_bytes() == (filed / name).read_bytes()
