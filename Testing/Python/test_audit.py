"""The audit trail: appended whole by several processes at once, and whatever was altered since is named."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.report.record.audit import AUDIT, EXPORT, RUN, append, read_trail


@pytest.fixture
def trail(tmp_path, monkeypatch):
    monkeypatch.setenv("GTVAUTOSEG_USER", "meyer")
    path = tmp_path / AUDIT
    for number in range(4):
        append(path, RUN, {"case": f"case_{number}", "mask_sha256": "ab" * 32})
    return path


def lines(path):
    return path.read_text().splitlines()


def test_a_record_says_who_when_and_what_and_follows_the_one_before(trail):
    records = read_trail(trail).records
    assert [record["number"] for record in records] == [1, 2, 3, 4]
    assert {record["who"] for record in records} == {"meyer"} and records[0]["what"] == RUN
    assert [record["previous"] for record in records[1:]] == [record["sha256"] for record in records[:-1]]


def test_an_unaltered_trail_is_said_to_be_so_with_its_last_hash(trail, capsys):
    assert main(["audit", str(trail.parent), "--list"]) == 0
    said = capsys.readouterr().out
    head = json.loads(lines(trail)[-1])["sha256"]
    assert f"4 records, none altered; hash of the last: {head}" in said
    assert "run: case case_2, mask_sha256" in said
    assert main(["audit", str(trail), "--head", head]) == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: [text[0], text[1].replace("case_1", "case_9"), *text[2:]], "record 2 (run of"),
        (lambda text: [text[0], text[1].replace("meyer", "nobody"), *text[2:]], "was altered"),
        (lambda text: [text[0], *text[2:]], "record 2 (run of"),
        (lambda text: [text[0], *text[2:]], "does not follow record 1: one was removed or put in"),
        (lambda text: [text[0], text[2], text[1], text[3]], "does not follow record 1"),
        (lambda text: [*text[:2], text[2][:40], text[3]], "record 3 is no record"),
        (lambda text: [*text, text[3]], "does not follow record 4"),
    ],
)
def test_the_first_record_that_was_altered_removed_or_moved_is_named(trail, capsys, change, said):
    trail.write_text("\n".join(change(lines(trail))) + "\n")
    assert main(["audit", str(trail.parent)]) == 2
    assert said in capsys.readouterr().err


def test_a_record_appended_after_an_altered_one_does_not_hide_it(trail, capsys):
    trail.write_text(trail.read_text().replace("case_3", "case_8"))
    append(trail, EXPORT, {"file": "rs.dcm"})
    assert main(["audit", str(trail)]) == 2
    assert "record 4 (run of" in capsys.readouterr().err


def test_records_taken_off_the_end_show_to_somebody_who_noted_a_hash(trail, capsys):
    head = json.loads(lines(trail)[-1])["sha256"]
    trail.write_text("\n".join(lines(trail)[:3]) + "\n")
    assert main(["audit", str(trail)]) == 0
    assert main(["audit", str(trail), "--head", head]) == 2
    assert "records were taken off its end" in capsys.readouterr().err


def test_what_a_killed_process_had_begun_is_no_record(trail):
    whole = trail.read_bytes()
    trail.write_bytes(whole + b'{"number": 5, "at": "20')
    append(trail, EXPORT, {"file": "rs.dcm"})
    found = read_trail(trail)
    assert not found.problem and len(found.records) == 5 and trail.read_bytes().startswith(whole)


def test_two_processes_that_append_at_once_and_are_killed_leave_a_whole_chain(tmp_path):
    path = tmp_path / AUDIT
    for number in range(1, 6):
        children = []
        for name in ("one", "other"):
            child = os.fork()
            if child == 0:
                while True:
                    append(path, RUN, {"case": name})
            children.append(child)
        # On a busy machine one of them may come late.
        while not path.exists() or min(path.read_bytes().count(word) for word in (b'"one"', b'"other"')) < 2 * number:
            time.sleep(0.005)
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    append(path, RUN, {"case": "last"})
    found = read_trail(path)
    assert not found.problem and len(found.records) > 10
    assert {record["case"] for record in found.records} == {"one", "other", "last"}


def test_a_folder_without_a_trail_is_said(tmp_path, capsys):
    assert main(["audit", str(tmp_path)]) == 2
    assert "expected the audit trail" in capsys.readouterr().err
