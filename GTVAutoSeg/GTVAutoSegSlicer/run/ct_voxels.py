"""Which CT it is that was loaded from a file: found out in a thread, by its voxels."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import slicer

from GTVAutoSegLib.system.tags import CT_TAG, CT_VOXELS
from GTVAutoSegLib.training.data.imports.voxels import voxels_sha256

from ..scene.ct_identity import OF_VOXELS, is_dicom, remember
from ..scene.files import is_grey, volume_of
from ..scene.ownership import tag
from .background import Background


class CtVoxels:
    """Looks at a CT when the scene holds results that know their CT by its voxels.

    Args:
        found: called when a CT is known.
    """

    def __init__(self, found: Callable[[], None]) -> None:
        self._found = found
        self._ct: Any = None
        self._stamp = 0
        self._background: Background[str] | None = None

    def knows(self, ct: Any) -> bool:
        """Whether all that can be known of a CT is known; if not, that is found out, and `found` called then."""
        if not _can_be_asked(ct) or not _is_wanted():
            return True
        if self._ct is not ct:
            self.stop()
            self._ct, self._stamp = ct, ct.GetImageData().GetMTime()
            self._background = Background(partial(voxels_sha256, volume_of(ct)), then=self._looked)
        return False

    def stop(self) -> None:
        """Find out nothing any more."""
        if self._background is not None:
            self._background.end()
        self._ct = self._background = None

    def _looked(self) -> None:
        ct, looked = self._ct, self._background
        self.stop()
        if looked is None or looked.error is not None:
            return  # asked again when something else is chosen
        image = ct.GetImageData()
        if image is not None and image.GetMTime() == self._stamp:
            remember(ct, looked.value())
        if ct.GetScene() is not None:
            self._found()  # where the voxels are others by now, somebody asks anew


def make_known(ct: Any) -> None:
    """Find it out now, and wait for it; for scripts."""
    if _can_be_asked(ct):
        remember(ct, voxels_sha256(volume_of(ct)))


def _can_be_asked(ct: Any) -> bool:
    """Whether voxels would tell more of a CT than is known."""
    return is_grey(ct) and not is_dicom(ct) and not ct.GetAttribute(CT_VOXELS)


def _is_wanted() -> bool:
    for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
        segmentation = node.GetSegmentation()
        ids = segmentation.GetSegmentIDs()
        if any(tag(segmentation.GetSegment(one), CT_TAG).startswith(OF_VOXELS) for one in ids):
            return True
    return False
