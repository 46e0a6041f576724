"""The batch: results, bad cases, resuming, kills of the run and of its workers."""

from __future__ import annotations

import json
import os
import signal
import weakref
from functools import partial
from zipfile import ZipFile

import numpy as np
import pytest
import SimpleITK as sitk
from batches import SHAPE, rows, run, stamps, start, wait_for_results, write_cts
from bundles import make_bundle
from dicom_samples import write_series
from phantoms import body_ct

from GTVAutoSegLib import load_model
from GTVAutoSegLib.batch import run as batch_module
from GTVAutoSegLib.batch.find import find_cohort
from GTVAutoSegLib.batch.run import plan_batch, run_batch, run_here
from GTVAutoSegLib.errors import Cancelled
from GTVAutoSegLib.images.dicom.rtstruct import read_structure_set, roi_mask
from GTVAutoSegLib.images.read import read_volume
from GTVAutoSegLib.system.lock import locked
from GTVAutoSegLib.system.names import short_hash

SERIES = "1.2.826.0.1.3680043.8.498.88"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("models") / "random", bias=50.0)


def test_every_case_gets_its_results_and_the_run_a_summary(capsys, tmp_path, bundle):
    source, output = write_cts(tmp_path / "in"), tmp_path / "out"
    formats = ("--format", ".seg.nrrd", "--format", ".nii.gz")
    code, out, err = run(capsys, source, output, "--model", bundle, "--device", "cpu", *formats)
    assert code == 0, err
    assert "3 done, 0 failed, 0 files left aside" in out
    for number in range(3):
        folder = output / f"ct{number:02}"
        assert sorted(path.name for path in folder.iterdir()) == [
            f"ct{number:02}.nii.gz",
            f"ct{number:02}.seg.nrrd",
            "report.html",
            "result.json",
            "thumbnail.png",
        ]
        record = json.loads((folder / "result.json").read_text())
        assert record["input"]["source"] == f"ct{number:02}.nrrd"
        assert record["files"] == {
            path.name: path.stat().st_size for path in folder.iterdir() if path.suffix != ".json"
        }
        expected = load_model(bundle, device="cpu").segment(read_volume(source / f"ct{number:02}.nrrd"))
        tags = sitk.ReadImage(str(folder / f"ct{number:02}.seg.nrrd")).GetMetaData("Segment0_Tags")
        assert f"GTVAutoSeg.Device:cpu|GTVAutoSeg.Precision:{expected.precision}|" in tags
        for suffix in (".seg.nrrd", ".nii.gz"):
            mask = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / f"ct{number:02}{suffix}")))
            assert np.array_equal(mask, expected.mask)
        assert float(rows(output)[f"ct{number:02}"]["volume_ml"]) == pytest.approx(
            expected.mask.sum() * 0.003, abs=1e-3
        )
    page = (output / "summary.html").read_text()
    assert page.count('src="ct') == 3 and "not for clinical use" in page


def test_dicom_gives_a_structure_set_that_reads_back_as_the_mask(capsys, tmp_path, bundle):
    write_series(tmp_path / "in" / "deep" / "study", body_ct(SHAPE), series=SERIES, pixel_spacing=(1, 1))
    code, _, err = run(capsys, tmp_path / "in", tmp_path / "out", "--model", bundle, "--device", "cpu")
    assert code == 0, err
    name = f"case_{short_hash(SERIES)}"
    mask = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out" / name / f"{name}.seg.nrrd")))
    (roi,) = read_structure_set(tmp_path / "out" / name / f"{name}.dcm").rois
    found, _ = roi_mask([roi], read_volume(tmp_path / "in"))
    assert mask.any() and np.array_equal(found, mask)


@pytest.fixture
def mixed(tmp_path):
    """Good and bad cases, in folders that name the patient."""
    root = tmp_path / "in"
    write_cts(root, 1)
    (root / "empty.nii.gz").touch()
    (root / "cut.nrrd").write_bytes((root / "ct00.nrrd").read_bytes()[:5000])
    sitk.WriteImage(sitk.GetImageFromArray(np.full(SHAPE, 7, np.int16)), str(root / "flat.nrrd"))
    patient = root / "Müller^Hans 1954"
    holes = write_series(patient / "holes", body_ct(SHAPE), series=SERIES + ".1")
    holes[4].unlink()
    pixels = write_series(patient / "MUELLER_pixels", body_ct(SHAPE), series=SERIES + ".2")
    pixels[3].rename(pixels[3].with_name("MUELLER_4.dcm"))
    content = pixels[5].read_bytes()
    pixels[5].write_bytes(content[: len(content) - 3000])
    air = write_series(patient / "air", body_ct(SHAPE) * 0 - 1000 + np.arange(10)[:, None, None], series=SERIES + ".3")
    assert len(air) == 10
    return root


