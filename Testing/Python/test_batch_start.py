"""Before a batch computes anything: what it refuses, what it lets fail, what it leaves aside, and its dry run."""

from __future__ import annotations

import numpy as np
import pytest
from batches import SHAPE, rows, run, write_cts
from bundles import make_bundle
from dicom_samples import stack_positions, write_series
from phantoms import body_ct

from GTVAutoSegLib.batch.find import find_cohort
from GTVAutoSegLib.batch.formats import without_unwritable
from GTVAutoSegLib.system.lock import locked

SERIES = "1.2.826.0.1.3680043.8.498.88"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("models") / "random", bias=50.0)


def test_a_format_that_no_input_can_have_is_refused_before_anything_is_computed(capsys, tmp_path, bundle):
    command = (write_cts(tmp_path / "in", 2), tmp_path / "out", "--model", bundle, "--format", ".dcm")
    for more in ((), ("--dry-run",)):
        code, _, err = run(capsys, *command, *more)
        assert code == 2 and not (tmp_path / "out").exists()
        assert "none of the CTs can be written as asked for (2 found): .dcm can be written only for a CT read" in err


def test_inputs_that_cannot_be_written_in_the_format_fail_at_the_start(capsys, tmp_path, bundle):
    write_cts(tmp_path / "in", 1)
    write_series(tmp_path / "in" / "study", body_ct(SHAPE), series=SERIES, pixel_spacing=(1, 1))
    command = (tmp_path / "in", tmp_path / "out", "--model", bundle, "--device", "cpu", "--format", ".dcm")
    why = ".dcm can be written only for a CT read from DICOM"
    _, out, _ = run(capsys, *command, "--dry-run")
    assert f"ct00: will fail: {why}" in out and "1 case to do" in out
    code, out, err = run(capsys, *command)
    assert code == 1 and f"[1/2] ct00: failed: {why}" in err and "1 done, 1 failed" in out
    assert rows(tmp_path / "out")["ct00"]["status"] == "failed" and not (tmp_path / "out" / "ct00").exists()


@pytest.mark.parametrize(("step", "code"), [((0.0, 0.8, 3.0), 2), ((0.0, 0.0, 3.0), 0)], ids=["tilted", "straight"])
def test_a_series_of_a_tilted_gantry_is_not_begun_as_nifti(capsys, tmp_path, bundle, step, code):
    positions = stack_positions(SHAPE[0], step=step)
    write_series(tmp_path / "in", body_ct(SHAPE), positions, series=SERIES)
    command = (tmp_path / "in", tmp_path / "out", "--model", bundle, "--dry-run")
    got, _, err = run(capsys, *command, "--format", ".nrrd", "--format", ".nii.gz")
    assert got == code
    assert (".nii.gz cannot hold the geometry of a tilted gantry; choose .nrrd" in err) == (code == 2)
    assert run(capsys, *command, "--format", ".nrrd")[0] == 0


def test_positions_that_are_rounded_are_no_tilt(tmp_path):
    positions = np.round(stack_positions(40, step=(0.0, 0.0, 0.66), first=(0.04, 0.06, 0.0)), 1)
    positions[-1] += (0.05, -0.05, 0)
    write_series(tmp_path, body_ct((40, 64, 72)), positions, series=SERIES)
    cohort = find_cohort(tmp_path)
    assert without_unwritable(cohort, (".nii.gz",)) == cohort and len(cohort.cases) == 1


def test_a_series_whose_files_went_away_is_left_to_fail_by_name(tmp_path):
    write_series(tmp_path, body_ct(SHAPE), series=SERIES)
    cohort = find_cohort(tmp_path)
    for path in tmp_path.iterdir():
        path.unlink()
    assert without_unwritable(cohort, (".nii.gz",)) == cohort


def test_a_format_whose_package_is_missing_is_refused_with_the_command_that_installs_it(
    capsys, tmp_path, bundle, monkeypatch
):
    write_series(tmp_path / "in", body_ct(SHAPE), series=SERIES)
    monkeypatch.setattr("GTVAutoSegLib.images.dicom.segmentation.find_spec", lambda name: None)
    code, _, err = run(
        capsys, tmp_path / "in", tmp_path / "out", "--model", bundle, "--format", ".seg.dcm", "--dry-run"
    )
    assert code == 2 and err.startswith("gtvautoseg: --format .seg.dcm is a DICOM segmentation")
    assert "pip install 'gtvautoseg[dicom-seg]'" in err


def test_what_is_left_aside_is_counted_in_files_as_it_was_said(capsys, tmp_path, bundle):
    write_cts(tmp_path / "in", 1)
    for number in range(3):
        (tmp_path / "in" / f"{number}.txt").write_text("no image")
    write_series(tmp_path / "in" / "pet", body_ct(SHAPE), series=SERIES, modality="PT")
    _, out, err = run(capsys, tmp_path / "in", tmp_path / "out", "--model", bundle, "--device", "cpu")
    assert "skipped: 3 files: " in err and ", 10 images: PT, not CT" in err
    assert "1 done, 0 failed, 13 files left aside" in out


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(capsys, tmp_path, bundle):
    source = write_cts(tmp_path / "in", 2)
    code, out, _ = run(capsys, source, tmp_path / "out", "--model", bundle, "--dry-run")
    assert code == 0 and not (tmp_path / "out").exists()
    assert f"ct00: no result yet: {source / 'ct00.nrrd'} -> ct00.seg.nrrd" in out and "2 cases to do" in out


def test_runs_that_cannot_begin_are_refused_before_anything_is_written(capsys, tmp_path, bundle):
    source = write_cts(tmp_path / "in", 1)
    (tmp_path / "file").touch()
    (tmp_path / "none").mkdir()
    for words, code, *arguments in (
        ("holds no CT", 2, tmp_path / "none", tmp_path / "out", "--model", bundle),
        ("cannot be made", 2, source, tmp_path / "file" / "out", "--model", bundle),
        ("is the input folder itself", 2, source, source, "--model", bundle),
        ("holds no CT; expected image files", 2, tmp_path / "none", tmp_path / "out", "--model", bundle),
        ("--format is '.jpg'; expected", 2, source, tmp_path / "out", "--model", bundle, "--format", ".jpg"),
        ("with its dot, one of .seg.nrrd", 2, source, tmp_path / "out", "--model", bundle, "--format", "nii.gz"),
        ("expected a probability", 2, source, tmp_path / "out", "--model", bundle, "--threshold", "7"),
        ("does not exist", 3, source, tmp_path / "out", "--model", "nothing"),
    ):
        got, _, err = run(capsys, *arguments)
        assert got == code and words in err, err
        assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "in", "none"]
    with locked(source):
        code, _, err = run(capsys, source / "ct00.nrrd", source, "--model", bundle)
        assert code == 2 and "neither a folder nor a .csv" in err
