"""One click on **Segment GTV**: through how many files the CT and the mask pass, from the button to the node."""

from __future__ import annotations

import re
import subprocess
import traceback
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from bundles import make_bundle
from phantoms import body_ct
from slicer_samples import add_ct

ROOT = Path(__file__).resolve().parents[2]
SLICER = ROOT / "GTVAutoSeg"
LIBRARY = ROOT / "GTVAutoSegLib"
CHILD = "commands/worker.py"
MOST = 10


def files_on_the_stack(top: Path) -> list[str]:
    """Files below a folder, from the caller inwards."""
    frames = (Path(frame.filename) for frame in traceback.extract_stack())
    return [path.relative_to(top).as_posix() for path in frames if path.is_relative_to(top)]


def watch(monkeypatch, passed: dict[str, None], top: Path, owner, name: str) -> None:
    """Note the files on the way to a function whenever it is called."""
    inner = getattr(owner, name)

    def outer(*arguments, **options):
        passed.update(dict.fromkeys(files_on_the_stack(top)))
        return inner(*arguments, **options)

    monkeypatch.setattr(owner, name, outer)


def listed(heading: str) -> list[str]:
    """The numbered files below a sentence of the architecture."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = text.partition(heading)[2].partition("\n\n")[2].partition("\n\n")[0]
    return re.findall(r"^\d+\. `([\w/]+\.py)`", section, re.MULTILINE)


def test_a_click_passes_the_files_that_the_architecture_lists(panel, until, monkeypatch):
    """From the button to the CT's file, the child and its standard input, and from the mask's file to the node."""
    from GTVAutoSegSlicer.run.child import Child
    from GTVAutoSegSlicer.scene import files
    from GTVAutoSegSlicer.scene.history import SegmentState

    passed: dict[str, None] = {}
    add_ct()
    for owner, name in (
        (files, "_nrrd_header"),
        (subprocess, "Popen"),
        (Child, "send"),
        (sitk, "ReadImage"),
        (SegmentState, "put"),
    ):
        watch(monkeypatch, passed, SLICER, owner, name)
    panel.ui.segmentButton.click()
    until(lambda: not panel.running)
    assert panel.ui.failureMessage.text == ""
    expected = listed("In Slicer, one click passes")
    assert {name.removeprefix("GTVAutoSegSlicer/") for name in passed} == set(expected) - {CHILD}
    assert len(expected) <= MOST


def test_the_child_goes_on_with_the_files_that_segment_passes(tmp_path, monkeypatch):
    from GTVAutoSegLib.cascade import assembly
    from GTVAutoSegLib.commands.worker import Worker
    from GTVAutoSegLib.images import read, write
    from GTVAutoSegLib.networks.sanet import SANet

    passed: dict[str, None] = {}
    model = make_bundle(tmp_path / "random", bias=50.0)
    image = sitk.GetImageFromArray(body_ct().astype(np.int16))
    image.SetSpacing((1.0, 1.0, 3.0))
    sitk.WriteImage(image, str(tmp_path / "ct.nrrd"))
    for owner, name in ((read, "read_voxels"), (SANet, "forward"), (write, "write_image"), (assembly, "load_network")):
        watch(monkeypatch, passed, LIBRARY, owner, name)
    events: list[dict] = []
    job = ["segment", "--model", model, "--input", tmp_path / "ct.nrrd", "--output", tmp_path / "mask.nrrd"]
    assert Worker(events.append).run([*map(str, job), "--device", "cpu"]) == 0
    assert events[-1]["event"] == "result" and (tmp_path / "mask.nrrd").exists()
    shared = [name for name in listed("From the command to the mask") if not name.startswith("commands/")]
    assert set(passed) == {CHILD, *shared}
