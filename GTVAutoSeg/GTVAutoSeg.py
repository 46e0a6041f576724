"""GTVAutoSeg: outline the gross tumour volume on a planning CT with one click."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)

try:
    import GTVAutoSegLib
except ModuleNotFoundError:
    # In the source tree the library lies beside this folder, which is all that Slicer puts on the path.
    sys.path.append(str(Path(__file__).resolve().parent.parent))
    import GTVAutoSegLib  # noqa: F401


class GTVAutoSeg(ScriptedLoadableModule):
    """What Slicer shows about the module."""

    def __init__(self, parent: Any) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("GTV Auto Segmentation")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Radiotherapy")]
        self.parent.dependencies = ["Markups", "Segmentations", "SubjectHierarchy", "Terminologies", "Volumes"]
        self.parent.contributors = ["GTVAutoSeg contributors"]
        self.parent.helpText = _(
            "Outlines the gross tumour volume (GTV) on a planning CT: a classifier picks the axial slices that show "
            "tumour, a second network outlines it on those. The result is an ordinary segmentation, to be checked and "
            "corrected in Segment Editor before any use."
        )
        self.parent.acknowledgementText = _(
            "The method is the Heterogeneous Cascade Framework of Shi et al. (2024). Not a medical device."
        )
        # At start-up modules are made before the main window; afterwards the signal will not come any more.
        if slicer.util.mainWindow() is None:
            slicer.app.connect("startupCompleted()", self.register)
        else:
            self.register()

    def register(self) -> None:
        """Tell Slicer about our sample data and our terms."""
        from GTVAutoSegSlicer.slicer_version import too_old

        if too_old():
            return
        from GTVAutoSegSlicer.sample_data import register_sample_data
        from GTVAutoSegSlicer.terminology import load_terminology

        register_sample_data()
        load_terminology()


class GTVAutoSegWidget(ScriptedLoadableModuleWidget):
    """The panel; its parts are in GTVAutoSegSlicer."""

    # None when Slicer is too old, or `setup` failed: then Slicer has said why, and goes on calling the methods below.
    panel: Any = None

    def setup(self) -> None:
        """Build the panel."""
        ScriptedLoadableModuleWidget.setup(self)
        from GTVAutoSegSlicer.slicer_version import too_old

        if reason := too_old():
            self._show_nothing_but(reason)
            return
        from GTVAutoSegSlicer.panel.panel import Panel
        from GTVAutoSegSlicer.resources import resource_path

        widget = slicer.util.loadUI(resource_path("UI/GTVAutoSeg.ui"))
        self.layout.addWidget(widget)
        self.ui = slicer.util.childWidgetVariables(widget)
        widget.setMRMLScene(slicer.mrmlScene)
        self.logic = GTVAutoSegLogic()
        self.panel = Panel(self.ui, self.logic)

    def _show_nothing_but(self, reason: str) -> None:
        import qt

        label = qt.QLabel(reason)
        label.wordWrap = True
        self.layout.addWidget(label)
        self.layout.addStretch(1)

    def enter(self) -> None:
        """The user opens the module."""
        if self.panel is not None:
            self.panel.enter()

    def exit(self) -> None:
        """The user turns to another module; a run goes on."""
        if self.panel is not None:
            self.panel.exit()

    def cleanup(self) -> None:
        """The module is about to go: end the run and leave nothing behind."""
        if self.panel is not None:
            self.panel.cleanup()

    def onReload(self) -> None:
        """Reload our own code with the module."""
        for name in [name for name in sys.modules if name.partition(".")[0] in ("GTVAutoSegLib", "GTVAutoSegSlicer")]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)


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
        from GTVAutoSegSlicer.panel.parameters import GTVAutoSegParameterNode

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
        from GTVAutoSegSlicer.models import find_bundle
        from GTVAutoSegSlicer.run.request import SegmentRequest
        from GTVAutoSegSlicer.run.run import carry_out
        from GTVAutoSegSlicer.scene.steering.box import as_region

        request = SegmentRequest(ct, find_bundle(model), device, output, threshold, slices, as_region(region, ct))
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
        from GTVAutoSegSlicer.models import find_bundle
        from GTVAutoSegSlicer.run.completion import CompletionRequest
        from GTVAutoSegSlicer.run.run import carry_out
        from GTVAutoSegSlicer.scene.ownership import reference_volume
        from GTVAutoSegSlicer.scene.steering.steps import only_segment

        request = CompletionRequest(
            ct or reference_volume(segmentation),
            segmentation,
            segmentID or only_segment(segmentation),
            None if slices is None else tuple(slices),
            first,
            last,
            None if model is None else find_bundle(model),
            device,
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
        from GTVAutoSegSlicer.run.export import ExportRequest, export_now
        from GTVAutoSegSlicer.run.run import carry_out
        from GTVAutoSegSlicer.scene.export.candidates import Choice

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
        from GTVAutoSegSlicer.scene.ownership import reference_volume
        from GTVAutoSegSlicer.scene.record.approval import approve_segment

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
        """Make a case of a data set of an approved outline and its CT, in a child process; without names, and once.

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
        from GTVAutoSegSlicer.run.collecting import CollectRequest
        from GTVAutoSegSlicer.run.run import carry_out
        from GTVAutoSegSlicer.scene.ownership import reference_volume

        ct = ctNode or reference_volume(segmentationNode)
        request = CollectRequest(ct, segmentationNode, segmentID, Path(dataset), accept)
        return carry_out(request, on_finished, on_event, on_line)


