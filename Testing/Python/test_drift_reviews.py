"""What people made of outlines, out of trails of any kind: each outline once, and what cannot be read is said."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta

from trails import MODEL, START, drift, edited, write_trail, year

from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.report.drift.reviews import SCENE_TRAIL, gather
from GTVAutoSegLib.report.record.audit import APPROVAL, AUDIT, EXPORT, RUN, append


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
    apart = [edited(f"c{n}", START + timedelta(minutes=4 * (n % 2)), 3.0) for n in range(6)]
    write_trail(tmp_path / "in", apart)  # two machines whose clocks are four minutes apart
    assert "the clock" not in drift(tmp_path, capsys)[2]
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
