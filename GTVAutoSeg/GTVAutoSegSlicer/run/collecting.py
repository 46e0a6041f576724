"""To make an outline and its CT a case of a data set: a request to the child process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from GTVAutoSegLib.cascade.result import ModelRecord
from GTVAutoSegLib.errors import GTVAutoSegError, InputError
from GTVAutoSegLib.images.masks.stored import Box
from GTVAutoSegLib.images.masks.structure import mask_sha256
from GTVAutoSegLib.images.volume import Volume
from GTVAutoSegLib.images.write import write_mask
from GTVAutoSegLib.system.tags import AUTOMATIC_TAG, ORIGIN_TAGS
from GTVAutoSegLib.training.data.collected.case import Provenance
from GTVAutoSegLib.training.data.collected.collect import Collected
from GTVAutoSegLib.training.data.collected.request import CollectWish

from ..failures import Failure, not_valid
from ..scene.ct_identity import dicom_origin
from ..scene.files import check_ct
from ..scene.history import Undo
from ..scene.ownership import is_made_on, tag
from ..scene.record.approval import approval_of, lapse_of
from ..scene.steering.change import Change
from ..scene.steering.steps import segment_box
from .ct_voxels import make_known
from .request import CtWork
from .run_folder import RunFolder
from .work import Found, report_of

WISH = "collect.json"


@dataclass(frozen=True)
class CollectRequest:
    """What becomes a case.

    Attributes:
        ct: vtkMRMLScalarVolumeNode.
        segmentation: vtkMRMLSegmentationNode.
        segment_id: of the outline.
        dataset: folder of the data set, made if need be.
        accepted: the person has said that the outline counts although nobody has approved it.
    """

    ct: Any
    segmentation: Any
    segment_id: str
    dataset: Path
    accepted: bool = False

    @property
    def nodes(self) -> tuple[Any, ...]:
        """The CT and the segmentation."""
        return self.ct, self.segmentation

    @property
    def model_key(self) -> Any:
        """Any worker can do it."""
        return None

    def check(self) -> None:
        """Raise Failure, with code "collect", when this is no outline that somebody answers for, on this CT."""
        with _failing_as_collect():
            check_ct(self.ct)
            make_known(self.ct)  # the panel has found it out by now
            box = self._box()
            name = self._segment().GetName()
            if not is_made_on(self.segmentation, self.segment_id, self.ct):
                raise InputError(
                    f"the segment '{name}' was made on another CT than '{self.ct.GetName()}', expected its own; select "
                    "that CT"
                )
            if not box.count:
                raise InputError(
                    f"the segment '{name}' is empty on the CT, expected an outline to learn from; draw one first"
                )
            if not self.accepted and approval_of(self.segmentation, self.segment_id, self.ct) is None:
                why = lapse_of(self.segmentation, self.segment_id) or f"nobody has approved '{name}'"
                raise InputError(f"{why}; approve it first, or say that it is accepted as it is")

    def work(self, folder: RunFolder) -> CtWork:
        """Take the CT from the scene."""
        return CtWork(self, folder)

    def writer(self, folder: RunFolder, written: Volume) -> Callable[[], None]:
        """Writes outline and provenance as they are now."""
        box, wish = self._box(), self._wish()

        def write() -> None:
            write_mask(box.whole(), written, folder.mask)
            wish.write(folder.path / WISH)

        return write

    def arguments(self, folder: RunFolder) -> list[str]:
        """Arguments of the worker."""
        return ["collect", "--dataset", str(self.dataset), "--wish", str(folder.path / WISH)]

    def read(self, folder: RunFolder, _written: Volume, result: dict[str, Any]) -> Found:
        """Read what became of the case."""
        import SimpleITK as sitk

        record = report_of(Collected, result)
        mask = sitk.GetArrayFromImage(sitk.ReadImage(str(folder.mask)))
        if record.case.mask_sha256 != mask_sha256(mask):
            raise not_valid("the case holds another outline than the one that was sent")
        return Found(record, Box.of(mask))

    def put(self, _found: Found, _written: Volume) -> tuple[Undo | None, Change | None]:
        """Change nothing in the scene."""
        return None, None

    def _wish(self) -> CollectWish:
        segment = self._segment()
        model, version, digest = (tag(segment, name) for name in ORIGIN_TAGS)
        approval = approval_of(self.segmentation, self.segment_id, self.ct)
        provenance = Provenance(
            region=segment.GetName(),
            model=ModelRecord(model, version, digest) if model else None,
            approved_by=approval.reviewer if approval else "",
            approved_at=approval.at if approval else "",
        )
        return CollectWish(provenance, dicom_origin(self.ct), tag(segment, AUTOMATIC_TAG))

    def _segment(self) -> Any:
        return self.segmentation.GetSegmentation().GetSegment(self.segment_id)

    def _box(self) -> Box:
        return segment_box(self.segmentation, self.segment_id, self.ct)


@contextmanager
def _failing_as_collect() -> Iterator[None]:
    """The cards of a run would offer what does not help here."""
    try:
        yield
    except GTVAutoSegError as error:
        raise Failure.of(error, "collect") from error
