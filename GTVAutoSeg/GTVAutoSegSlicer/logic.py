"""What a script can have done: `GTVAutoSegLogic`, and the panel through it.

Slicer of any age reads this file, so it imports nothing of ours before a method is called.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic


class GTVAutoSegLogic(ScriptedLoadableModuleLogic):
    """Segmentation without a window.

    In a script or in Slicer's Python console::

        logic = slicer.util.getModuleLogic("GTVAutoSeg")
        outcome = logic.segment(ct, model="sts-gtv", device="auto")   # waits; raises GTVAutoSegError
        print(outcome.report.volume_ml, outcome.segmentation, outcome.segment_id)

    With ``on_finished`` the call returns at once and Slicer's event loop carries the run on::

        run = logic.segment(ct, on_finished=lambda outcome: print(outcome.failure or outcome.report))
        run.cancel()
    """

    def getParameterNode(self) -> Any:
        """The panel's state in the scene, typed."""
        from .scene.parameters import GTVAutoSegParameterNode

        return GTVAutoSegParameterNode(super().getParameterNode())

    def segment(
        self,
        ct: Any,
        model: str | Path = "",
        device: str = "auto",
        *,
        output: Any = None,
        threshold: float | None = None,
        slices: range | tuple[int, int] | None = None,
        region: Any = None,
        on_finished: Callable[[Any], None] | None = None,
        on_event: Callable[[dict], None] | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Any:
        """Outline the tumour on a CT, in a child process.

        Args:
            ct: vtkMRMLScalarVolumeNode.
            model: id of a model, or the path of a bundle's folder or .zip; "" takes the first there is.
            device: "auto", "cpu", "cuda", "cuda:1" or "mps".
            output: vtkMRMLSegmentationNode the segment goes to; None makes one named after the CT beside it. The
                result of the last run in it is replaced unless it was edited, renamed or copied since: then it stays,
                and ``outcome.undo.kept`` is its name.
            threshold: slice probability from which a slice is segmented; None takes the model's own.
            slices: look only at these slices, counted as stored: a range, or the first and the one after the last. In
                ``output`` the result of the last run is then replaced on these slices only, and not on those that a
                person drew or changed.
            region: look only in this box: a vtkMRMLMarkupsROINode, or a Region of the library in the CT's own
                coordinates. A turned one counts by its extent along the CT's axes.
            on_finished: called once with the Outcome, whatever happens; without it the call waits.
            on_event: called with each event of the worker: stage, progress, warning, result, error.
            on_line: called with each further line the worker prints.

        Returns:
            The Outcome, or with ``on_finished`` the Run, which has ``cancel()``. An Outcome without a segmentation
            means that no tumour was found; ``report.reason`` says why.

        Raises:
            GTVAutoSegError: the request cannot be carried out, or, when waiting, the run failed.
        """
        from .models import find_bundle
        from .run.request import SegmentRequest
        from .run.run import carry_out
        from .scene.steering.box import as_region

        request = SegmentRequest(
            ct,
            bundle=find_bundle(model),
            device=device,
            output=output,
            threshold=threshold,
            slices=slices,
            region=as_region(region, ct),
        )
        return carry_out(request, on_finished, on_event, on_line)

    def complete(
        self,
        segmentation: Any,
        segmentID: str = "",
        ct: Any = None,
        *,
        slices: Sequence[int] | None = None,
        first: int | None = None,
        last: int | None = None,
        model: str | Path | None = None,
        device: str = "auto",
        on_finished: Callable[[Any], None] | None = None,
        on_event: Callable[[dict], None] | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Any:
        """Complete an outline from some drawn slices, in a child process.

        The drawn slices stay as they are, voxel for voxel; every other slice between the first and the last is outlined
        from its neighbours and the CT. Without PyTorch shapes are interpolated, and a warning says so.

        Args:
            segmentation: vtkMRMLSegmentationNode.
            segmentID: of a segment in it, by whatever name; "" takes the only one.
            ct: vtkMRMLScalarVolumeNode; None takes the one whose grid the segmentation has.
            slices: the drawn slices, counted as stored; None takes those that a person drew or changed.
            first: the tumour's first slice; None to find it.
            last: its last one; the same.
            model: whose classifier finds the ends that are not given; None leaves that to the completer.
            device: as for `segment`.
            on_finished: as for `segment`.
            on_event: as for `segment`.
            on_line: as for `segment`.

        Returns:
            As `segment`; ``report`` is a CompletionRecord, with ``first``, ``last``, ``found`` and ``method``.

        Raises:
            GTVAutoSegError: the request cannot be carried out, or, when waiting, the run failed; nothing was changed.
        """
        from .models import find_bundle
        from .run.completion import CompletionRequest
        from .run.run import carry_out
        from .scene.ownership import reference_volume
        from .scene.steering.steps import only_segment

        request = CompletionRequest(
            ct or reference_volume(segmentation),
            segmentation=segmentation,
            segment_id=segmentID or only_segment(segmentation),
            slices=None if slices is None else tuple(slices),
            first=first,
            last=last,
            bundle=None if model is None else find_bundle(model),
            device=device,
        )
        return carry_out(request, on_finished, on_event, on_line)

    def exportRTSTRUCT(
        self,
        segmentationNode: Any,
        path: str | Path,
        ctNode: Any = None,
        segmentID: str = "",
        *,
        segments: Any = (),
        addTo: str | Path | None = None,
        on_finished: Callable[[Any], None] | None = None,
        on_event: Callable[[dict], None] | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Any:
        """Write segments, as they are now, as a DICOM file that refers to the slices of their CT.

        The file appears only when its contours, read back and filled, give every segment's voxels on the CT.

        Args:
            segmentationNode: vtkMRMLSegmentationNode.
            path: the file; .dcm is a structure set (RTSTRUCT), .seg.dcm a segmentation (SEG). One already there is
                replaced, unless it was approved.
            ctNode: the CT, loaded from DICOM with its files still known to Slicer's DICOM database; None takes the
                one the segmentation was made for.
            segmentID: which segment; "" takes the result of the last run of the only region.
            segments: several segments instead: ids, or `Choice` with id, name and type.
            addTo: a structure set of this CT; the file then holds its regions, as they are, and the new ones.
            on_finished: called once with the Outcome; the call then returns at once, and a child process writes the
                file. Without it the call writes the file itself, and waits.
            on_event: as for `segment`.
            on_line: as for `segment`.

        Returns:
            The Exported, or with ``on_finished`` the Run; its Outcome has the Exported as ``report``. It has ``path``,
            ``regions`` and ``approved``. The algorithm of a region is AUTOMATIC, SEMIAUTOMATIC when the segment is not
            as the run left it, and "" when no run made it.

        Raises:
            GTVAutoSegError: nothing was written; its sentence says why.
        """
        from .run.export import ExportRequest, export_now
        from .run.run import carry_out
        from .scene.export.candidates import Choice

        wanted = segments or ((segmentID,) if segmentID else ())
        choices = tuple(Choice(one) if isinstance(one, str) else one for one in wanted)
        base = Path(addTo).absolute() if addTo else None
        request = ExportRequest(segmentationNode, Path(path).absolute(), ct=ctNode, choices=choices, base=base)
        if on_finished is None:
            return export_now(request)
        return carry_out(request, on_finished, on_event, on_line)

    def approve(self, segmentationNode: Any, segmentID: str, reviewer: str, ctNode: Any = None) -> Any:
        """Put a qualified person's approval on a segment as it is; it lapses when a voxel changes.

        Args:
            segmentationNode: vtkMRMLSegmentationNode.
            segmentID: of a segment in it.
            reviewer: name of the person who has looked at every slice.
            ctNode: the CT; None takes the one the segmentation was made for.

        Raises:
            GTVAutoSegError: the name does not fit, or there is no outline on the CT.
        """
        from .scene.ownership import reference_volume
        from .scene.record.approval import approve_segment

        return approve_segment(segmentationNode, segmentID, ctNode or reference_volume(segmentationNode), reviewer)

    def collect(
        self,
        segmentationNode: Any,
        segmentID: str,
        dataset: str | Path,
        ctNode: Any = None,
        *,
        accept: bool = False,
        on_finished: Callable[[Any], None] | None = None,
        on_event: Callable[[dict], None] | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Any:
        """Make an approved outline and its CT a case of a data set, in a child process; without names, and once.

        Args:
            segmentationNode: vtkMRMLSegmentationNode.
            segmentID: of a segment in it.
            dataset: folder of the data set, made if need be.
            ctNode: the CT; None takes the one the segmentation was made for.
            accept: take the outline although nobody has approved it.
            on_finished: as for `segment`.
            on_event: as for `segment`.
            on_line: as for `segment`.

        Returns:
            As `segment`; ``report`` has ``folder``, ``what`` ("added", "replaced" or "there") and ``case``.

        Raises:
            GTVAutoSegError: the request cannot be carried out, or, when waiting, the run failed.
        """
        from .run.collecting import CollectRequest
        from .run.run import carry_out
        from .scene.ownership import reference_volume

        ct = ctNode or reference_volume(segmentationNode)
        request = CollectRequest(
            ct, segmentation=segmentationNode, segment_id=segmentID, dataset=Path(dataset), accepted=accept
        )
        return carry_out(request, on_finished, on_event, on_line)
