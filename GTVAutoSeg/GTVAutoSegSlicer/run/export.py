"""To write segments as a DICOM file: a request to the child process, or done in this one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from GTVAutoSegLib.errors import GTVAutoSegError
from GTVAutoSegLib.images.masks.stored import Stored
from GTVAutoSegLib.report.export.carry_out import carry_out
from GTVAutoSegLib.report.export.exported import Exported
from GTVAutoSegLib.report.export.order import Order, OrderedSegment
from GTVAutoSegLib.system.files import temporary_folder

from ..failures import Failure
from ..scene.export.candidates import Choice
from ..scene.export.ordering import ct_for, order_of
from ..scene.ownership import stored
from .run_folder import RunFolder
from .work import Outcome, report_of

# What the card of an export can tell apart; everything else is a file that was not written.
OWN_CODES = ("segment", "no-dicom", "export", "cancelled")


@dataclass(frozen=True)
class ExportRequest:
    """What to write where, as of the moment at which it is begun.

    Attributes:
        segmentation: vtkMRMLSegmentationNode.
        path: the file.
        ct: the CT; None takes the one the segmentation was made for.
        choices: which segments; () takes the result of the last run of the only region.
        base: a structure set of this CT whose regions are kept beside the new ones.
    """

    segmentation: Any
    path: Path
    ct: Any = None
    choices: Sequence[Choice] = ()
    base: Path | None = None

    @property
    def nodes(self) -> tuple[Any, ...]:
        """Segmentation and CT."""
        return self.segmentation, ct_for(self.segmentation, self.ct)

    @property
    def model_key(self) -> Any:
        """Any worker can do it."""
        return None

    def check(self) -> None:
        """Nothing: beginning finds out."""

    def order(self) -> tuple[Order, list[np.ndarray]]:
        """The order, with the voxels of each segment; raises ExportError."""
        return order_of(self.segmentation, path=self.path, ct=self.ct, choices=self.choices, base=self.base)

    def work(self, folder: RunFolder) -> ExportWork:
        """Take the segments from the scene."""
        return ExportWork(self, folder)


class ExportWork:
    """The segments as they were at the click, on their way into a file.

    Args:
        request: what is asked.
        folder: of the run.

    Raises:
        ExportError: the segments cannot be exported, or the CT's slices are not known.
    """

    is_final = True

    def __init__(self, request: ExportRequest, folder: RunFolder) -> None:
        self._request, self._folder = request, folder
        self._order, self._voxels = request.order()
        self._stamps = self._times()
        self._before = _stamp(request.path)

    @property
    def cancelled(self) -> str:
        """Whether the file was there before the cancel."""
        return self._too_late() or _("The export was cancelled; nothing was written.")

    @property
    def gone(self) -> str:
        """The same."""
        return self._too_late() or _(
            "The CT or the segmentation was removed from the scene, so the export was stopped; nothing was written."
        )

    def write(self, _wanted: Callable[[], bool]) -> None:
        """Write the order."""
        try:
            self._order.write(self._folder.path, self._voxels)
        except OSError as error:
            message = f"The segments could not be written to {self._folder.path.parent}; free some space there."
            raise Failure("export", message, details=str(error)) from error

    def arguments(self) -> list[str]:
        """The folder with the order."""
        return ["export", "--order", str(self._folder.path)]

    def reader(self, result: dict[str, Any]) -> Callable[[Callable[[], bool]], Exported]:
        """Reads what was written."""
        return lambda _: report_of(Exported, result)

    def put(self, exported: Exported) -> Outcome:
        """Say what was written, and what was changed in the meantime."""
        if any(node.GetScene() is None for node in self._request.nodes):
            return Outcome(self._request, exported)
        names = [one.own_name for one, is_same in zip(self._order.segments, self._still()) if not is_same]
        text = _("'{name}' was changed during the export; the file has it as it was before.")
        return Outcome(self._request, exported, remarks=tuple(text.format(name=name) for name in names))

    def failure(self, failure: Failure) -> Failure:
        """An export's own, so that its card offers to export again.

        Where the sentence says it all there are no details: a traceback repeats it, with the name of the CT, and goes
        into a report that others read.
        """
        if failure.code in OWN_CODES:
            return Failure(failure.code, failure.message, failure.hint)
        return Failure("export", failure.message, failure.hint, failure.details)

    def end(self) -> None:
        """Nothing goes on."""

    def _too_late(self) -> str:
        if _stamp(self._request.path) == self._before:
            return ""
        text = _("The export was done before it could be stopped: {path} is there, whole.")
        return text.format(path=self._request.path)

    def _times(self) -> list[int]:
        """When the image was changed last in which each segment lies, maybe with others; 0 without one."""
        name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
        segmentation = self._request.segmentation.GetSegmentation()
        segments = [segmentation.GetSegment(one.segment_id) for one in self._order.segments]
        images = [segment.GetRepresentation(name) if segment is not None else None for segment in segments]
        return [image.GetMTime() if image is not None else 0 for image in images]

    def _still(self) -> list[bool]:
        """Whether each segment has the voxels that were exported."""
        node, ct = self._request.nodes
        return [
            now == before or (now > 0 and _is_same(stored(node, one.segment_id, ct), one, voxels))
            for one, voxels, before, now in zip(self._order.segments, self._voxels, self._stamps, self._times())
        ]


def export_now(request: ExportRequest) -> Exported:
    """Write the file in this process, and wait for it.

    Raises:
        Failure: nothing was written. Its code is "segment", "no-dicom" or "export": a segment, the CT's slices or
            a file is the reason.
    """
    try:
        order, voxels = request.order()
        with temporary_folder() as scratch:
            return carry_out(order, voxels, scratch)
    except GTVAutoSegError as error:
        raise Failure.of(error) from error


def _stamp(path: Path) -> tuple[int, int] | None:
    """What tells a file from one that takes its place; None without a file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _is_same(now: Stored, ordered: OrderedSegment, voxels: np.ndarray) -> bool:
    before = ordered.stored(voxels)
    same_place = now.start == before.start and np.array_equal(now.to_ct, before.to_ct)
    return same_place and np.array_equal(now.voxels != 0, voxels != 0)
