"""The whole way as a user goes it: a shipped case, the shipped model, a click, the real child process."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from slicer_samples import MODULE, ROOT, temporary_folders, voxels

from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.model.bundle import read_bundle

CASE = ROOT / "Testing" / "Data" / "sts-gtv" / "STS_036" / "data.nii.gz"


def test_a_click_gives_the_segmentation_of_the_command_line_voxel_for_voxel(load_module, slicer_runtime, tmp_path):
    import slicer

    from Testing.runtime import process_events_until

    slicer_runtime.app.testing = True
    ct = slicer.util.loadVolume(str(CASE), {"name": "STS_036"})
    widget = load_module(MODULE).widget
    widget.enter()
    titles = [widget.ui.modelSelector.itemText(index) for index in range(widget.ui.modelSelector.count)]
    widget.ui.modelSelector.setCurrentIndex(titles.index(read_bundle("sts-gtv").info.title))
    widget.panel.shown.node.device = "cpu"
    widget.ui.segmentButton.click()
    assert process_events_until(lambda: not widget.panel.running, timeout=300)
    assert widget.ui.failureMessage.text == ""

    mask = tmp_path / "mask.nrrd"
    assert main(["segment", str(CASE), "--model", "sts-gtv", "--device", "cpu", "--output", str(mask)]) == 0
    expected = sitk.GetArrayFromImage(sitk.ReadImage(str(mask)))
    output = widget.ui.outputSelector.currentNode()
    assert expected.any()
    assert np.array_equal(voxels(output, output.GetSegmentation().GetNthSegmentID(0), ct), expected)
    assert widget.ui.resultLabel.text.startswith("STS_036: GTVp ")
    assert temporary_folders() == []
