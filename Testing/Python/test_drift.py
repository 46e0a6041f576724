"""Control charts of what people edit: what is said to have changed, since when and where, and what is not said."""

from __future__ import annotations

from datetime import timedelta

import pytest
from trails import MODEL, START, drift, edited, week, write_trail, year

from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.report.drift.drift import Options, find_drift
from GTVAutoSegLib.report.drift.reviews import gather
from GTVAutoSegLib.report.record.audit import AUDIT


def test_a_shift_is_said_in_one_sentence_with_what_since_when_and_on_which_scanner(tmp_path, capsys):
    write_trail(tmp_path / "in" / "one", year(shift_at=30, seed=1))
    write_trail(tmp_path / "in" / "two" / "deep", year(seed=2, scanner="GE Discovery ST"))
    code, out, err, found = drift(tmp_path, capsys)
    assert code == 1 and not err and found["verdict"] == "changed"
    sentence = out.splitlines()[0]
    assert sentence == found["sentence"]
    assert sentence.startswith("Something changed: added path length rose from 4") and sentence.count(". ") == 0
    assert f"a case since {week(30)} on ACME CT 5 (model sts-gtv 2.0.0)." in sentence and "Discovery" not in sentence
    (chart,) = [c for c in found["charts"] if c["measure"].startswith("added") and c["scanner"] == "ACME CT 5"]
    (phase,) = chart["phases"]
    assert phase["shift"]["from"] == week(30) and phase["shift"]["lasts"] and phase["shift"]["p"] < 0.001
    assert phase["baseline"] == [week(0), week(11)] and len(phase["weeks"]) == 52
    assert {1, 2, 5, 6} <= {one["rule"] for one in phase["signals"] if one["from"] >= week(30)}
    assert sum(one["cases"] for one in phase["weeks"]) == 4 * 52 and found["outlines"] == 8 * 52


def test_a_page_is_whole_by_itself_and_names_rules_and_trails(tmp_path, capsys):
    write_trail(tmp_path / "in", year(shift_at=30, seed=1))
    drift(tmp_path, capsys)
    page = (tmp_path / "out" / "drift.html").read_text()
    assert page.count("<svg") == 4 and "<script" not in page and "src=" not in page and "http-equiv" not in page
    assert "2: nine points in a row on one side of the centre line" in page and "Looked at by" in page
    assert "A4" in page and MODEL["digest"] in page
    marked = page.count('fill="#b00020"')
    assert marked > 20 and ">1 2 5 6 8<" in page
    write_trail(tmp_path / "in", year(weeks=12, seed=1))
    drift(tmp_path, capsys)
    assert 'fill="#b00020"' not in (tmp_path / "out" / "drift.html").read_text()


def test_a_change_that_ended_with_the_model_does_not_last(tmp_path, capsys):
    records = year(weeks=30, shift_at=18, factor=3, seed=7)
    records = [{**one, "version": "2.1.0" if number >= 4 * 26 else "2.0.0"} for number, one in enumerate(records)]
    write_trail(tmp_path / "in", records)
    assert f"from {week(18)} to {week(25)} on ACME CT 5 (model sts-gtv 2.0.0)" in drift(tmp_path, capsys)[1]


def test_a_year_without_a_change_is_said_to_be_one_whatever_single_weeks_look_like(tmp_path, capsys):
    write_trail(tmp_path / "in", year(seed=15))
    code, out, _, found = drift(tmp_path, capsys)
    assert code == 0 and found["verdict"] == "no change shown"
    late = [one for c in found["charts"] for one in c["phases"][0]["signals"] if not one["within_baseline"]]
    said = (
        f"No change is shown: 208 outlines on ACME CT 5, by up to 52 weeks; Nelson's rules point at weeks {len(late)} "
    )
    assert late and out.startswith(said)


def test_a_time_of_more_edits_that_is_over_is_said_with_its_end(tmp_path, capsys):
    lengths = [40.0 + n % 7 + (60 if 24 <= n <= 29 else 0) for n in range(40)]
    records = [edited(f"c{n}", START + timedelta(weeks=n), length) for n, length in enumerate(lengths)]
    write_trail(tmp_path / "in", records)
    _, out, _, _ = drift(tmp_path, capsys)
    assert f"from {week(24)} to {week(29)} on" in out


def test_a_change_of_volumes_is_found_in_either_direction(tmp_path, capsys):
    records = year(seed=12)
    for number, record in enumerate(records):
        record["volume_after_ml"] *= 0.8 if number >= 4 * 35 else 1.0
    write_trail(tmp_path / "in", records)
    _, out, _, _ = drift(tmp_path, capsys)
    assert "volume change fell from 2." in out and f"% a case since {week(35)}" in out


