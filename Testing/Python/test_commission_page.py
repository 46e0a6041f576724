"""Commissioning: what the page shows."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from commissions import case, judgement, made, read, run
from datasets import write_case

from GTVAutoSegLib.evaluation.commission.earlier import read_commission
from GTVAutoSegLib.evaluation.commission.figures import (
    agreement_figures,
)
from GTVAutoSegLib.evaluation.commission.limits import Limits
from GTVAutoSegLib.evaluation.commission.page import commission_page
from GTVAutoSegLib.images.read import read_volume
from GTVAutoSegLib.images.volume import Volume
from GTVAutoSegLib.system.settings import as_json


def test_a_limit_that_is_missed_narrowly_is_told_with_the_decimals_that_show_it():
    done = made(case(dsc=0.7996), limits=Limits(patients_at_least=None, dsc_mean_at_least=0.8))
    assert "mean DSC 0.7996, at least 0.8000" in done.sentence
    page = commission_page(done, [])
    assert "at least 0.8000" in page and ">0.7996<" in page
    done = made(case(dsc=0.81), limits=Limits(patients_at_least=None, dsc_mean_at_least=0.8125))
    assert "mean DSC 0.8100, at least 0.8125" in done.sentence


def test_a_tumour_of_one_small_voxel_that_was_missed_is_on_the_page():
    volume = Volume(np.zeros((3, 20, 20), np.int16), spacing=(0.3, 0.3, 0.3))
    reference = np.zeros(volume.array.shape, bool)
    reference[1, 5, 5] = True
    figures = agreement_figures(np.zeros_like(reference, np.uint8), reference, volume, 2.0)
    assert figures["reference_ml"] == pytest.approx(2.7e-5)
    assert "Outline minus reference" in commission_page(made(replace(case(), **figures)), [])


def test_patients_are_counted_and_not_their_cts():
    done = made(case("a", patient="p"), case("b", patient="p"), limits=Limits(patients_at_least=2))

    assert judgement(done, "patients_at_least").found == 1
    assert "2 cases are of 1 patient: " in commission_page(done, ())


def test_a_commission_is_filed_as_page_and_json(filed, clinic):
    assert sorted(path.name for path in filed.iterdir() if path.name[0] != ".") == [
        "commission.html",
        "commission.json",
    ]
    content = read(filed)
    page = (filed / "commission.html").read_text()

    assert [one["case"] for one in content["cases"]] == ["patient0", "patient1", "patient2"]
    first = content["cases"][0]
    volume = read_volume(clinic / "patient0" / "data.nii.gz")
    label = read_volume(clinic / "patient0" / "label.nii.gz").array > 0
    assert first["reference_ml"] == pytest.approx(label.sum() * 3 / 1000, abs=1e-4)
    assert first["slices"] == int(label.any(axis=(1, 2)).sum())
    assert first["ends"]["extra_feet"] > 0 and first["ends"]["missed_feet"] == 0
    assert volume.array.size * 3 / 1000 >= first["volume_ml"] > first["reference_ml"]
    assert content["passed"] is False and content["sentence"] in page.replace("&#x27;", "'")
    assert content["by"] == "Meyer^Anna" and "Meyer^Anna" in page
    assert content["subject"]["model"]["digest"] in page and content["data"]["digest"] in page
    assert {"gtvautoseg", "torch", "numpy", "scipy", "system"} <= content["versions"].keys()
    assert page.count("<svg") == 2 and "patient1</text>" in page and "bias " in page
    assert 1 <= page.count("<img") <= 6 and 'src="data:image/png;base64,' in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "<thead>" in page and "Carried out by" in page
    assert "does not tell which CTs it has learned from" in page
    assert as_json(read_commission(filed)) == content


def test_the_worst_slices_of_all_cases_come_first(everywhere, tmp_path, monkeypatch):
    from GTVAutoSegLib.evaluation.commission import page

    for number in range(2):
        write_case(tmp_path / "set" / f"patient{number}", number, tumour=number == 1)
    drawn = []
    monkeypatch.setattr(page, "commission_page", lambda _done, worst: drawn.extend(worst) or "")
    assert run(tmp_path / "set", "--model", everywhere, "--output", tmp_path / "out") == 1
    lengths = [one.added_path_length_mm for one in drawn]
    assert lengths == sorted(lengths, reverse=True) and len(set(lengths)) > 1


def test_one_case_is_filed_without_limits_of_agreement(tmp_path, everywhere):
    write_case(tmp_path / "set" / "only", 0)
    (tmp_path / "limits.json").write_text('{"volume_agreement_percent_at_most": 50}')

    assert (
        run(tmp_path / "set", "--model", everywhere, "--output", tmp_path / "out", "--limits", tmp_path / "limits.json")
        == 1
    )

    assert "One case has no limits of agreement" in (tmp_path / "out" / "commission.html").read_text()
    found = next(one for one in read(tmp_path / "out")["judgements"] if one["key"].startswith("volume_agreement"))
    assert found["found"] is None and not found["passed"]
