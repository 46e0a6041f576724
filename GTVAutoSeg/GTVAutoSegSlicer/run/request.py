"""What can be asked of the child process about a CT, and to outline a tumour first of all."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import numpy as np
import slicer

from GTVAutoSegLib.cascade.applicability import check_box
from GTVAutoSegLib.cascade.completion.merge import merge_boxes
from GTVAutoSegLib.cascade.result import ResultRecord, describe_segment
from GTVAutoSegLib.errors import InputError
from GTVAutoSegLib.images.masks.packed import pack_box
from GTVAutoSegLib.images.masks.stored import Box
from GTVAutoSegLib.images.probability import read_probability
from GTVAutoSegLib.images.region import Region
from GTVAutoSegLib.images.volume import Volume
from GTVAutoSegLib.model.bundle import Bundle
from GTVAutoSegLib.system.tags import AUTOMATIC_TAG, CT_VOXELS, MASK_TAG
from GTVAutoSegLib.training.data.imports.voxels import voxels_sha256

from ..failures import CANCELLED, Failure, not_valid
from ..scene.ct_identity import is_dicom, remember
from ..scene.files import check_ct, holds, read_mask, volume_of, write_ct
from ..scene.history import Undo
from ..scene.ownership import is_made_on, is_result, our_segments
from ..scene.segmentation import check_output, put_segment
from ..scene.steering.change import Change
from ..scene.steering.evidence import Evidence
from ..scene.steering.mine import left_tags
from ..scene.steering.steps import change_segment, mine_of_segment, segment_box
from .background import Background
from .run_folder import RunFolder
from .work import Found, Outcome, report_of

CT_GONE = "The CT or the output was removed from the scene, so the run was stopped."


class CtRequest(Protocol):
    """A request about a CT: the worker reads it, and what it finds lies on its voxels."""

    @property
    def ct(self) -> Any:
        """The CT node."""

    def writer(self, folder: RunFolder, written: Volume, /) -> Callable[[], None]:
        """Take from the scene what the worker needs beside the CT; what then writes it is called in a thread."""

    def arguments(self, folder: RunFolder, /) -> list[str]:
        """Arguments of the worker, without the CT and the mask."""

    def read(self, folder: RunFolder, written: Volume, result: dict[str, Any], /) -> Found:
        """Read what the worker found; called in a thread, and raises GTVAutoSegError when it cannot be believed."""

    def put(self, found: Found, written: Volume, /) -> tuple[Undo | None, Change | None]:
        """Bring it into the scene; the way back, and what became of a segment that was changed in place."""


class CtWork:
    """Writes the CT, and believes an answer only while the CT is still what was written.

    Args:
        request: what is asked.
        folder: of the run.
    """

    is_final = False
    cancelled, gone = CANCELLED, CT_GONE

    def __init__(self, request: CtRequest, folder: RunFolder) -> None:
        self._request, self._folder = request, folder
        self._written = volume_of(request.ct)
        self._write_others = request.writer(folder, self._written)
        # A CT that is not from DICOM is known again by its voxels; the run does not wait until they are looked at.
        is_known = is_dicom(request.ct) or request.ct.GetAttribute(CT_VOXELS)
        self._voxels = None if is_known else Background(partial(voxels_sha256, self._written))

    def end(self) -> None:
        """Let no thread go on."""
        if self._voxels is not None:
            self._voxels.end()

    def write(self, wanted: Callable[[], bool]) -> None:
        """Write the CT, and what there is beside it."""
        self._write_others()
        write_ct(self._written, self._folder.ct, wanted)

    def arguments(self) -> list[str]:
        """The request's, the CT and the mask."""
        arguments = self._request.arguments(self._folder)
        return [*arguments, "--input", str(self._folder.ct), "--output", str(self._folder.mask)]

    def reader(self, result: dict[str, Any]) -> Callable[[Callable[[], bool]], Found]:
        """Reads the answer, and compares the CT with what was written."""
        ct = self._request.ct
        voxels = slicer.util.arrayFromVolume(ct) if ct.GetImageData() is not None else None
        return partial(self._read, result, voxels)

    def put(self, found: Found) -> Outcome:
        """Bring the outline into the scene."""
        if self._voxels is not None and self._voxels.error is None:
            remember(self._request.ct, self._voxels.value())
        undo, change = self._request.put(found, self._written)
        return Outcome(self._request, found.record, undo=undo, change=change)

    def failure(self, failure: Failure) -> Failure:
        """As it is."""
        return failure

    def _read(self, result: dict[str, Any], voxels: np.ndarray | None, _wanted: Callable[[], bool]) -> Found:
        found = self._request.read(self._folder, self._written, result)
        if not holds(voxels, self._folder.ct, self._written):
            raise not_valid("the CT was changed during the run")
        if self._voxels is not None:
            self._voxels.wait()
        return found


