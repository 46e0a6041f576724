"""To complete an outline from drawn slices: a request to the child process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from GTVAutoSegLib.cascade.completion.record import CompletionRecord
from GTVAutoSegLib.cascade.completion.request import checked_slices
from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.images.masks.stored import Box
from GTVAutoSegLib.images.volume import Volume
from GTVAutoSegLib.images.write import write_mask
from GTVAutoSegLib.model.bundle import Bundle
from GTVAutoSegLib.system.tags import (
    COMPLETER_DIGEST_TAG,
    COMPLETER_TAG,
    COMPLETION_TAG,
    MASK_THRESHOLD_TAG,
    PROBABILITY_SLICES_TAG,
    PROBABILITY_TAG,
)

from ..failures import not_valid
from ..scene.files import check_ct, read_mask, volume_of
from ..scene.history import Undo
from ..scene.steering.change import Change
from ..scene.steering.mine import areas, fingerprints
from ..scene.steering.steps import change_segment, mine_of_segment, segment_box
from .request import CtWork
from .run_folder import RunFolder
from .work import Found, report_of


@dataclass(frozen=True)
class CompletionRequest:
    """What to complete.

    Attributes:
        ct: vtkMRMLScalarVolumeNode.
        segmentation: vtkMRMLSegmentationNode.
        segment_id: of the segment with the drawn slices.
        slices: the drawn slices; None for those that are a person's.
        first: the tumour's first slice; None to find it.
        last: its last one; the same.
        bundle: the model whose classifier may find the ends; None leaves that to the completer.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps".
    """

    ct: Any
    segmentation: Any
    segment_id: str
    slices: tuple[int, ...] | None = None
    first: int | None = None
    last: int | None = None
    bundle: Bundle | None = None
    device: str = "auto"

    @property
    def nodes(self) -> tuple[Any, ...]:
        """The CT and the segmentation."""
        return self.ct, self.segmentation

    @property
    def model_key(self) -> Any:
        """Any worker can do it."""
        return None

    @property
    def drawn(self) -> tuple[int, ...]:
        """The drawn slices, ascending."""
        if self.slices is not None:
            return tuple(sorted(set(self.slices)))
        return mine_of_segment(self.segmentation, self.segment_id, self.ct, self._box())

    def check(self) -> None:
        """Raise GTVAutoSegError when CT, segment, slices or ends cannot be used."""
        check_ct(self.ct)
        # The worker looks at the voxels of CT and mask, which takes too long here.
        checked_slices(areas(self._box(), volume_of(self.ct)) > 0, self.drawn, self.first, self.last)

    def work(self, folder: RunFolder) -> CtWork:
        """Take the CT from the scene."""
        return CtWork(self, folder)

    def writer(self, folder: RunFolder, written: Volume) -> Callable[[], None]:
        """Writes the segment as it is now."""
        box = self._box()
        return lambda: write_mask(box.whole(), written, folder.drawn)

    def arguments(self, folder: RunFolder) -> list[str]:
        """Arguments of the worker."""
        arguments = ["complete", "--drawn", str(folder.drawn), "--device", self.device]
        arguments += ["--slices", ",".join(map(str, self.drawn))]
        for name, end in (("--first", self.first), ("--last", self.last)):
            if end is not None:
                arguments += [name, str(end)]
        if self.bundle is not None and None in (self.first, self.last):
            arguments += ["--model", str(self.bundle.path)]
        return arguments

    def read(self, folder: RunFolder, written: Volume, result: dict[str, Any]) -> Found:
        """Read the completed outline, and what was drawn when it was sent."""
        record = report_of(CompletionRecord, result)
        mask = read_mask(folder.mask, written, record.mask_sha256)
        return Found(record, Box.of(mask), Box.of(_as_sent(folder)))

    def put(self, found: Found, written: Volume) -> tuple[Undo | None, Change | None]:
        """Bring the completed outline into the segment; the drawn slices are a person's, and stay as they were."""
        record, before = found.record, self._box()
        drawn = tuple(record.drawn)
        if not before.same_as(found.more):
            raise InputError("the segment was edited during the completion, so it stays as it is; complete it again")
        there, back = (fingerprints(box, written) for box in (before, found.box))
        if any(there.get(index) != back.get(index) for index in drawn):
            raise not_valid("the drawn slices came back changed")
        completer = record.completer
        tags = {
            COMPLETION_TAG: record.method,
            COMPLETER_TAG: f"{completer.id} {completer.version}" if completer else None,
            COMPLETER_DIGEST_TAG: completer.digest if completer else None,
            # The outline is no longer what the probability says.
            PROBABILITY_TAG: None,
            PROBABILITY_SLICES_TAG: None,
            MASK_THRESHOLD_TAG: None,
        }
        undo = change_segment(self.segmentation, self.segment_id, self.ct, found.box, mine=drawn, tags=tags)
        return undo, Change.between(before, found.box, volume_of(self.ct))

    def _box(self) -> Box:
        return segment_box(self.segmentation, self.segment_id, self.ct)


def _as_sent(folder: RunFolder) -> np.ndarray:
    import SimpleITK as sitk

    return sitk.GetArrayFromImage(sitk.ReadImage(str(folder.drawn)))
