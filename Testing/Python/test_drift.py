"""Control charts of what people edit: what is said to have changed, since when and where, and what is not said."""

from __future__ import annotations

import json
import shutil
from datetime import datetime, timedelta

import numpy as np
import pytest
from trails import MODEL, START, edited, write_trail, year

from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.report.drift.change import largest_shift
from GTVAutoSegLib.report.drift.drift import Options, find_drift
from GTVAutoSegLib.report.drift.reviews import SCENE_TRAIL, gather
from GTVAutoSegLib.report.drift.series import week_name
from GTVAutoSegLib.report.record.audit import APPROVAL, AUDIT, EXPORT, RUN, append


def drift(tmp_path, capsys, *words, folders=None):
    """Exit code, standard output, standard error, and drift.json."""
    given = folders or [tmp_path / "in"]
    code = main(["drift", *map(str, given), "--output", str(tmp_path / "out"), *map(str, words)])
    said = capsys.readouterr()
    path = tmp_path / "out" / "drift.json"
    return code, said.out, said.err, json.loads(path.read_text()) if path.is_file() else None


def week(number):
    return week_name((START + timedelta(weeks=number)).date())


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


def test_of_a_damaged_trail_what_holds_counts_and_a_person_is_called(tmp_path, capsys):
    path = write_trail(tmp_path / "in", year(seed=3))
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:150], lines[150].replace("meyer", "nobody"), *lines[151:]]) + "\n")
    code, _, err, found = drift(tmp_path, capsys)
    assert code == 1 and found["trails_altered"] == 1 and found["outlines"] == 150
    assert "record 151 (edit of" in err and "this trail counts only up to there (150 records)" in err
    assert "was altered" in (tmp_path / "out" / "drift.html").read_text()
    path.write_text("no trail\n")
    code, out, _, found = drift(tmp_path, capsys)
    assert code == 1 and found["outlines"] == 0 and "Nothing can be said" in out


def test_a_file_that_is_no_trail_is_not_called_altered(tmp_path, capsys):
    (tmp_path / "figures.json").write_text('{"dsc": 0.8}')
    assert main(["drift", str(tmp_path / "figures.json"), "--output", str(tmp_path / "out")]) == 2
    assert "is no audit trail; expected the audit.jsonl of a results folder" in capsys.readouterr().err


def test_a_clock_that_goes_back_is_said_once(tmp_path, capsys):
    records = year(weeks=20, seed=9)
    for record in records[40:44]:
        record["at"] = (datetime.fromisoformat(record["at"]) - timedelta(days=9)).isoformat()
    write_trail(tmp_path / "in", records)
    _, _, err, found = drift(tmp_path, capsys)
    assert err.count("the clock went back by") == 1 and "days at record 4" in err and found["outlines"] == 80
    write_trail(tmp_path / "in", [edited("c", datetime.now().astimezone() + timedelta(days=400), 3.0)])
    assert "which is yet to come" in drift(tmp_path, capsys)[2]


def test_times_and_figures_that_cannot_be_read_are_counted_and_left_out(tmp_path, capsys):
    records = [
        edited("a", START, 3.0),
        {**edited("b", START, 3.0), "at": "yesterday"},
        edited("c", START, 3.0, added_path_length_mm="long"),
        edited("d", START, 3.0, added_path_length_mm=-1),
        edited("e", START, 3.0, added_path_length_mm=True),
        edited("f", START, 3.0, added_path_length_mm=1e308),
        edited("g", START, 3.0, added_path_length_mm=float("inf")),
        {**edited("h", START, 3.0), "at": "0001-01-01T00:00:00+05:00"},
        {**edited("i", START, 3.0), "at": "9999-12-31T23:59:59-05:00"},
        {**edited("j", START, 3.0), "at": {"at": []}},
    ]
    write_trail(tmp_path / "in", records)
    code, _, err, found = drift(tmp_path, capsys)
    assert code == 0 and "9 records without a time or figures" in err and found["outlines"] == 1


