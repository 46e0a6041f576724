"""The command line: outputs, JSON, exit codes, and one line for every mistake."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import SimpleITK as sitk
from bundles import make_bundle
from phantoms import body_ct

from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.images.masks.packed import unpack
from GTVAutoSegLib.images.masks.structure import mask_sha256


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("models") / "random", bias=50.0)


def write_ct(path, array=None, spacing=(1.0, 1.0, 3.0)):
    image = sitk.GetImageFromArray(body_ct() if array is None else array)
    image.SetSpacing(spacing)
    image.SetOrigin((10.0, -20.0, 30.0))
    sitk.WriteImage(image, str(path))
    return path


@pytest.fixture
def ct(tmp_path):
    return write_ct(tmp_path / "ct.nii.gz")


def run(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def refused(capsys, folder, code, *arguments):
    """The one line of a refused run, after checking that it left nothing behind."""
    before = sorted(folder.rglob("*"))
    got, out, err = run(capsys, *arguments)
    assert got == code, err
    assert out == "" and len(err.splitlines()) == 1 and err.startswith("gtvautoseg: ")
    assert sorted(folder.rglob("*")) == before
    return err


@pytest.mark.parametrize("suffix", [".seg.nrrd", ".nrrd", ".nii.gz", ".nii", ".mha"])
def test_every_format_holds_the_same_mask_on_the_ct_s_grid(capsys, tmp_path, ct, bundle, suffix):
    output = tmp_path / f"out{suffix}"
    code, out, _ = run(capsys, "segment", ct, "--model", bundle, "--output", output, "--device", "cpu")
    assert code == 0 and "GTVp: " in out and f"written: {output}" in out
    mask, image = sitk.ReadImage(str(output)), sitk.ReadImage(str(ct))
    assert mask.GetSize() == image.GetSize()
    for name in ("GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(mask, name)() == pytest.approx(getattr(image, name)(), abs=1e-5)
    assert set(np.unique(sitk.GetArrayFromImage(mask))) == {0, 1}


def test_the_json_tells_what_was_found_and_how(capsys, tmp_path, ct, bundle):
    output, report = tmp_path / "out.nii.gz", tmp_path / "out.json"
    run(capsys, "segment", ct, "--model", bundle, "--output", output, "--json", report, "--slices", "2:6")
    found = json.loads(report.read_text())
    mask = sitk.GetArrayFromImage(sitk.ReadImage(str(output)))
    assert found["volume_ml"] == pytest.approx(mask.sum() * 3 / 1000)
    assert found["tumour_slices"] == np.flatnonzero(mask.any(axis=(1, 2))).tolist()
    assert [p is None for p in found["slice_probability"]] == [not 2 <= i < 6 for i in range(10)]
    assert found["model"]["id"] == "random" and len(found["model"]["digest"]) == 64
    assert {"preprocess", "classifying", "segmenting", "total"} <= found["timings"].keys()
    assert found["versions"]["torch"] and found["reason"] == "" and found["device"] == "cpu"


def test_a_segmentation_file_says_with_which_model_and_how_it_was_made(capsys, tmp_path, ct, bundle):
    output = tmp_path / "o.seg.nrrd"
    run(capsys, "segment", ct, "--model", bundle, "--output", output, "--device", "cpu", "--precision", "fp32")
    tags = sitk.ReadImage(str(output)).GetMetaData("Segment0_Tags").split("|")
    found = {name: value for name, _, value in (tag.partition(":") for tag in tags) if name.startswith("GTVAutoSeg.")}
    np.testing.assert_array_equal(
        unpack(found.pop("GTVAutoSeg.Automatic")), sitk.GetArrayFromImage(sitk.ReadImage(str(output)))
    )
    assert found.pop("GTVAutoSeg.Digest") and found == {
        "GTVAutoSeg.Model": "random",
        "GTVAutoSeg.Version": "1.0.0",
        "GTVAutoSeg.Threshold": "0.5",
        "GTVAutoSeg.Device": "cpu",
        "GTVAutoSeg.Precision": "fp32",
        "GTVAutoSeg.Name": "GTVp",
        "GTVAutoSeg.ROI": "GTVp",
        "GTVAutoSeg.Result": "Segment_1",
        "GTVAutoSeg.MaskSHA256": mask_sha256(sitk.GetArrayFromImage(sitk.ReadImage(str(output)))),
    }


@pytest.mark.parametrize(("slices", "reached"), [("2:6", [2, 5]), ("0:4", [3]), ("0:10", [])])
def test_an_outline_that_reaches_an_end_of_the_slices_looked_at_is_warned_of(
    capsys, tmp_path, ct, bundle, slices, reached
):
    _, _, err = run(capsys, "segment", ct, "--model", bundle, "--output", tmp_path / "o.nrrd", "--slices", slices)
    said = [line for line in err.splitlines() if "an end of the slices looked at" in line]
    assert [line.partition(",")[0] for line in said] == [f"warning: the outline reaches slice {end}" for end in reached]


def test_json_on_standard_output_is_nothing_but_json(capsys, tmp_path, ct, bundle):
    code, out, _ = run(capsys, "segment", ct, "--model", bundle, "--output", tmp_path / "o.nrrd", "--json", "-")
    assert code == 0 and json.loads(out)["roi"] == "GTVp"


def test_no_tumour_is_a_result_with_an_empty_mask(capsys, tmp_path, ct, bundle):
    quiet = make_bundle(tmp_path / "quiet", bias=-50.0)
    code, out, _ = run(capsys, "segment", ct, "--model", quiet, "--output", tmp_path / "o.nrrd")
    assert code == 0 and out.startswith("No tumour found: no slice reaches the threshold 0.50")
    assert not sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "o.nrrd"))).any()


def test_paths_with_spaces_and_letters_of_other_alphabets_work(capsys, tmp_path, bundle):
    folder = tmp_path / "Ünï 空 x"
    folder.mkdir()
    code, _, err = run(
        capsys, "segment", write_ct(folder / "ct ß.nrrd"), "--model", bundle, "--output", folder / "ö 空.seg.nrrd"
    )
    assert code == 0, err
    assert (folder / "ö 空.seg.nrrd").stat().st_size > 0


def test_one_slice_and_an_mr_like_range_are_segmented_and_warned_about(capsys, tmp_path, bundle):
    write_ct(tmp_path / "one.nrrd", body_ct((1, 64, 72)))
    assert run(capsys, "segment", tmp_path / "one.nrrd", "--model", bundle, "--output", tmp_path / "o.nrrd")[0] == 0
    write_ct(tmp_path / "mr.nrrd", (body_ct().clip(0) * 20).astype(np.int16))
    code, _, err = run(capsys, "segment", tmp_path / "mr.nrrd", "--model", bundle, "--output", tmp_path / "m.nrrd")
    assert code == 0 and "warning: values lie between" in err and "is this a CT in Hounsfield units?" in err


def test_large_slices_and_many_slices_work(capsys, tmp_path, bundle):
    for shape in ((2, 1024, 1024), (600, 32, 32)):
        write_ct(tmp_path / "ct.nrrd", body_ct(shape))
        code, _, err = run(capsys, "segment", tmp_path / "ct.nrrd", "--model", bundle, "--output", tmp_path / "o.nrrd")
        assert code == 0, err


def bad_files(folder):
    """Unusable CTs: name of the file, and what its error must say."""
    rng = np.random.default_rng(0)
    whole = write_ct(folder / "whole.nii.gz").read_bytes()
    nrrd = write_ct(folder / "whole.nrrd").read_bytes()
    (folder / "empty.nii.gz").write_bytes(b"")
    (folder / "random.nii.gz").write_bytes(rng.bytes(5000))
    (folder / "random.nrrd").write_bytes(rng.bytes(5000))
    (folder / "text.nii.gz").write_text("this is a letter, not an image\n")
    (folder / "cut.nii.gz").write_bytes(whole[: len(whole) // 2])
    (folder / "cut.nrrd").write_bytes(nrrd[: len(nrrd) // 2])
    (folder / "ct.jpeg2").write_bytes(whole)
    sitk.WriteImage(sitk.GetImageFromArray(body_ct()[0]), str(folder / "flat.nrrd"))
    sitk.WriteImage(sitk.GetImageFromArray(body_ct()[..., None].repeat(3, -1), isVector=True), str(folder / "rgb.nrrd"))
    sitk.WriteImage(sitk.JoinSeries([sitk.GetImageFromArray(body_ct())] * 2), str(folder / "four.nrrd"))
    holes = body_ct().astype(np.float32)
    holes[1, 2, 3], holes[4, 5, 6] = np.nan, np.inf
    write_ct(folder / "holes.nrrd", holes)
    write_ct(folder / "holes.nii.gz", holes)
    write_ct(folder / "holes.nii", holes.astype(np.float64))
    write_ct(folder / "label.nrrd", (body_ct() > 90).astype(np.uint8))
    write_ct(folder / "air.nrrd", np.random.default_rng(0).integers(-1024, -900, (5, 40, 40)).astype(np.int16))
    write_ct(folder / "tiny.nrrd", body_ct((5, 3, 3)))
    (folder / "folder").mkdir()
    return {
        "absent.nii.gz": "does not exist",
        "empty.nii.gz": "empty",
        "random.nii.gz": "random.nii.gz",
        "random.nrrd": "random.nrrd",
        "text.nii.gz": "text.nii.gz",
        "cut.nii.gz": "cut.nii.gz",
        "cut.nrrd": "cut.nrrd",
        "ct.jpeg2": ".nii.gz",
        "flat.nrrd": "2D",
        "rgb.nrrd": "rgb.nrrd",
        "four.nrrd": "4D",
        "holes.nrrd": "2 voxels",
        "holes.nii.gz": "2 voxels",
        "holes.nii": "2 voxels",
        "label.nrrd": "label map",
        "air.nrrd": "air",
        "tiny.nrrd": "16 x 16",
        "folder": "folder",
    }


def test_every_unusable_ct_is_refused_in_one_line_that_names_it(capsys, tmp_path, bundle):
    for name, words in bad_files(tmp_path).items():
        line = refused(
            capsys, tmp_path, 2, "segment", tmp_path / name, "--model", bundle, "--output", tmp_path / "o.nrrd"
        )
        assert name in line and words in line, line


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("o.jpg", "unknown suffix"),
        ("nowhere/o.nrrd", "does not exist"),
        ("ct.nii.gz", "input itself"),
        ("d.nrrd", "folder"),
    ],
)
def test_an_output_that_cannot_be_is_refused_before_the_run(capsys, tmp_path, ct, bundle, output, words):
    (tmp_path / "d.nrrd").mkdir()
    line = refused(capsys, tmp_path, 2, "segment", ct, "--model", bundle, "--output", tmp_path / output)
    assert words in line


@pytest.mark.parametrize("name", ["ct.nii.gz", "o.nrrd"])
def test_the_json_never_takes_the_place_of_the_ct_or_a_result(capsys, tmp_path, ct, bundle, name):
    command = ("segment", ct, "--model", bundle, "--output", tmp_path / "o.nrrd", "--json", tmp_path / name)
    content = ct.read_bytes()
    assert "expected another file for --json" in refused(capsys, tmp_path, 2, *command)
    assert ct.read_bytes() == content


def test_a_disk_that_fills_up_is_said_and_leaves_nothing(tmp_path, bundle):
    # The process may not write more than 2 kB to a file, as on a disk that is nearly full.
    noise = np.random.default_rng(0).integers(-1000, 1000, (8, 200, 200)).astype(np.int16)
    ct = write_ct(tmp_path / "ct.nrrd", noise)
    code = "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
    code += "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000));"
    code += "from GTVAutoSegLib.commands.cli import main; sys.exit(main(sys.argv[1:]))"
    arguments = ["segment", ct, "--model", bundle, "--output", tmp_path / "o.nrrd"]
    found = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True)
    assert found.returncode == 4, found.stderr
    assert "o.nrrd could not be written" in found.stderr.splitlines()[-1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ct.nrrd"]


def test_a_model_that_does_not_exist_ends_with_code_3(capsys, tmp_path, ct):
    line = refused(capsys, tmp_path, 3, "segment", ct, "--model", "nothing", "--output", tmp_path / "o.nrrd")
    assert "model 'nothing' does not exist" in line


def test_a_damaged_model_ends_with_code_3_and_its_file_s_name(capsys, tmp_path, ct):
    bundle = make_bundle(tmp_path / "damaged")
    (bundle / "segmenter.safetensors").write_bytes(b"x")
    line = refused(capsys, tmp_path, 3, "segment", ct, "--model", bundle, "--output", tmp_path / "o.nrrd")
    assert "segmenter.safetensors has sha256" in line
    assert "segmenter.safetensors" in refused(capsys, tmp_path, 3, "model", "verify", bundle)


@pytest.mark.parametrize(
    "wrong", [["--slices", "5:2"], ["--slices", "x"], ["--threshold", "much"], ["--colour"], ["--device", "tpu"]]
)
def test_wrong_usage_ends_with_code_2_in_one_line(capsys, tmp_path, ct, bundle, wrong):
    arguments = ["segment", str(ct), "--model", str(bundle), "--output", str(tmp_path / "o.nrrd"), *wrong]
    try:
        code = main(arguments)
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_models_are_listed_shown_and_verified(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("GTVAUTOSEG_MODELS", str(tmp_path))
    make_bundle(tmp_path / "whole", metrics={"dsc": 0.71, "split": "val"})
    (make_bundle(tmp_path / "broken") / "model.json").write_text("{}")
    code, out, _ = run(capsys, "model", "list")
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert code == 0 and "DSC 0.71 (val)" in lines["whole"] and "damaged: " in lines["broken"]
    assert json.loads(run(capsys, "model", "info", "whole")[1])["task"]["roi"] == "GTVp"
    assert run(capsys, "model", "verify", "whole")[0] == 0


def test_a_model_goes_out_as_a_zip_and_in_again(capsys, tmp_path, monkeypatch, bundle):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    assert run(capsys, "model", "export", bundle, tmp_path / "handed-on.zip")[0] == 0
    code, out, _ = run(capsys, "model", "install", tmp_path / "handed-on.zip")
    assert code == 0 and "installed: random 1.0.0" in out
    assert run(capsys, "model", "verify", "random")[0] == 0
    code, out, _ = run(capsys, "model", "remove", "random")
    assert code == 0 and out.startswith("removed: ") and "still there" not in out
    assert "does not exist" in refused(capsys, tmp_path, 3, "model", "verify", "random")
    assert ".zip" in refused(capsys, tmp_path, 2, "model", "export", bundle, tmp_path / "out.tar")


def test_an_interrupted_run_ends_with_130_and_leaves_nothing(tmp_path, bundle):
    ct = write_ct(tmp_path / "ct.nrrd", body_ct((600, 200, 200)))
    arguments = ["segment", ct, "--model", bundle, "--output", tmp_path / "o.nrrd"]
    child = subprocess.Popen(
        [sys.executable, "-m", "GTVAutoSegLib", *map(str, arguments)], stderr=subprocess.PIPE, text=True
    )
    # Late enough to have the signal handler, early enough not to be done.
    wait_until_loaded(child.pid)
    child.send_signal(signal.SIGTERM)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130 and "cancelled" in err.splitlines()[-1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ct.nrrd"]


def wait_until_loaded(pid: int, timeout: float = 60.0) -> None:
    """Wait until a process has loaded PyTorch's library, which it does after its handlers are in place."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if "libtorch_cpu" in open(f"/proc/{pid}/maps").read():  # noqa: PTH123, SIM115
            return
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    raise AssertionError("the child process never loaded PyTorch")