def test_bad_cases_fail_by_name_and_never_stop_the_rest(capsys, tmp_path, bundle, mixed):
    code, out, err = run(capsys, mixed, tmp_path / "out", "--model", bundle, "--device", "cpu")
    assert code == 1
    found = rows(tmp_path / "out")
    names = {suffix: f"case_{short_hash(SERIES + suffix)}" for suffix in (".1", ".2", ".3")}
    assert {name for name, row in found.items() if row["status"] == "check"} == {"ct00"}
    words = {
        "empty": "is empty (0 bytes)",
        "cut": "cut.nrrd",
        "flat": "holds the value 7 everywhere",
        names[".1"]: "lacks slices: 1 between",
        names[".2"]: "the pixels of file",
        names[".3"]: "all air",
    }
    for name, text in words.items():
        assert found[name]["status"] == "failed" and text in found[name]["error"], (name, found[name]["error"])
        assert found[name]["series_uid"] == next((SERIES + s for s, case in names.items() if case == name), "")
        assert f"{name}: failed: " in err
    assert "1 done, 6 failed" in out
    texts = [
        path.read_text() for path in (tmp_path / "out").rglob("*") if path.suffix in (".log", ".csv", ".html", ".json")
    ]
    for text in (*texts, out, err):
        assert "ller" not in text and "MUELLER" not in text and "1954" not in text and str(mixed) not in text


def test_resuming_does_only_what_is_missing_or_out_of_date(capsys, tmp_path, bundle):
    source, output = write_cts(tmp_path / "in", 4), tmp_path / "out"
    command = (source, output, "--model", bundle, "--device", "cpu")
    run(capsys, *command)
    first = stamps(output)
    code, out, _ = run(capsys, *command, "--resume")
    assert code == 0 and stamps(output) == first
    assert "4 done, 0 failed, 0 files left aside; 4 of the done to be checked first" in out
    code, _, err = run(capsys, *command)
    assert code == 2 and "holds results of 4 of these cases already; add --resume" in err
    (output / "ct00" / "ct00.seg.nrrd").unlink()
    (output / "ct01" / "report.html").unlink()
    os.utime(source / "ct02.nrrd")
    assert run(capsys, *command, "--resume")[0] == 0
    assert {name for name, stamp in stamps(output).items() if stamp == first[name]} == {"ct03"}
    log = (output / "batch.log").read_text()
    for text in (
        "ct00: ct00.seg.nrrd is missing",
        "ct01: report.html is missing",
        "ct02: made with another input",
    ):
        assert f"to do: {text}" in log
    other = make_bundle(tmp_path / "other", bias=50.0, version="2.0.0")
    _, out, _ = run(capsys, source, output, "--model", other, "--resume", "--dry-run")
    assert out.count("made with another model") == 4
    _, out, _ = run(capsys, *command, "--threshold", "0.3", "--resume", "--dry-run")
    assert out.count("made with another threshold") == 4
    _, out, _ = run(capsys, *command, "--precision", "fp32", "--resume", "--dry-run")
    assert out.count("made with another precision") == 4


def test_what_a_killed_run_left_behind_is_no_result(capsys, tmp_path, bundle):
    source, output = write_cts(tmp_path / "in", 1), tmp_path / "out"
    command = (source, output, "--model", bundle, "--device", "cpu")
    run(capsys, *command)
    content = (output / "ct00" / "ct00.seg.nrrd").read_bytes()
    (output / "ct00" / "result.json").unlink()
    (output / "ct00" / "ct00.seg.nrrd").write_bytes(b"old")
    (output / "ct00" / ".gtv-0123456789ab.seg.nrrd").write_bytes(content[:100])
    assert run(capsys, *command)[0] == 0
    assert (output / "ct00" / "ct00.seg.nrrd").read_bytes() == content
    assert not list(output.rglob(".gtv-*"))


