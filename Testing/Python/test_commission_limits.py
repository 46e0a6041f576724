"""Commissioning: limits as a file, and how each is judged."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from commissions import case, judgement, made, read, run

from GTVAutoSegLib.evaluation.cases import Failure
from GTVAutoSegLib.evaluation.commission.figures import Ends
from GTVAutoSegLib.evaluation.commission.judge import RULES, judged
from GTVAutoSegLib.evaluation.commission.limits import Limits, load_limits
from GTVAutoSegLib.system.settings import as_json


def test_every_limit_is_judged_by_its_own_figure():
    done = made(
        case("a", dsc=0.9, hd95_mm=4.0, difference_percent=10.0, ends=Ends(1, 0, 2, 0)),
        case("b", dsc=0.5, hd95_mm=8.0, difference_percent=-30.0, ends=Ends(0, 4, 0, 0)),
        case("normal", reference_ml=0.0, volume_ml=1.0, dsc=0.0, slices=0, hd95_mm=None, ends=None),
        failed=(Failure("broken", "no reason"),),
        limits=Limits(
            surface_dice_mean_at_least=0.8, hd95_mm_worst_at_most=8.0, added_path_share_mean_at_most=0.05,
            volume_agreement_percent_at_most=50.0, end_slices_extra_worst_at_most=1,
        ),
    )  # fmt: skip

    found = {one.key: (one.found, one.passed) for one in done.judgements}
    assert found == {
        "patients_at_least": (2, False),
        "cases_taught_at_most": (0, True),
        "cases_failed_at_most": (1, False),
        "tumours_missed_at_most": (0, True),
        "false_tumours_at_most": (1, False),
        "dsc_mean_at_least": (0.7, False),
        "dsc_worst_at_least": (0.5, True),
        "surface_dice_mean_at_least": (0.9, True),
        "hd95_mm_mean_at_most": (6.0, True),
        "hd95_mm_worst_at_most": (8.0, True),
        "added_path_share_mean_at_most": (0.1, False),
        "volume_bias_percent_at_most": (10.0, True),
        "volume_agreement_percent_at_most": (pytest.approx(10 + 1.96 * 28.28427, abs=1e-3), False),
        "end_slices_missed_worst_at_most": (4, False),
        "end_slices_extra_worst_at_most": (2, False),
    }
    assert set(found) == set(RULES)
    # The size of a bias that may be of either sign has its interval from 0 on.
    assert judgement(done, "volume_bias_percent_at_most").low == 0.0
    assert not done.passed
    assert done.sentence.startswith("Not passed: m 1.0.0 keeps 7 of 15 limits on 2 patients with a tumour (patients")
    assert "mean DSC 0.700, at least 0.800" in done.sentence


def test_the_interval_of_a_figure_ends_where_the_figure_does():
    done = made(case("a", dsc=0.99, hd95_mm=0.1), case("b", dsc=0.6, hd95_mm=9.0))
    dsc, hd95 = (judgement(done, key) for key in ("dsc_mean_at_least", "hd95_mm_mean_at_most"))
    assert (dsc.low, dsc.high, hd95.low) == (0.0, 1.0, 0.0) and hd95.high > 40
    alone = judgement(made(case("a", dsc=0.99)), "dsc_mean_at_least")
    assert alone.low is None and alone.high is None


def test_a_missed_tumour_leaves_no_limit_on_distances_kept():
    done = made(case("a"), case("b", volume_ml=0.0, dsc=0.0, hd95_mm=None, ends=None, difference_percent=-200.0))

    assert judgement(done, "tumours_missed_at_most").found == 1
    mean = judgement(done, "hd95_mm_mean_at_most")
    assert mean.found is None and not mean.passed
    assert not judgement(done, "end_slices_missed_worst_at_most").passed


def test_a_limit_kept_by_luck_says_so():
    done = made(case("a", dsc=1.0), case("b", dsc=0.7), limits=Limits(patients_at_least=None, dsc_mean_at_least=0.8))

    assert done.passed and done.sentence.startswith("Passed: m 1.0.0 keeps all 9 limits")
    assert "more patients" in judgement(done, "dsc_mean_at_least").note
    assert judgement(made(case("a"), case("b")), "dsc_mean_at_least").note == ""


def test_patients_that_the_model_has_learned_from_make_no_commission():
    done = made(*(case(name, patient=name[0]) for name in ("a1", "a2", "b", "c")), limits=Limits(patients_at_least=3))
    assert judgement(done, "patients_at_least").passed
    taught = judged(replace(done, subject=replace(done.subject, learned="some", learned_from=("a1",))))
    assert judgement(taught, "patients_at_least").found == 2 and not taught.passed
    assert "new to the model 2, at least 3" in taught.sentence
    many = replace(taught, limits=Limits(patients_at_least=None, dsc_mean_at_least=None))
    assert "(cases that have taught the model 1, at most 0)" in judged(many).sentence


def test_limits_are_a_file_whose_defaults_can_be_written(tmp_path, clinic, everywhere):
    file = tmp_path / "limits.json"
    assert run("--write-limits", file) == 0
    assert load_limits(file) == Limits()
    written = file.read_bytes()
    assert run("--write-limits", file) == 2
    assert file.read_bytes() == written

    lenient = {**dict.fromkeys(as_json(Limits())), "surface_tolerance_mm": 3, "cases_failed_at_most": 0}
    file.write_text(json.dumps(lenient))
    assert run(clinic, "--model", everywhere, "--output", tmp_path / "out", "--limits", file) == 0
    assert [one["key"] for one in read(tmp_path / "out")["judgements"]] == ["cases_failed_at_most"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"dsc_mean": 0.8}', "has the unknown key 'dsc_mean', expected some of: surface_tolerance_mm, "),
        ('{"dsc_mean_at_least": "high"}', "dsc_mean_at_least is 'high', expected a number"),
        ('{"dsc_mean_at_least": NaN}', "dsc_mean_at_least is nan, expected a number from 0 upwards"),
        ('{"dsc_mean_at_least": 80}', "dsc_mean_at_least is 80.0, expected a number from 0 to 1"),
        ('{"patients_at_least": 2.5}', "patients_at_least is 2.5, expected a whole number"),
        ('{"hd95_mm_mean_at_most": true}', "hd95_mm_mean_at_most is True, expected a number"),
        ('{"surface_tolerance_mm": 0}', "surface_tolerance_mm is 0.0, expected mm above 0"),
        ("[]", "is a list, expected an object"),
        ("{", "is no JSON"),
        ("[" * 100_000, "limits.json is no JSON that can be read (it is nested too deeply), expected limits"),
        ('{"cases_failed_at_most": 1%s}' % ("0" * 400), "limits.json is no JSON that can be read (it holds a whole "),
    ],
)
def test_wrong_limits_are_a_sentence(tmp_path, clinic, everywhere, capsys, text, message):
    (tmp_path / "limits.json").write_text(text)

    assert run(clinic, "--model", everywhere, "--output", tmp_path / "out", "--limits", tmp_path / "limits.json") == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1 and "--write-limits" in said
    assert not (tmp_path / "out").exists()