def test_a_new_model_begins_a_phase_with_limits_of_its_own(tmp_path, capsys):
    new = {"version": "2.1.0", "digest": "e" * 64}
    records = year(weeks=52, shift_at=26, factor=3, seed=7)
    records = [{**one, **(new if number >= 4 * 26 else {})} for number, one in enumerate(records)]
    write_trail(tmp_path / "in", records)
    code, _, err, found = drift(tmp_path, capsys)
    assert code == 0 and "several models or versions" in err
    for chart in found["charts"]:
        assert [phase["version"] for phase in chart["phases"]] == ["2.0.0", "2.1.0"]
        assert [len(phase["weeks"]) for phase in chart["phases"]] == [26, 26]
    first, second = found["charts"][0]["phases"]
    assert second["limits"]["centre"] > 2 * first["limits"]["centre"] and second["baseline"][0] == week(26)


def test_fewer_than_eight_weeks_get_no_limits_and_that_is_said(tmp_path, capsys):
    write_trail(tmp_path / "in", year(weeks=7))
    code, out, _, found = drift(tmp_path, capsys)
    assert code == 0 and found["verdict"] == "too few"
    assert out.startswith("Too few to tell: 28 outlines in at most 7 weeks on one scanner")
    assert all(phase["limits"] is None for chart in found["charts"] for phase in chart["phases"])
    assert "7 weeks in the baseline; limits are drawn from 8 on" in (tmp_path / "out" / "drift.html").read_text()


def test_one_record_makes_a_page_and_a_sentence(tmp_path, capsys):
    write_trail(tmp_path / "in", [edited("case_1", START, 10.0)])
    code, out, _, found = drift(tmp_path, capsys)
    assert code == 0 and "Too few to tell: 1 outline in at most 1 week on" in out and found["outlines"] == 1


def test_equal_values_have_no_limits_and_no_change(tmp_path, capsys):
    records = [edited(f"c{n}", START + timedelta(weeks=n), 30.0) for n in range(30)]
    write_trail(tmp_path / "in", records)
    code, out, _, found = drift(tmp_path, capsys)
    assert code == 0 and out.startswith("No change is shown")
    assert "are all equal, so there are no limits" in found["charts"][0]["phases"][0]["remark"]


def test_a_baseline_that_does_not_vary_does_not_hide_a_change(tmp_path, capsys):
    records = [edited(f"c{n}", START + timedelta(weeks=n), 0.0 if n < 20 else 50.0) for n in range(30)]
    write_trail(tmp_path / "in", records)
    code, out, _, _ = drift(tmp_path, capsys)
    assert code == 1 and f"rose from 0 to 50 mm a case since {week(20)}" in out


def test_the_baseline_can_be_chosen_and_what_lies_before_it_is_not_judged(tmp_path, capsys):
    write_trail(tmp_path / "in", year(shift_at=10, factor=3, seed=8))
    first, last = ((START + timedelta(weeks=number)).date() for number in (12, 30))
    code, _, _, found = drift(tmp_path, capsys, "--baseline", first, last)
    phase = found["charts"][0]["phases"][0]
    assert code == 0 and phase["baseline"] == [week(12), week(30)] and len(phase["weeks"]) == 52
    code, _, err, found = drift(tmp_path, capsys, "--baseline", "2020-01-01", "2020-12-31")
    assert "where no week lies in the baseline that was asked for" in err
    assert found["charts"][0]["phases"][0]["baseline"] == [week(0), week(11)]


def test_since_leaves_out_what_was_before(tmp_path, capsys):
    write_trail(tmp_path / "in", year(seed=8))
    _, _, _, found = drift(tmp_path, capsys, "--since", (START + timedelta(weeks=40)).date())
    assert found["outlines"] == 4 * 12 and found["from"] == (START + timedelta(weeks=40)).date().isoformat()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--baseline", "2026-13-01", "2026-12-01"], "is no day, expected YYYY-MM-DD"),
        (["--baseline", "2026-12-01", "2026-01-01"], "expected the earlier day first"),
        (["--baseline-weeks", "7"], "from 8 upwards"),
        (["--since", "yesterday"], "is no day, expected YYYY-MM-DD"),
    ],
)
def test_options_that_make_no_sense_are_refused_in_a_sentence(tmp_path, capsys, words, said):
    write_trail(tmp_path / "in", year(weeks=2))
    try:
        code = main(["drift", str(tmp_path / "in"), "--output", str(tmp_path / "out"), *words])
    except SystemExit as ended:
        code = ended.code
    assert code == 2 and said in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_no_folder_no_trail_and_an_empty_one_are_sentences(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "blank").mkdir()
    (tmp_path / "blank" / AUDIT).touch()
    for folder, said in (("gone", "does not exist"), ("empty", "holds no audit trail"), ("blank", "holds no record")):
        code, _, err, _ = drift(tmp_path, capsys, folders=[tmp_path / folder])
        assert code == 2 and said in err and err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_options_reach_the_json(tmp_path):
    write_trail(tmp_path, year(weeks=20))
    found = find_drift(gather([tmp_path]), Options(first_weeks=9)).to_json()
    assert found["options"] == {"baseline_weeks": 9, "baseline": None, "since": None}
    assert found["charts"][0]["phases"][0]["baseline"] == [week(0), week(8)]