def test_odd_values_in_a_record_whose_chain_holds_end_no_run(tmp_path, capsys):
    odd = [[], {}, [["a"]], 3, None, True, "", "<b>&", "\u202e", -1.5, float("nan")]
    names = ("case", "scanner", "model", "version", "digest", "proposed_sha256", "volume_before_ml", "volume_after_ml")
    records = [edited(f"c{n}{name}", START, 3.0) | {name: value} for name in names for n, value in enumerate(odd)]
    records += [{"at": START.isoformat(), "what": value, "regions": value} for value in odd]
    regions = [*odd, [{"added_path_length_mm": 1, "reviewer": value, "name": value} for value in odd]]
    records += [{"at": START.isoformat(), "what": EXPORT, "regions": value} for value in regions]
    write_trail(tmp_path / "in", records)
    assert drift(tmp_path, capsys)[0] == 0
    page = (tmp_path / "out" / "drift.html").read_text()
    assert "<b>&" not in page and "&lt;b&gt;&amp;" in page


def test_a_line_nested_too_deeply_is_no_record(tmp_path, capsys):
    path = write_trail(tmp_path / "in", year(weeks=1))
    path.write_text(path.read_text() + "[" * 200_000 + "\n")
    code, _, err, found = drift(tmp_path, capsys)
    assert code == 1 and "record 5 is no record" in err and found["outlines"] == 4


def test_a_case_that_was_corrected_twice_counts_once_in_its_first_week_with_its_last_figures(tmp_path):
    later = START + timedelta(weeks=3)
    write_trail(tmp_path, [edited("a", START, 10.0), edited("a", later, 25.0)])
    (one,) = gather([tmp_path]).reviewed
    assert (one.at, one.added_path_length_mm) == (START, 25.0)


def test_outlines_of_two_patients_in_files_of_one_name_are_two(tmp_path):
    one, other = edited("gtv.seg.nrrd", START, 10.0), edited("gtv.seg.nrrd", START + timedelta(weeks=2), 25.0)
    other["proposed_sha256"] = "b" * 64
    write_trail(tmp_path, [one, other, {**one, "what": "approval"}])  # as of P1/ and P2/ below one trail
    found = gather([tmp_path]).reviewed
    assert [(part.at, part.added_path_length_mm) for part in found] == [
        (START, 10.0),
        (START + timedelta(weeks=2), 25.0),
    ]


def test_work_that_goes_on_in_a_copied_folder_is_of_the_model_whose_run_was_copied(tmp_path):
    (tmp_path / "a").mkdir()
    append(tmp_path / "a" / AUDIT, RUN, {"case": "c", **MODEL, "scanner": "ACME CT 5", "mask_sha256": "a" * 64})
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    append(tmp_path / "b" / AUDIT, "edit", {"case": "c", "added_path_length_mm": 5.0, "mask_sha256": "b" * 64})
    found = gather([tmp_path])
    assert [(one.model, one.scanner) for one in found.reviewed] == [(MODEL["model"], "ACME CT 5")] and found.runs == 1


def test_a_copied_folder_and_a_case_done_in_two_folders_count_once(tmp_path, capsys):
    write_trail(tmp_path / "in" / "a", year(weeks=4, seed=1))
    shutil.copytree(tmp_path / "in" / "a", tmp_path / "in" / "b")
    again = {**edited("other_name", START + timedelta(weeks=9), 99.0)}
    again["proposed_sha256"] = year(weeks=1, seed=1)[0]["proposed_sha256"]
    write_trail(tmp_path / "in" / "c", [again])
    _, _, err, found = drift(tmp_path, capsys)
    assert found["outlines"] == 16 and "16 records in several trails" in err
    assert "1 outline in several trails" in err
    assert max(one.added_path_length_mm for one in gather([tmp_path / "in"]).reviewed) == 99.0


def test_empty_proposals_of_two_patients_are_two_cases(tmp_path):
    empty = {"proposed_sha256": "0" * 64, "volume_before_ml": 0.0}
    write_trail(tmp_path, [edited("a", START, 5.0, **empty), edited("b", START, 6.0, **empty)])
    assert [one.volume_change_percent for one in gather([tmp_path]).reviewed] == [100.0, 100.0]