class GTVAutoSegTest(ScriptedLoadableModuleTest):
    """Self test in a running Slicer, with or without a window; where PyTorch is installed it runs the model."""

    def setUp(self) -> None:
        """Start from an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """Run all tests; Slicer's button "Reload and Test" comes here."""
        for test in (self.test_panel, self.test_segment_on_voxels, self.test_run_in_child_process):
            self.setUp()
            test()
        self.setUp()

    def test_panel(self) -> None:
        """The panel loads and its big button waits for a CT."""
        widget = slicer.util.getModuleWidget("GTVAutoSeg")
        widget.enter()
        self.assertEqual(widget.ui.segmentButton.text, _("Segment GTV"))
        self.assertFalse(widget.ui.segmentButton.enabled)
        widget.exit()

    def test_segment_on_voxels(self) -> None:
        """A mask lands on the voxels of its CT, with our terms, and one step back removes it."""
        import numpy as np
        from GTVAutoSegSlicer.scene.segmentation import put_segment

        from GTVAutoSegLib.images.segment_info import SegmentInfo

        ct = self._add_ct()
        mask = np.zeros((12, 64, 64), np.uint8)
        mask[3:6, 20:30, 40:45] = 1
        undo = put_segment(None, ct, mask, SegmentInfo(name="GTVp"))
        found = slicer.util.arrayFromSegmentBinaryLabelmap(undo.node, undo.segment_id, ct)
        self.assertTrue(np.array_equal(found, mask))
        self.assertEqual(undo.node.GetName(), "Self test CT GTV")
        undo.restore()
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode"), 0)

    def test_run_in_child_process(self) -> None:
        """The child process answers: with a result where PyTorch is installed, otherwise with the right failure."""
        from importlib.util import find_spec

        from GTVAutoSegLib.errors import GTVAutoSegError

        in_process_before = "torch" in sys.modules
        has_torch = find_spec("torch") is not None and find_spec("safetensors") is not None
        try:
            outcome = GTVAutoSegLogic().segment(self._add_ct(), device="cpu")
        except GTVAutoSegError as error:
            self.assertFalse(has_torch, str(error))
            self.assertEqual(error.code, "torch-missing")
        else:
            self.assertEqual(len(outcome.report.slice_probability), 12)
        self.assertEqual("torch" in sys.modules, in_process_before)

    def _add_ct(self) -> Any:
        import numpy as np

        hu = np.full((12, 64, 64), -1000, np.int16)
        hu[:, 12:52, 8:56] = 40
        return slicer.util.addVolumeFromArray(hu, ijkToRAS=np.diag([-4.0, -4.0, 5.0, 1.0]), name="Self test CT")
