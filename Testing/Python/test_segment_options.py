"""``gtvautoseg segment`` in a box, at another threshold, into an earlier mask, with its probability; the worker too."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk
from bundles import make_bundle
from phantoms import body_ct

from GTVAutoSegLib import load_model, read_volume
from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.images.masks.single import read_single
from GTVAutoSegLib.images.probability import read_probability

ORIGIN, SPACING = (10.0, -20.0, 30.0), (1.0, 1.0, 3.0)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("models") / "everything", bias=50.0)


@pytest.fixture(scope="module")
def unsure(tmp_path_factory):
    """Finds something everywhere, more or less sure of it."""
    return make_bundle(tmp_path_factory.mktemp("models") / "unsure", thresholds={"slice": 0.0, "mask": 0.5})


def write(path, array):
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(SPACING)
    image.SetOrigin(ORIGIN)
    sitk.WriteImage(image, str(path))
    return path


@pytest.fixture
def ct(tmp_path):
    return write(tmp_path / "ct.nii.gz", body_ct())


def read(path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def mine_in(path, ct):
    return read_single(path, read_volume(ct)).mine


def run(capsys, *arguments):
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err


# Of the voxels 20 to 29, 30 to 44 and 3 to 5 along x, y and z.
BOX = (29.6, 39.4, 9.6, 24.4, 38.0, 46.0)


def markups(path):
    roi = {
        "type": "ROI",
        "coordinateSystem": "RAS",
        "center": [-(BOX[0] + BOX[1]) / 2, -(BOX[2] + BOX[3]) / 2, (BOX[4] + BOX[5]) / 2],
        "size": [BOX[1] - BOX[0], BOX[3] - BOX[2], BOX[5] - BOX[4]],
        "orientation": [-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0],
    }
    path.write_text(json.dumps({"markups": [roi]}))
    return path


@pytest.mark.parametrize("as_file", [False, True])
def test_nothing_is_outlined_outside_of_a_box(capsys, ct, bundle, tmp_path, as_file):
    box = [markups(tmp_path / "box.mrk.json")] if as_file else BOX
    output = tmp_path / "m.nrrd"
    code, _, err = run(capsys, "segment", ct, "--model", bundle, "--output", output, "--box", *box)
    assert code == 0, err
    mask = read(output)
    inside = np.zeros_like(mask)
    inside[3:6, 30:45, 20:30] = 1
    assert mask.any() and not mask[inside == 0].any()


@pytest.mark.parametrize(
    ("box", "part"),
    [
        ((900, 910, 0, 10, 30, 60), "holds no voxel of"),
        ((5, 5, 0, 10, 30, 60), "goes from 5 to 5 mm along x"),
        ((1, 2, 3), "expected XMIN XMAX"),
        (("left", "right"), "expected XMIN XMAX"),
        (("missing.mrk.json",), "cannot be read"),
    ],
)
def test_a_box_that_holds_nothing_is_one_sentence(capsys, ct, bundle, tmp_path, box, part):
    code, _, err = run(capsys, "segment", ct, "--model", bundle, "--output", tmp_path / "m.nrrd", "--box", *box)
    assert code == 2 and part in err and len(err.splitlines()) == 1
    assert not (tmp_path / "m.nrrd").exists()


def test_the_mask_follows_its_threshold_and_the_file_of_its_probability(capsys, ct, unsure, tmp_path):
    outputs = {}
    for threshold in (0.3, None, 0.7):
        output, probability = tmp_path / f"m{threshold}.nrrd", tmp_path / f"p{threshold}.nrrd"
        options = [] if threshold is None else ["--mask-threshold", threshold]
        code, _, err = run(
            capsys, "segment", ct, "--model", unsure, "--output", output, "--probability", probability, *options
        )
        assert code == 0, err
        outputs[threshold] = read(output)
        kept = read_probability(probability)
        assert np.array_equal(kept.mask(threshold), outputs[threshold]) and kept.threshold == 0.5
        assert np.array_equal(kept.mask(), read_probability(tmp_path / "p0.3.nrrd").mask())
    assert np.array_equal(outputs[None], load_model(unsure, device="cpu").segment(read_volume(ct)).mask)
    assert outputs[0.3].sum() >= outputs[None].sum() >= outputs[0.7].sum()
    assert outputs[0.3].sum() > outputs[0.7].sum()


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--mask-threshold", "0"], "is not a probability, expected a number above 0"),
        (["--probability", "p.nii.gz"], "has another suffix than .nrrd"),
        (["--probability", "{ct}.nrrd", "--json", "{ct}.nrrd"], "expected another file for --probability"),
        (["--mine", "3"], "--mine was given without --into"),
        (["--into", "{drawn}", "--mine", "3,11"], "slice 11 is not in the CT"),
        (["--into", "{ct}"], "holds"),
    ],
)
def test_options_that_do_not_fit_are_one_line(capsys, ct, bundle, tmp_path, options, part):
    drawn = write(tmp_path / "drawn.nrrd", (body_ct() > 80).astype(np.uint8))
    before = sorted(tmp_path.iterdir())
    options = [option.format(ct=ct, drawn=drawn) for option in options]
    code, _, err = run(capsys, "segment", ct, "--model", bundle, "--output", tmp_path / "m.nrrd", *options)
    assert code == 2 and part in err and len(err.splitlines()) == 1
    assert sorted(tmp_path.iterdir()) == before


def test_a_run_on_some_slices_goes_into_the_earlier_mask_and_leaves_what_a_person_drew(capsys, ct, bundle, tmp_path):
    earlier = np.zeros((10, 64, 72), np.uint8)
    earlier[1:9, 2:6, 3:9] = 1
    drawn = write(tmp_path / "earlier.nrrd", earlier)
    output = tmp_path / "m.seg.nrrd"
    options = ("--slices", "3:7", "--into", drawn, "--mine", "5")
    code, out, err = run(capsys, "segment", ct, "--model", bundle, "--output", output, *options)
    assert code == 0 and "an end of the slices" not in err, err  # beside both ends the earlier mask goes on
    mask = read(output)
    assert all(np.array_equal(mask[i], earlier[i]) for i in (0, 1, 2, 5, 7, 8, 9))
    assert all(mask[i].sum() > 100 for i in (3, 4, 6)) and "8 slices (1 to 8)" in out
    assert mine_in(output, ct) == (5,)
    # The file says which slices are a person's, so that the next run leaves them without being told.
    again = tmp_path / "again.seg.nrrd"
    assert run(capsys, "segment", ct, "--model", bundle, "--output", again, "--into", output)[0] == 0
    assert np.array_equal(read(again)[5], earlier[5]) and read(again)[8].sum() > 100 and mine_in(again, ct) == (5,)


def test_an_end_at_which_the_earlier_mask_stops_too_is_warned_of(capsys, ct, bundle, tmp_path):
    drawn = write(tmp_path / "earlier.nrrd", np.pad(np.ones((8, 4, 4), np.uint8), ((1, 1), (0, 60), (0, 68))))
    options = ("--slices", "2:9", "--into", drawn)
    code, _, err = run(capsys, "segment", ct, "--model", bundle, "--output", tmp_path / "m.nrrd", *options)
    assert code == 0 and err.count("an end of the slices") == 1 and "reaches slice 8, an end" in err


def test_the_earlier_mask_is_never_written_over(capsys, ct, bundle, tmp_path):
    drawn = write(tmp_path / "drawn.nrrd", (body_ct() > 80).astype(np.uint8))
    content = drawn.read_bytes()
    code, _, err = run(capsys, "segment", ct, "--model", bundle, "--output", drawn, "--into", drawn)
    assert code == 2 and "expected another file" in err and drawn.read_bytes() == content


def test_the_worker_takes_the_same_options(ct, unsure, tmp_path):
    earlier = write(tmp_path / "earlier.nrrd", np.pad(np.ones((1, 4, 4), np.uint8), ((8, 1), (0, 60), (0, 68))))
    command = [sys.executable, "-m", "GTVAutoSegLib.commands.worker", "segment", "--input", ct, "--model", unsure]
    command += ["--output", tmp_path / "m.nrrd", "--box", *BOX, "--mask-threshold", 0.3]
    command += ["--probability", tmp_path / "p.nrrd", "--into", earlier, "--slices", "0:6", "--mine", "4"]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    result = json.loads(done.stdout.splitlines()[-1])
    mask, probability = read(tmp_path / "m.nrrd"), read_probability(tmp_path / "p.nrrd")
    assert result["mask_threshold"] == 0.3 and mask[8].sum() == 16 and not mask[4].any()
    assert np.array_equal(mask[[3, 5]], probability.mask(0.3)[[3, 5]]) and mask[3].any()
    assert not mask[3, :30].any() and not mask[3, :, 30:].any()
