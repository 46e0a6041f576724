"""``gtvautoseg complete`` and the worker's request of that name, on files."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk
from bundles import make_bundle, make_completer
from phantoms import body_ct, phantom

from GTVAutoSegLib.cascade.completion.run import region_around
from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.images.masks.files import read_structures
from GTVAutoSegLib.images.read import read_volume
from GTVAutoSegLib.images.segment_info import SegmentInfo
from GTVAutoSegLib.images.write import write_mask
from GTVAutoSegLib.report.record.audit import AUDIT, append

SPACING, ORIGIN = (1.0, 1.0, 3.0), (10.0, -20.0, 30.0)


def write(path, array, spacing=SPACING, origin=ORIGIN):
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    sitk.WriteImage(image, str(path))
    return path


def ball(*slices: int, label: int = 1) -> np.ndarray:
    z, y, x = np.ogrid[:10, :64, :72]
    mask = ((z - 5) * 2) ** 2 + (y - 32) ** 2 + (x - 36) ** 2 < 64
    drawn = np.zeros(mask.shape, np.uint8)
    drawn[list(slices)] = mask[list(slices)] * label
    return drawn


@pytest.fixture
def ct(tmp_path):
    return write(tmp_path / "ct.nii.gz", body_ct())


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make_completer(tmp_path_factory.mktemp("completers") / "tiny")


def run(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def read(path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def test_a_drawn_mask_becomes_a_whole_one_with_the_drawn_slices_in_it(capsys, ct, tiny, tmp_path):
    drawn = write(tmp_path / "drawn.nrrd", ball(3, 5, 7, label=4))
    output, record = tmp_path / "whole.seg.nrrd", tmp_path / "whole.json"
    code, out, err = run(
        capsys,
        "complete",
        ct,
        drawn,
        "--output",
        output,
        "--completer",
        tiny,
        "--first",
        2,
        "--last",
        8,
        "--json",
        record,
    )
    assert code == 0, err
    mask = read(output)
    assert np.array_equal(mask[[3, 5, 7]], ball(3, 5, 7)[[3, 5, 7]])
    assert np.flatnonzero(mask.any(axis=(1, 2))).tolist() == [2, 3, 4, 5, 6, 7, 8]
    assert "Completed from 3 drawn slices by the completer" in out and "7 slices (2 to 8)" in out
    told = json.loads(record.read_text())
    assert told["input"]["source"] == ct.name  # folders may name a patient
    assert (told["drawn"], told["first"], told["last"], told["found"]) == ([3, 5, 7], 2, 8, [])
    assert told["method"] == "completer" and told["completer"]["id"] == "tiny"
    assert told["volume_ml"] == pytest.approx(mask.sum() * 3 / 1000)
    tags = sitk.ReadImage(str(output)).GetMetaData("Segment0_Tags")
    assert "GTVAutoSeg.Mine:3,5,7|" in tags and "GTVAutoSeg.Completer:tiny 1.0.0|" in tags


def test_a_segmentation_keeps_its_name_and_the_audit_trail_its_completion(capsys, ct, tiny, tmp_path):
    volume, folder = read_volume(ct), tmp_path / "case"
    folder.mkdir()
    segment = SegmentInfo("GTVn", (0.1, 0.5, 0.9), tags={"GTVAutoSeg.Mine": "3,7"})
    whole = ball(*range(10))
    whole[5, 2:4] = 1
    write_mask(whole, volume, folder / "drawn.seg.nrrd", segment)
    append(folder / AUDIT, "run", {})
    output = folder / "whole.seg.nrrd"
    code, _, err = run(capsys, "complete", ct, folder / "drawn.seg.nrrd", "--output", output, "--completer", tiny)
    assert code == 0, err
    (made,) = read_structures(output, volume)
    assert made.segment.name == "GTVn" and made.segment.color == pytest.approx((0.1, 0.5, 0.9))
    assert made.segment.tags["GTVAutoSeg.Mine"] == "3,7" and not made.mask[5, 2:4].any()
    last = json.loads((folder / AUDIT).read_text().splitlines()[-1])
    assert "whole.seg.nrrd" in json.dumps(last) and "completion" in json.dumps(last)


def test_only_the_listed_slices_count_as_drawn(capsys, ct, tiny, tmp_path):
    whole = ball(*range(10))
    whole[6] = 0
    whole[6, :3] = 1  # an outline gone wrong
    drawn = write(tmp_path / "drawn.nii.gz", whole)
    output = tmp_path / "whole.nii.gz"
    code, _, err = run(capsys, "complete", ct, drawn, "--output", output, "--completer", tiny, "--slices", "3,7")
    assert code == 0, err
    assert not read(output)[6, :3].any() and read(output)[6].any()


def test_a_models_classifier_finds_the_ends(capsys, ct, tiny, tmp_path):
    model = make_bundle(tmp_path / "finds-all", bias=50.0)
    drawn = write(tmp_path / "drawn.nii.gz", ball(5))
    code, out, err = run(
        capsys, "complete", ct, drawn, "--output", tmp_path / "m.nrrd", "--completer", tiny, "--model", model
    )
    assert code == 0, err
    assert "(0 to 9)" in out and "both ends were found, check them" in out


def test_a_classifier_looks_around_what_is_drawn_as_far_as_a_tumour_reaches():
    volume, mask = phantom((90, 64, 72), (1.0, 1.0, 3.0)), np.zeros((90, 64, 72), bool)
    mask[60, 20:30, 40:50] = mask[10, :5, :5] = True
    box = region_around(volume, mask, [60]).index_box(volume)
    assert (box.lower, box.upper) == ((5, 5, 25), (90, 45, 65))


@pytest.mark.parametrize(
    ("array", "geometry", "options", "part"),
    [
        (ball(3, 7), {"origin": (11.0, -20.0, 30.0)}, [], "another grid"),
        (ball(3, 7)[:, :-1], {}, [], "another grid"),
        (ball(3) + ball(7, label=2), {}, [], "holds 2 labels (1, 2)"),
        (ball(), {}, [], "nothing is drawn"),
        (ball(3, 7), {}, ["--first", "4"], "lies outside of the first and last slice (4 to ...)"),
        (ball(3, 7), {}, ["--slices", "3;7"], "no list of slices"),
        (ball(3, 7), {}, ["--slices", "3,99"], "slice 99 is not in the CT"),
        (ball(3, 7), {}, ["--completer", "/nowhere"], "/nowhere"),
    ],
)
def test_what_cannot_be_completed_is_one_line_and_leaves_nothing(capsys, ct, tmp_path, array, geometry, options, part):
    drawn = write(tmp_path / "drawn.nii.gz", array, **geometry)
    before = sorted(tmp_path.iterdir())
    try:
        code = main(["complete", str(ct), str(drawn), "--output", str(tmp_path / "m.nrrd"), *options])
    except SystemExit as stop:
        code = stop.code
    err = capsys.readouterr().err
    assert code in (2, 3) and part in err and len(err.strip().splitlines()) == 1
    assert sorted(tmp_path.iterdir()) == before


def test_the_drawn_mask_is_never_written_over(capsys, ct, tiny, tmp_path):
    drawn = write(tmp_path / "drawn.nrrd", ball(3, 7))
    content = drawn.read_bytes()
    for options in (["--output", drawn], ["--output", tmp_path / "m.nrrd", "--json", drawn]):
        code, _, err = run(capsys, "complete", ct, drawn, "--completer", tiny, *options)
        assert code == 2 and "expected another file" in err
    assert drawn.read_bytes() == content


def test_without_pytorch_shapes_are_interpolated_and_a_warning_says_so(ct, tmp_path):
    drawn = write(tmp_path / "drawn.nrrd", ball(3, 5, 7))
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "from GTVAutoSegLib.commands.cli import main\n"
        f"sys.exit(main(['complete', {str(ct)!r}, {str(drawn)!r}, '--output', {str(tmp_path / 'm.nrrd')!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "by shape interpolation" in done.stdout
    assert "torch is not installed" in done.stderr and "ends could not be found" in done.stderr
    assert read(tmp_path / "m.nrrd")[4].any()


def test_the_worker_completes_and_sends_what_it_made(ct, tiny, tmp_path):
    drawn, output = write(tmp_path / "drawn.nrrd", ball(3, 7)), tmp_path / "m.nrrd"
    command = [sys.executable, "-m", "GTVAutoSegLib.commands.worker", "complete", "--input", ct, "--drawn", drawn]
    command += ["--output", output, "--completer", tiny, "--first", 2, "--last", 8, "--slices", "3,7"]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, events
    stages = [event["stage"] for event in events if event["event"] == "stage"]
    assert stages == ["loading", "reading", "completing", "writing"]
    result = events[-1]
    assert result["event"] == "result" and result["output"] == str(output)
    assert (result["first"], result["last"], result["drawn"], result["method"]) == (2, 8, [3, 7], "completer")
    assert np.flatnonzero(read(output).any(axis=(1, 2))).tolist() == result["tumour_slices"] == [2, 3, 4, 5, 6, 7, 8]
