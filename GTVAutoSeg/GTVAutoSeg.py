"""GTVAutoSeg: outline the gross tumour volume on a planning CT with one click."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)

try:
    import GTVAutoSegLib
except ModuleNotFoundError:
    # In the source tree the library lies beside this folder, which is all that Slicer puts on the path.
    sys.path.append(str(Path(__file__).resolve().parent.parent))
    import GTVAutoSegLib  # noqa: F401

from GTVAutoSegSlicer.logic import GTVAutoSegLogic


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
        from GTVAutoSegSlicer.scene.terminology import load_terminology

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

        self._content = slicer.util.loadUI(resource_path("UI/GTVAutoSeg.ui"))
        self.layout.addWidget(self._content)
        self.ui = slicer.util.childWidgetVariables(self._content)
        self._content.setMRMLScene(slicer.mrmlScene)
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
        """The module is about to go: end the run and leave nothing behind.

        Slicer hides the widgets of a module that it reloads; what they are connected to would live as long as they do.
        """
        if self.panel is not None:
            self.panel.cleanup()
            self.panel = None
            self._content.deleteLater()

    def onReload(self) -> None:
        """Reload our own code with the module."""
        for name in [name for name in sys.modules if name.partition(".")[0] in ("GTVAutoSegLib", "GTVAutoSegSlicer")]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)


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