@dataclass(frozen=True)
class SegmentRequest:
    """What to segment, and how.

    Attributes:
        ct: vtkMRMLScalarVolumeNode.
        bundle: the model.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        output: vtkMRMLSegmentationNode, or None to make one.
        threshold: slice probability from which a slice is segmented, or None for the model's own.
        slices: a range, or the first slice and the one after the last, or None for all. The result of the last run is
            then replaced on these slices only.
        region: the box that the tumour is looked for in, in the CT's own coordinates; None for all of the CT.
    """

    ct: Any
    bundle: Bundle
    device: str = "auto"
    output: Any = None
    threshold: float | None = None
    slices: range | tuple[int, int] | None = None
    region: Region | None = None

    @property
    def nodes(self) -> tuple[Any, ...]:
        """The CT and the output."""
        return self.ct, self.output

    @property
    def model_key(self) -> Any:
        """The model and where it runs."""
        return self.bundle.path, self.bundle.digest, self.device

    @property
    def looked_at(self) -> range | None:
        """The slices looked at, or None for all.

        Raises:
            InputError: ``slices`` says something else.
        """
        if self.slices is None:
            return None
        pair = (self.slices.start, self.slices.stop) if _is_plain(self.slices) else self.slices
        try:
            first, stop = map(operator.index, pair)
        except (TypeError, ValueError):
            first = stop = -1
        if isinstance(pair, range) or not 0 <= first < stop:
            raise InputError(
                f"slices is {self.slices}, expected a range or a pair with 0 <= first < stop; give slices=(40, 80), "
                "say, for the 40 slices from 40 on"
            )
        return range(first, stop)

    def check(self) -> None:
        """Raise GTVAutoSegError when CT, output, slices or box cannot be used."""
        check_ct(self.ct)
        check_output(self.output, self.ct)
        _ = self.looked_at
        volume = volume_of(self.ct)
        if self.region is not None:
            self.region.index_box(volume)
        try:
            check_box(volume, self.bundle.info, self.region)
        except InputError as error:
            raise Failure.of(error, "box") from error

    def work(self, folder: RunFolder) -> CtWork:
        """Take the CT from the scene."""
        return CtWork(self, folder)

    def writer(self, folder: RunFolder, _: Volume) -> Callable[[], None]:
        """Writes the box."""
        region = self.region
        return lambda: None if region is None else region.write(folder.box)

    def arguments(self, folder: RunFolder) -> list[str]:
        """Arguments of the worker."""
        arguments = ["segment", "--model", str(self.bundle.path), "--device", self.device]
        arguments += ["--probability", str(folder.probability)]
        if self.threshold is not None:
            arguments += ["--threshold", str(self.threshold)]
        if (looked_at := self.looked_at) is not None:
            arguments += ["--slices", f"{looked_at.start}:{looked_at.stop}"]
        if self.region is not None:
            arguments += ["--box", str(folder.box)]
        return arguments

    def read(self, folder: RunFolder, written: Volume, result: dict[str, Any]) -> Found:
        """Read mask and probability."""
        record = report_of(ResultRecord, result)
        mask = read_mask(folder.mask, written, record.mask_sha256)
        evidence = self._evidence(folder, record)
        tags = {name: value for name, value in evidence.tags(written).items() if value}
        box = Box.of(mask)
        return Found(record, box, (evidence, {**left_tags(box, written), **tags, AUTOMATIC_TAG: pack_box(box)}))

    def put(self, found: Found, _: Volume) -> tuple[Undo | None, Change | None]:
        """Bring the mask into the scene."""
        if found.record.model.digest != self.bundle.digest:
            raise not_valid("the model was changed during the run")
        if not found.box.count:
            return None, None
        check_output(self.output, self.ct)
        evidence, tags = found.more
        slices = self.looked_at
        if slices is not None and (target := self._target()):
            return self._put_into(target, slices, found=found, evidence=evidence)
        info = describe_segment(self.bundle, found.record)
        info = replace(info, tags={**info.tags, **tags, MASK_TAG: found.record.mask_sha256})
        return put_segment(self.output, self.ct, found.box, info), None

    def _target(self) -> str:
        """The result of the last run of the region, edited or not; "" when there is none on this CT."""
        segment_id = our_segments(self.output).get(self.bundle.info.task.roi, "") if self.output is not None else ""
        if not segment_id or not is_result(self.output, segment_id):
            return ""
        return segment_id if is_made_on(self.output, segment_id, self.ct) else ""

    def _put_into(self, target: str, slices: range, *, found: Found, evidence: Evidence) -> tuple[Undo, Change]:
        """Replace the last result on the slices looked at; those of a person stay."""
        volume = volume_of(self.ct)
        before = segment_box(self.output, target, self.ct)
        mine = mine_of_segment(self.output, target, self.ct, before)
        merged = merge_boxes(before, found.box, volume, slices=slices, mine=mine)
        segment = self.output.GetSegmentation().GetSegment(target)
        known = Evidence.of(segment).with_run(evidence, slices, volume)
        tags = {**describe_segment(self.bundle, found.record).tags, **known.tags(volume)}
        undo = change_segment(self.output, target, self.ct, merged, mine=mine, tags=tags)
        return undo, Change.between(before, merged, volume)

    def _evidence(self, folder: RunFolder, record: ResultRecord) -> Evidence:
        looked_at = self.looked_at
        return Evidence(
            read_probability(folder.probability) if folder.probability.exists() else None,
            covered=tuple(looked_at or range(len(record.slice_probability))),
            threshold=None,
            slice_probability=tuple(float("nan") if value is None else value for value in record.slice_probability),
            looked_at=(looked_at.start, looked_at.stop) if looked_at is not None else None,
        )


def _is_plain(slices: range | tuple[int, int]) -> bool:
    return isinstance(slices, range) and slices.step == 1
