"""One segmentation run: CT node, temporary folder, child process, segmentation node."""

from __future__ import annotations

import operator
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import slicer

from GTVAutoSegLib.cascade.result import ResultRecord, describe_segment
from GTVAutoSegLib.errors import GTVAutoSegError, InputError
from GTVAutoSegLib.images.volume import bounding_box
from GTVAutoSegLib.model.bundle import Bundle
from GTVAutoSegLib.system.tags import MASK_TAG

from ..scene.files import check_ct, holds, read_mask, volume_of, write_ct
from ..scene.history import Undo
from ..scene.segmentation import check_output, put_segment
from .background import Background
from .failures import CANCELLED, Failure, failure_of, not_valid
from .job import Ended
from .kept_worker import KEPT_WORKER
from .poller import Poller
from .run_folder import RunFolder

WAIT_S = 0.02
# A part of a CT takes longer than that only on a disk that is about to fail.
END_S = 5.0
CT_GONE = "The CT or the output was removed from the scene, so the run was stopped."


def _bounds(slices: range | tuple[int, int]) -> tuple[int, int]:
    """The first slice and the one after the last."""
    pair = (slices.start, slices.stop) if isinstance(slices, range) and slices.step == 1 else slices
    try:
        first, stop = map(operator.index, pair)
    except (TypeError, ValueError):
        first = stop = -1
    if isinstance(pair, range) or not 0 <= first < stop:
        raise InputError(
            f"slices is {slices}, expected a range or a pair with 0 <= first < stop; give slices=(40, 80), say, for "
            "the 40 slices from 40 on"
        )
    return first, stop


def ignore(_: Any) -> None:
    """Do nothing with what a callback is told."""


