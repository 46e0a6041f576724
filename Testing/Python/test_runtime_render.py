"""Pictures of the scene: the views show the CT and the segment in their colours."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def picture(slicer_runtime):
    import slicer

    from Testing.runtime.render import Picture

    z, y, x = np.indices((16, 32, 32))
    tumour = ((x - 20) ** 2 + (y - 12) ** 2 + (2 * (z - 8)) ** 2 < 36).astype(np.uint8)
    volume = slicer.util.addVolumeFromArray(np.full(tumour.shape, 40, np.int16), name="CT")
    volume.CreateDefaultDisplayNodes()
    display = volume.GetScalarVolumeDisplayNode()
    display.SetAutoWindowLevel(False)
    display.SetWindowLevel(400, 40)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "structures")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    node.GetSegmentation().AddEmptySegment("GTV", "GTV", [1, 0, 0])
    slicer.util.updateSegmentBinaryLabelmapFromArray(tumour, node, "GTV", volume)
    node.CreateClosedSurfaceRepresentation()
    return Picture(volume, (20.0, 12.0, 8.0), view_size=(120, 100))


def test_the_views_show_ct_and_segment_or_say_what_is_missing(picture, tmp_path):
    from PySide6 import QtGui

    from Testing.runtime.render import obstacle, write_picture

    reason = obstacle()
    if reason is not None:  # a machine without a graphics driver
        assert "libegl1" in reason
        return
    write_picture(picture, tmp_path / "views.png")
    image = QtGui.QImage(str(tmp_path / "views.png"))
    assert (image.width(), image.height()) == (244, 204)
    for column in (0, 124):
        for row in (0, 104):
            view = [image.pixelColor(column + i, row + j).getRgb()[:3] for i in range(120) for j in range(100)]
            is_red = [red > green + 40 and red > blue + 40 for red, green, blue in view]
            assert 20 < sum(is_red) < 6000, f"no segment in the view at {column}, {row}"
    assert image.pixelColor(60, 90).getRgb()[:3] == (127, 127, 127)