def test_an_earlier_result_is_packed_away_so_that_nobody_takes_it_for_the_current_one(capsys, tmp_path, bundle):
    source, output = write_cts(tmp_path / "in", 1), tmp_path / "out"
    run(capsys, source, output, "--model", bundle, "--device", "cpu", "--format", ".nrrd", "--format", ".nii.gz")
    other = make_bundle(tmp_path / "other", bias=50.0, version="2.0.0")
    (output / "ct00" / "note.txt").write_text("of a person")
    (output / "ct00" / "ct00.nrrd").write_text("edited by a person")
    command = (source, output, "--model", other, "--device", "cpu", "--format", ".nrrd", "--resume")
    assert run(capsys, *command)[0] == 0
    left = {"ct00.nrrd", "report.html", "result.json", "thumbnail.png", "note.txt", "outdated.zip"}
    assert {path.name for path in (output / "ct00").iterdir()} == left
    assert packed(output)["ct00.nrrd"] == b"edited by a person" and "ct00.nii.gz" in packed(output)
    record = (output / "ct00" / "result.json").read_bytes()
    (source / "ct00.nrrd").write_bytes(b"now damaged")
    assert run(capsys, *command)[0] == 1 and rows(output)["ct00"]["status"] == "failed"
    left = {"note.txt", "outdated.zip", "outdated-2.zip"}
    assert {path.name for path in (output / "ct00").iterdir()} == left
    assert packed(output, "outdated-2.zip")["result.json"] == record
    assert run(capsys, *command)[0] == 1 and {path.name for path in (output / "ct00").iterdir()} == left
    assert packed(output)["ct00.nrrd"] == b"edited by a person"


def packed(output, name="outdated.zip"):
    with ZipFile(output / "ct00" / name) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_ct_in_doubt_is_done_and_marked_or_refused(capsys, tmp_path, bundle):
    source, output = write_cts(tmp_path / "in", 1), tmp_path / "out"
    offset = sitk.ReadImage(str(source / "ct00.nrrd")) + 3000
    sitk.WriteImage(offset, str(source / "offset.nrrd"))
    command = (source, output, "--model", bundle, "--device", "cpu")
    code, out, _ = run(capsys, *command)
    assert code == 0 and "2 of the done to be checked first" in out
    found = rows(output)["offset"]
    assert found["status"] == "check" and "is this a CT in Hounsfield units?" in found["warnings"]
    assert '<span class="badge check">2 check</span>' in (output / "summary.html").read_text()
    assert "is this a CT in Hounsfield units?</p>" in (output / "summary.html").read_text()
    assert "To be checked before any use" in (output / "offset" / "report.html").read_text()
    code, _, err = run(capsys, *command, "--resume", "--strict")
    assert code == 1 and "offset: failed: refused by --strict: " in err
    assert rows(output)["offset"]["status"] == "failed"
    assert [path.name for path in (output / "offset").iterdir()] == ["outdated.zip"]


def test_a_row_that_now_names_another_ct_is_done_again_whatever_its_time_and_size(capsys, tmp_path, bundle):
    output, table = tmp_path / "out", tmp_path / "cases.csv"
    for number, name in enumerate(("a", "b")):
        (tmp_path / name).mkdir()
        image = sitk.GetImageFromArray(body_ct(SHAPE, seed=number))
        sitk.WriteImage(image, str(tmp_path / name / "ct.nii"))
        os.utime(tmp_path / name / "ct.nii", (1e9, 1e9))
    table.write_text("name,path\nP1,a/ct.nii\n")
    run(capsys, table, output, "--model", bundle, "--device", "cpu")
    table.write_text("name,path\nP1,b/ct.nii\nP2,nowhere\n")
    _, out, _ = run(capsys, table, output, "--model", bundle, "--resume", "--dry-run")
    assert "P1: made with another input" in out
    assert run(capsys, table, output, "--model", bundle, "--device", "cpu", "--resume")[0] == 1
    assert "end: 1 done, 1 failed, 0 not done" in (output / "batch.log").read_text()


def test_a_second_run_into_the_same_folder_is_refused(capsys, tmp_path, bundle):
    source, output = write_cts(tmp_path / "in", 1), tmp_path / "out"
    output.mkdir()
    with locked(output):
        code, _, err = run(capsys, source, output, "--model", bundle, "--device", "cpu")
    assert code == 2 and "another run is writing to" in err
    assert run(capsys, source, output, "--model", bundle, "--device", "cpu")[0] == 0


def planned(source, output, bundle):
    output.mkdir()
    model = load_model(bundle, device="cpu")
    return plan_batch(find_cohort(source), output, model.bundle), model


