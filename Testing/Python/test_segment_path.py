"""One `segment` on the command line: through how many files it passes, and that it does nothing twice."""

from __future__ import annotations

import re
import traceback
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from bundles import make_bundle
from dicom_samples import write_series
from phantoms import body_ct

from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.images import read, volume, write
from GTVAutoSegLib.images.dicom import source
from GTVAutoSegLib.model import bundle as model_bundle
from GTVAutoSegLib.networks.sanet import SANet

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "GTVAutoSegLib"


@pytest.fixture
def model(tmp_path):
    return make_bundle(tmp_path / "random", bias=50.0)


def files_on_the_stack() -> list[str]:
    """Files of the library, from the command inwards."""
    frames = (Path(frame.filename) for frame in traceback.extract_stack())
    return [path.relative_to(LIBRARY).as_posix() for path in frames if path.is_relative_to(LIBRARY)]


def test_segment_passes_the_files_that_the_architecture_lists(tmp_path, model, monkeypatch):
    """On the way from the command to the CT's voxels, to the networks, and to the mask's file."""
    passed: dict[str, None] = {}

    def watched(owner, name):
        inner = getattr(owner, name)

        def outer(*arguments, **options):
            passed.update(dict.fromkeys(files_on_the_stack()))
            return inner(*arguments, **options)

        monkeypatch.setattr(owner, name, outer)

    image = sitk.GetImageFromArray(body_ct())
    image.SetSpacing((1.0, 1.0, 3.0))
    sitk.WriteImage(image, str(tmp_path / "ct.nrrd"))
    for owner, name in ((read, "read_voxels"), (SANet, "forward"), (write, "write_image")):
        watched(owner, name)
    from GTVAutoSegLib.cascade import assembly

    watched(assembly, "load_network")
    code = main(["segment", str(tmp_path / "ct.nrrd"), "--model", str(model), "--output", str(tmp_path / "gtv.nrrd")])
    assert code == 0 and (tmp_path / "gtv.nrrd").exists()
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = text.partition("From the command to the mask")[2].partition("\n\n")[2].partition("\n\n")[0]
    assert re.findall(r"^\d+\. `([\w/]+\.py)`", section, re.MULTILINE) == list(passed)
    assert len(passed) <= 9


def test_segment_reads_and_checks_nothing_twice(tmp_path, model, monkeypatch):
    calls: list[str] = []

    def counted(owner, name, what):
        inner = getattr(owner, name)

        def outer(*arguments, **options):
            calls.append(what(*arguments))
            return inner(*arguments, **options)

        monkeypatch.setattr(owner, name, outer)

    write_series(tmp_path / "ct", body_ct((8, 64, 64)).astype(np.int16))
    counted(model_bundle, "read_member", lambda path, name: f"model: {name}")
    counted(volume, "check_finite", lambda *_: "the CT")  # the part of check_ct that looks at every voxel
    counted(source, "read_header", lambda path: f"header of {path.name}")
    counted(write, "check_writable", lambda path: f"output: {path.name}")
    outputs = [part for name in ("a.nrrd", "b.seg.nrrd", "c.dcm") for part in ("--output", str(tmp_path / name))]
    assert main(["segment", str(tmp_path / "ct"), "--model", str(model), *outputs]) == 0
    assert (tmp_path / "c.dcm").exists()
    assert "the CT" in calls and "output: a.nrrd" in calls and "model: model.json" in calls
    assert sum(call.startswith("header of") for call in calls) == 8
    assert sorted(calls) == sorted(set(calls))