def test_records_of_a_former_version_count_without_scanner_and_volumes(tmp_path, capsys):
    run = {"at": START.isoformat(), "what": "run", "model": "sts-gtv", "digest": "d" * 64, "mask_sha256": "a" * 64}
    edit = {
        "at": START.isoformat(),
        "what": "edit",
        "case": "c1",
        "added_path_length_mm": 12.0,
        "mask_sha256": "b" * 64,
    }
    seen = {"at": START.isoformat(), "what": "approval", "case": "c2", "reviewer": "Meyer", "mask_sha256": "f" * 64}
    write_trail(tmp_path / "in", [{**run, "case": "c1"}, {**run, "case": "c2", "mask_sha256": "f" * 64}, edit, seen])
    _, _, err, found = drift(tmp_path, capsys)
    assert "2 of 2 outlines were recorded by a version that told no volumes" in err
    assert "of 2 of 2 outlines the scanner is not known" in err
    reviewed = gather([tmp_path / "in"]).reviewed
    assert sorted(one.added_path_length_mm for one in reviewed) == [0.0, 12.0]
    assert {(one.model, one.scanner) for one in reviewed} == {("sts-gtv", "unknown")} and found["runs"] == 2


def test_a_run_alone_and_an_export_that_nobody_approved_tell_nothing_of_a_person(tmp_path, capsys):
    figures = {"name": "GTVp", "added_path_length_mm": 0.0, "slices_changed": 0, "proposed_sha256": "a" * 64, **MODEL}
    (tmp_path / "in").mkdir()
    append(tmp_path / "in" / AUDIT, RUN, {"case": "c", **MODEL})
    append(tmp_path / "in" / AUDIT, EXPORT, {"file": "rs.dcm", "regions": [figures]})
    code, out, _, found = drift(tmp_path, capsys)
    assert code == 0 and found["outlines"] == 0
    assert "the trails tell of 1 run, and of no outline of a model that a person edited or approved" in out


def test_the_trail_of_a_scene_of_slicer_is_read_like_any_other(tmp_path, capsys):
    figures = {"ct": "c" * 16, "name": "GTVp", "scanner": "ACME CT 5", "proposed_sha256": "a" * 64, **MODEL}
    edit = {"added_path_length_mm": 40.0, "volume_before_ml": 10.0, "volume_after_ml": 12.5, "slices_changed": 2}
    at = {"at": START.isoformat()}
    region = {key: value for key, value in figures.items() if key not in ("ct", "scanner")}
    records = [
        {**at, "what": RUN, "ct": "c" * 16, **MODEL, "mask_sha256": "a" * 64},
        {**at, "what": EXPORT, "ct": "c" * 16, "scanner": "ACME CT 5", "regions": [{**region, **edit}]},
        {**at, "what": APPROVAL, "segment": "GTVp", **figures, **edit},
    ]
    write_trail(tmp_path / "in", records, name=SCENE_TRAIL)
    (one,) = gather([tmp_path / "in"]).reviewed
    assert (one.scanner, one.added_path_length_mm, one.volume_change_percent) == ("ACME CT 5", 40.0, 20.0)
    assert drift(tmp_path, capsys, folders=[tmp_path / "in" / SCENE_TRAIL])[3]["outlines"] == 1


def test_an_approval_that_was_withdrawn_no_longer_vouches_for_an_outline_nobody_edited(tmp_path):
    approved = edited("a", START, 0.0, what="approval", volume_after_ml=20.0, slices_changed=0)
    taken = {"at": START.isoformat(), "what": "withdrawal", "case": "a", "reason": "wrong patient"}
    write_trail(tmp_path, [approved, taken])
    assert gather([tmp_path]).reviewed == ()
    write_trail(tmp_path, [edited("a", START, 9.0), approved | {"added_path_length_mm": 9.0}, taken])
    assert len(gather([tmp_path]).reviewed) == 1


def test_shuffled_weeks_differ_as_much_in_5_of_100_years(tmp_path):
    chance = np.random.default_rng(0)
    found = [largest_shift(chance.gamma(2.0, size=40), 12) for _ in range(60)]
    low = sum(one is not None and one.p <= 0.05 for one in found)
    assert low <= 8  # 3 are expected, and more than 8 in 1 of 300 times
    assert largest_shift([*chance.gamma(2.0, size=30), *(9 + chance.gamma(2.0, size=5))], 12).first == 30


def test_few_weeks_and_equal_ones_have_no_shift():
    assert largest_shift([1.0, 2.0] * 5, 8) is None and largest_shift([2.0] * 40, 12) is None


def test_options_reach_the_json(tmp_path):
    write_trail(tmp_path, year(weeks=20))
    found = find_drift(gather([tmp_path]), Options(first_weeks=9)).to_json()
    assert found["options"] == {"baseline_weeks": 9, "baseline": None, "since": None}
    assert found["charts"][0]["phases"][0]["baseline"] == [week(0), week(8)]