def test_cancelling_keeps_what_is_finished_and_writes_the_summary(tmp_path, bundle):
    output = tmp_path / "out"
    batch, model = planned(write_cts(tmp_path / "in", 6), output, bundle)
    engine = partial(run_here, model=model, cancelled=lambda: len(stamps(output)) >= 2)
    with pytest.raises(Cancelled):
        run_batch(batch, engine, lambda outcome: None)
    states = [row["status"] for row in rows(output).values()]
    assert states.count("check") == len(stamps(output)) >= 2 and "not done" in states
    trail = [json.loads(line) for line in (output / "audit.jsonl").read_text().splitlines()]
    assert sorted(record["case"] for record in trail) == sorted(stamps(output))
    assert (output / "batch.log").read_text().count(" done: ") == len(trail)


def test_what_another_run_finished_since_the_plan_is_neither_done_again_nor_packed_away(tmp_path, bundle):
    output = tmp_path / "out"
    batch, model = planned(write_cts(tmp_path / "in", 2), output, bundle)
    assert len(run_batch(batch, partial(run_here, model=model), lambda outcome: None)) == 2
    first = stamps(output)
    assert run_batch(batch, partial(run_here, model=model), lambda outcome: None) == []
    assert stamps(output) == first and not list(output.rglob("outdated.zip"))


def test_memory_holds_a_few_cases_however_many_there_are(tmp_path, bundle, monkeypatch):
    alive, most = set(), []

    def read_and_count(plan):
        volume = read_volume(plan.case.files[0])
        alive.add(plan.case.name)
        weakref.finalize(volume, alive.discard, plan.case.name)
        most.append(len(alive))
        return volume

    monkeypatch.setattr(batch_module, "read_case", read_and_count)
    batch, model = planned(write_cts(tmp_path / "in", 8), tmp_path / "out", bundle)
    outcomes = list(run_here(batch.plans, model))
    assert len(outcomes) == 8 and not any(outcome.failed for outcome in outcomes)
    assert max(most) <= 4


def test_a_run_killed_at_any_moment_loses_nothing_finished(capsys, tmp_path, bundle):
    source, output = write_cts(tmp_path / "in", 12, (20, 64, 72)), tmp_path / "out"
    command = (source, output, "--model", bundle, "--device", "cpu", "--resume")
    finished = {}
    for count in (1, 5):
        child = start(*command)
        wait_for_results(child, output, count)
        child.kill()
        child.communicate()
        assert child.returncode == -signal.SIGKILL, "the run ended before it was killed"
        found = stamps(output)
        assert len(found) >= count and finished.items() <= found.items()
        for name in found:
            record = json.loads((output / name / "result.json").read_text())
            assert all((output / name / file).stat().st_size == size for file, size in record["files"].items())
        finished = found
    assert run(capsys, *command)[0] == 0
    assert finished.items() <= stamps(output).items() and len(stamps(output)) == 12
    assert {row["status"] for row in rows(output).values()} == {"check"}
    assert not list(output.rglob(".gtv-*"))


def test_results_that_are_removed_during_the_run_are_failures_in_every_sum(capsys, tmp_path, bundle, monkeypatch):
    source, output = write_cts(tmp_path / "in"), tmp_path / "out"
    real = batch_module.run_here

    def meddled_with(plans, **options):
        for outcome in real(plans, **options):
            (output / "ct00" / "result.json").unlink(missing_ok=True)
            yield outcome

    monkeypatch.setattr(batch_module, "run_here", meddled_with)
    code, out, err = run(capsys, source, output, "--model", bundle, "--device", "cpu")
    assert code == 1 and "2 done, 1 failed" in out and "were removed or replaced while the batch was running" in err
    assert {name: row["status"] == "failed" for name, row in rows(output).items()} == {
        "ct00": True,
        "ct01": False,
        "ct02": False,
    }


@pytest.mark.parametrize("text", ["[" * 50_000, "[]", '{"case": 1}', "7", "null", '{"files": []}', "\x00"])
def test_a_record_of_the_wrong_kind_has_its_case_done_again_and_no_other(capsys, tmp_path, bundle, text):
    source, output = write_cts(tmp_path / "in", 2), tmp_path / "out"
    arguments = (source, output, "--model", bundle, "--device", "cpu", "--resume")
    assert run(capsys, *arguments)[0] == 0
    before = stamps(output)
    (output / "ct00" / "result.json").write_text(text)
    code, out, _ = run(capsys, *arguments)
    assert code == 0 and "2 done, 0 failed" in out
    assert [name for name, stamp in stamps(output).items() if stamp != before[name]] == ["ct00"]
