"""Resuming a batch after a person has corrected its masks: no edit is lost, and no figure is taken for an edit's."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from zipfile import ZipFile

import pytest
from batches import rows, run, stamps, write_cts
from bundles import make_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("models") / "random", bias=50.0)


@pytest.fixture
def command(capsys, tmp_path, bundle):
    """A finished batch of two cases, as it is resumed."""
    source, output = write_cts(tmp_path / "in", 2), tmp_path / "out"
    words = (source, output, "--model", bundle, "--device", "cpu")
    assert run(capsys, *words)[0] == 0
    return (*words, "--resume")


def edit(path):
    """Change one byte, as an editor that keeps a file's size and its time does."""
    content, status = bytearray(path.read_bytes()), path.stat()
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    return bytes(content)


def archives(folder):
    return {path.name: ZipFile(path).read(f"{folder.name}.seg.nrrd") for path in folder.glob("outdated*.zip")}


def test_a_mask_that_a_person_corrected_stays_and_the_run_says_so(capsys, command, tmp_path):
    output, first = tmp_path / "out", stamps(tmp_path / "out")
    content = edit(output / "ct00" / "ct00.seg.nrrd")
    said = "ct00.seg.nrrd was changed since; kept as it is"
    _, out, _ = run(capsys, *command, "--dry-run")
    assert f"ct00: finished; {said}" in out and "0 cases to do" in out
    code, out, err = run(capsys, *command)
    assert code == 0 and f"warning: ct00: {said}" in err and "2 done, 0 failed" in out
    assert "1 of the done to be checked first; 1 of the done changed by a person and kept" in out
    assert (output / "ct00" / "ct00.seg.nrrd").read_bytes() == content
    assert stamps(output) == first and not archives(output / "ct00")
    assert f"kept: ct00: {said}" in (output / "batch.log").read_text()


def test_the_summary_gives_no_figures_for_a_mask_that_a_person_corrected(capsys, command, tmp_path):
    output = tmp_path / "out"
    edit(output / "ct00" / "ct00.seg.nrrd")
    run(capsys, *command)
    found = rows(output)
    assert found["ct00"]["status"] == "changed" and found["ct01"]["status"] == "check"
    assert "was changed since; kept as it is. Report, figures" in found["ct00"]["warnings"]
    filled = {name for name, value in found["ct00"].items() if value}
    assert filled == {"case", "status", "warnings"} and float(found["ct01"]["volume_ml"]) > 0
    page = (output / "summary.html").read_text()
    assert '<span class="badge changed">1 changed</span>' in page and "report of the outline before" in page
    assert 'src="ct01/thumbnail.png"' in page and 'src="ct00/thumbnail.png"' not in page


def test_a_changed_report_is_kept_and_leaves_the_figures_which_are_still_the_mask_s(capsys, command, tmp_path):
    report = tmp_path / "out" / "ct00" / "report.html"
    report.write_text("signed by a person")
    assert run(capsys, *command)[0] == 0
    row = rows(tmp_path / "out")["ct00"]
    assert report.read_text() == "signed by a person" and row["status"] == "check" and float(row["volume_ml"]) > 0
    assert row["warnings"].startswith("report.html was changed since; kept as it is;")


def test_a_copied_folder_whose_files_have_new_times_counts_as_unchanged(capsys, command, tmp_path):
    output = tmp_path / "out"
    shutil.copytree(output, tmp_path / "copy", copy_function=shutil.copyfile)
    shutil.rmtree(output)
    shutil.move(tmp_path / "copy", output)
    first = stamps(output)
    _, _, err = run(capsys, *command)
    assert "changed" not in err and stamps(output) == first


def test_every_redo_packs_what_was_there_into_an_archive_of_its_own(capsys, command, tmp_path):
    folder = tmp_path / "out" / "ct00"
    mask = folder / "ct00.seg.nrrd"
    contents = {}
    for number, archive in enumerate(("outdated.zip", "outdated-2.zip", "outdated-3.zip"), 1):
        contents[archive] = edit(mask)
        code, _, err = run(capsys, *command, "--threshold", f"0.{number}")
        said = f"ct00: made with another threshold; ct00.seg.nrrd was changed since, and packed into {archive}"
        assert code == 0 and f"warning: {said}" in err
        assert archives(folder) == contents and mask.read_bytes() != contents[archive]
        assert f"to do: {said}" in (tmp_path / "out" / "batch.log").read_text()


def test_a_corrected_mask_stays_though_another_file_is_missing_or_the_ct_is_in_doubt(capsys, command, tmp_path):
    folder = tmp_path / "out" / "ct00"
    content = edit(folder / "ct00.seg.nrrd")
    (folder / "thumbnail.png").unlink()
    _, _, err = run(capsys, *command, "--strict")
    assert "ct00: ct00.seg.nrrd was changed since; kept as it is" in err
    assert (folder / "ct00.seg.nrrd").read_bytes() == content and not archives(folder)


def test_a_missing_file_has_the_case_done_again(capsys, command, tmp_path):
    folder = tmp_path / "out" / "ct00"
    (folder / "thumbnail.png").unlink()
    _, out, _ = run(capsys, *command, "--dry-run")
    assert "thumbnail.png is missing" in out
    run(capsys, *command)
    assert (folder / "thumbnail.png").is_file()


def test_files_from_a_disk_without_times_are_packed_like_others(capsys, command, tmp_path):
    mask = tmp_path / "out" / "ct00" / "ct00.seg.nrrd"
    content = mask.read_bytes()
    os.utime(mask, (0, 0))
    assert run(capsys, *command, "--threshold", "0.3")[0] == 0
    assert archives(mask.parent) == {"outdated.zip": content}


def test_what_a_person_drew_where_no_result_is_gets_packed_and_not_removed(capsys, command, tmp_path):
    folder = tmp_path / "out" / "ct00"
    (folder / "result.json").unlink()
    (folder / "ct00.seg.nrrd").write_bytes(b"drawn by hand")
    (folder / "ct00.nii.gz").write_bytes(b"in a format nobody asked for")
    code, _, err = run(capsys, *command)
    assert code == 0
    assert "no result yet; ct00.seg.nrrd, ct00.nii.gz lay there without one, packed into outdated.zip" in err
    assert archives(folder) == {"outdated.zip": b"drawn by hand"}
    assert ZipFile(folder / "outdated.zip").read("ct00.nii.gz") == b"in a format nobody asked for"


@pytest.mark.parametrize("removed", [1, 2])
def test_what_a_kill_leaves_of_files_being_packed_away_is_no_result(capsys, command, tmp_path, monkeypatch, removed):
    folder, unlink, gone = tmp_path / "out" / "ct00", Path.unlink, []

    def killed(path, missing_ok=False):
        if path.parent == folder and path.exists():
            if len(gone) == removed:
                raise KeyboardInterrupt
            gone.append(path.name)
        unlink(path, missing_ok)

    (tmp_path / "in" / "ct00.nrrd").touch()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", killed)
        run(capsys, *command)
    assert len(gone) == removed and gone[0] == "result.json"
    assert (folder / "ct00.seg.nrrd").is_file() == ("ct00.seg.nrrd" not in gone)
    code, out, _ = run(capsys, *command)
    assert code == 0 and "2 done, 0 failed" in out
    assert (folder / "result.json").is_file() and (folder / "ct00.seg.nrrd").is_file()
