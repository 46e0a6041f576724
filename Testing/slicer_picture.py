"""The panel, the slice views and the 3D view: after a run, and after the outline was steered.

    python Testing/slicer_picture.py docs/pictures/slicer.png
    python Testing/slicer_picture.py docs/pictures/slicer-steering.png --steered

Drawn off screen by Slicer's own view classes, from a shipped case and the shipped model.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from PIL import Image
from scipy import ndimage

ROOT = Path(__file__).resolve().parent.parent
CASE = ROOT / "Testing" / "Data" / "sts-gtv" / "STS_036" / "data.nii.gz"
LIMIT_S = 600
PANEL_WIDTH = 400
COLORS = 64
# Slices that are drawn by hand, and the ends that are named, for the second picture.
CORRECTED = (26, 36)
ENDS = (17, 47)


def main(output: Path, steered: bool = False) -> None:
    """Click on Segment GTV, wait, steer the outline if that is asked for, and draw what a user then sees."""
    sys.path.insert(0, str(ROOT))
    from GTVAutoSegLib.model.bundle import read_bundle
    from Testing.runtime import boot, load_module, process_events_until

    runtime = boot()
    import slicer

    from Testing.runtime.render import GAP, Picture, grab_panel, write_picture

    runtime.app.testing = True  # no question, no probe
    ct = slicer.util.loadVolume(str(CASE), {"name": "STS_036"})
    display = ct.GetScalarVolumeDisplayNode()
    display.SetAutoWindowLevel(False)
    display.SetWindowLevelMinMax(-160, 240)
    loaded = load_module(ROOT / "GTVAutoSeg" / "GTVAutoSeg.py")
    widget = loaded.widget
    widget.enter()
    titles = [widget.ui.modelSelector.itemText(index) for index in range(widget.ui.modelSelector.count)]
    widget.ui.modelSelector.setCurrentIndex(titles.index(read_bundle("sts-gtv").info.title))
    widget.ui.segmentButton.click()
    if not process_events_until(lambda: not widget.panel.running, timeout=LIMIT_S):
        raise SystemExit(f"the run took longer than {LIMIT_S} s")
    segmentation = widget.ui.outputSelector.currentNode()
    if segmentation is None:
        raise SystemExit(widget.ui.failureMessage.text or widget.ui.resultLabel.text)
    segment_id = segmentation.GetSegmentation().GetNthSegmentID(0)
    if steered:
        _steer(widget)
        if not process_events_until(lambda: not widget.panel.running, timeout=LIMIT_S):
            raise SystemExit(f"the completion took longer than {LIMIT_S} s")
    widget.ui.show3DButton.toggle()
    _bare_3d_view(slicer)
    # Two views are as high as the panel.
    height = (grab_panel(loaded.panel, PANEL_WIDTH).height() - GAP) // 2
    position = segmentation.GetSegmentCenterRAS(segment_id)
    write_picture(Picture(ct, position, loaded.panel, view_size=(height, height), panel_width=PANEL_WIDTH), output)
    _with_few_colors(output)
    print(f"{output}: {widget.ui.resultLabel.text}")
    widget.cleanup()


def _steer(widget: Any) -> None:
    """A box around the outline, two slices corrected by hand, ends named, and the rest completed."""
    import slicer

    ui, steering = widget.ui, widget.panel.steering
    ui.drawBoxButton.click()
    place = steering.node, steering.segment_id, steering.ct
    voxels = slicer.util.arrayFromSegmentBinaryLabelmap(*place)
    for index in CORRECTED:
        voxels[index] = ndimage.binary_dilation(voxels[index], iterations=3)
    slicer.util.updateSegmentBinaryLabelmapFromArray(voxels, *place)
    slicer.app.processEvents()
    for index, button in zip(ENDS, (ui.startsButton, ui.endsButton)):
        steering.strip._on_slice(index)
        button.click()
    ui.completeButton.click()


def _with_few_colors(picture: Path) -> None:
    """A quarter of its size: every version of a picture stays in the history."""
    few = (
        Image.open(picture)
        .convert("RGB")
        .quantize(COLORS, method=Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE)
    )
    few.save(picture, optimize=True)


def _bare_3d_view(slicer: Any) -> None:
    """No box and no letters around the tumour: the camera then comes closer."""
    view = slicer.vtkMRMLViewNode()
    view.SetBoxVisible(False)
    view.SetAxisLabelsVisible(False)
    slicer.mrmlScene.AddDefaultNode(view)


if __name__ == "__main__":
    main(Path(sys.argv[1]), steered="--steered" in sys.argv)