@dataclass(frozen=True)
class Request:
    """What to segment, and how.

    Attributes:
        ct: vtkMRMLScalarVolumeNode.
        bundle: the model.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        output: vtkMRMLSegmentationNode, or None to make one.
        threshold: slice probability from which a slice is segmented, or None for the model's own.
        slices: a range, or the first slice and the one after the last, or None for all.
    """

    ct: Any
    bundle: Bundle
    device: str = "auto"
    output: Any = None
    threshold: float | None = None
    slices: range | tuple[int, int] | None = None


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        request: what was asked for.
        report: what was found; None when the run failed.
        failure: why there is none, or None.
        undo: brings the scene back; holds the segmentation node and the segment's id. None when nothing was found,
            and the scene is then as it was.
    """

    request: Request
    report: ResultRecord | None = None
    failure: Failure | None = None
    undo: Undo | None = None

    @property
    def segmentation(self) -> Any:
        """The segmentation node with the result, or None."""
        return self.undo.node if self.undo else None

    @property
    def segment_id(self) -> str:
        """Id of the segment with the result, or ""."""
        return self.undo.segment_id if self.undo else ""


@dataclass(frozen=True)
class Found:
    """What the worker found, read and checked.

    Attributes:
        record: what it reported.
        mask: uint8 (z, y, x), 0 or 1.
        box: the bounding box of the mask, or None when it is empty.
    """

    record: ResultRecord
    mask: np.ndarray
    box: tuple[slice, slice, slice] | None


class Run:
    """A run in progress. It ends by itself when its CT or its output leaves the scene or Slicer quits.

    Args:
        request: what to do.
        on_event: called with each event of the worker.
        on_line: called with each further line it prints.
        on_finished: called exactly once.

    Raises:
        GTVAutoSegError: the request cannot be carried out; nothing was started.
    """

    def __init__(
        self,
        request: Request,
        on_finished: Callable[[Outcome], None],
        on_event: Callable[[dict[str, Any]], None] = ignore,
        on_line: Callable[[str], None] = ignore,
    ) -> None:
        check_ct(request.ct)
        check_output(request.output, request.ct)
        self._slices = _bounds(request.slices) if request.slices is not None else None
        self.request = request
        self._on_finished = on_finished
        self._gone = self._cancelled = self._finished = False
        self._end: Ended | None = None
        self._writing: Background[None] | None = None
        self._reading: Background[Found] | None = None
        self._folder = RunFolder(Path(slicer.app.temporaryPath))
        try:
            self._written = volume_of(request.ct)
            self._writing = Background(partial(write_ct, self._written, self._folder.ct))
            self._job = KEPT_WORKER.job(
                self._arguments(),
                (request.bundle.path, request.bundle.digest, request.device),
                self._ended,
                on_event=on_event,
                on_line=on_line,
                cancel_file=self._folder.cancel,
                ready=self._is_written,
            )
        except BaseException:
            self._remove_folder()
            raise
        self._poller = Poller(self.poll)
        slicer.app.connect("aboutToQuit()", self.abort)

    def follow(self) -> None:
        """Let Qt's event loop carry the run on."""
        self._poller.start()

    def wait(self) -> None:
        """Carry the run on until it has ended; blocks."""
        while not self.poll():
            time.sleep(WAIT_S)

    def poll(self) -> bool:
        """Carry the run on without waiting; return whether it has ended."""
        if not self._gone and not all(self._is_in_scene(node) for node in (self.request.ct, self.request.output)):
            self._gone = True
            self.abort()
        if self._writing is not None and self._writing.error is not None:  # the child was not asked for anything
            self._job.kill()
        self._job.poll()
        if self._reading is not None and self._reading.done:
            self._finish()
        return self._finished

    def cancel(self) -> None:
        """Ask for the end; it comes within two seconds."""
        self._cancelled = True
        self._job.cancel()

    def abort(self) -> None:
        """End now; when this returns there is neither process nor file."""
        self._cancelled = True
        self._job.kill()
        self._finish()

    def _is_written(self) -> bool:
        return self._writing is not None and self._writing.done and self._writing.error is None

    def _arguments(self) -> list[str]:
        request = self.request
        arguments = ["segment", "--input", str(self._folder.ct), "--output", str(self._folder.mask)]
        arguments += ["--model", str(request.bundle.path), "--device", request.device]
        arguments += ["--cancel-file", str(self._folder.cancel), "--watch-stdin"]
        if request.threshold is not None:
            arguments += ["--threshold", str(request.threshold)]
        if self._slices is not None:
            arguments += ["--slices", "{}:{}".format(*self._slices)]
        return arguments

    @staticmethod
    def _is_in_scene(node: Any) -> bool:
        return node is None or node.GetScene() is not None

    def _ended(self, ended: Ended) -> None:
        """The child is done with it; what it found is read beside the window."""
        self._end = ended
        if failure_of(ended) is not None or self._cancelled:
            self._finish()
            return
        ct = self.request.ct
        voxels = slicer.util.arrayFromVolume(ct) if ct.GetImageData() is not None else None
        self._reading = Background(partial(self._read, ended, voxels))

    def _read(self, ended: Ended, voxels: np.ndarray | None, _wanted: Callable[[], bool]) -> Found:
        record = _read_record(ended.result)
        mask = read_mask(self._folder.mask, self._written, record.mask_sha256)
        if not holds(voxels, self._folder.ct, self._written):
            raise not_valid("the CT was changed during the run")
        return Found(record, mask, bounding_box(mask))

    def _finish(self) -> None:
        if self._finished:
            return
        self._finished = True
        self._poller.stop()
        slicer.app.disconnect("aboutToQuit()", self.abort)
        try:
            outcome = self._outcome()
        except Exception as error:
            # Whatever it was, the caller has to learn that the run is over.
            message = f"the result could not be put into the scene ({type(error).__name__}: {error}); report it"
            outcome = Outcome(self.request, failure=Failure("internal", message, details=traceback.format_exc()))
        finally:
            self._remove_folder()
        self._on_finished(outcome)

    def _remove_folder(self) -> None:
        for background in (self._writing, self._reading):
            if background is not None:
                background.end(END_S)  # Windows removes no open file
        self._folder.remove()
        self._writing = self._reading = None  # they hold voxels

    def _outcome(self) -> Outcome:
        try:
            if self._gone:
                raise Failure("cancelled", CT_GONE)
            if self._writing is not None and self._writing.error is not None:
                raise self._writing.error
            failure = failure_of(self._end) if self._end is not None else None
            if failure is not None:
                raise failure
            if self._cancelled or self._reading is None:
                raise Failure("cancelled", CANCELLED)
            found = self._reading.value()
            return Outcome(self.request, found.record, undo=self._put(found))
        except GTVAutoSegError as error:
            failure = Failure.of(error)
        # Where it came from holds the run, and with it the CT, for as long as the failure is shown.
        failure.__traceback__ = failure.__context__ = failure.__cause__ = None
        return Outcome(self.request, failure=failure)

    def _put(self, found: Found) -> Undo | None:
        """Bring the mask into the scene; None when it is empty."""
        ct, bundle = self.request.ct, self.request.bundle
        if found.record.model.digest != bundle.digest:
            raise not_valid("the model was changed during the run")
        if found.box is None:
            return None
        check_output(self.request.output, ct)
        info = describe_segment(bundle, found.record)
        info = replace(info, tags={**info.tags, MASK_TAG: found.record.mask_sha256})
        return put_segment(self.request.output, ct, found.mask, info, found.box)


def _read_record(result: dict[str, Any] | None) -> ResultRecord:
    """What the worker's "result" event says."""
    try:
        return ResultRecord.from_json(result)
    except ValueError as error:
        raise not_valid(str(error)) from error
