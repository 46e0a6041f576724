"""The test runtime itself: it has to run a module and to notice what Slicer would only print."""

from __future__ import annotations

import shutil
import subprocess
import sys

import numpy as np
import pytest

from Testing.runtime.errors_caught import CONNECT, LEAK, OBSERVER, SLOT, USER_INTERFACE, VTK_ERROR

UI = """<?xml version="1.0" encoding="UTF-8"?>
<ui version="4.0">
 <class>Sample</class>
 <widget class="qMRMLWidget" name="Sample">
  <layout class="QVBoxLayout">
   <item><widget class="ctkCollapsibleButton" name="inputs">
     <property name="text"><string>Inputs</string></property>
     <layout class="QFormLayout">
      <item row="0" column="0"><widget class="QLabel" name="label">
        <property name="text"><string>CT:</string></property>
        <property name="buddy"><cstring>ctSelector</cstring></property></widget></item>
      <item row="0" column="1"><widget class="qMRMLNodeComboBox" name="ctSelector">
        <property name="nodeTypes"><stringlist><string>vtkMRMLScalarVolumeNode</string></stringlist></property>
        <property name="noneEnabled"><bool>true</bool></property>
        <property name="SlicerParameterName" stdset="0"><string>ct</string></property></widget></item>
      <item row="1" column="1"><widget class="ctkSliderWidget" name="threshold">
        <property name="SlicerParameterName" stdset="0"><string>threshold</string></property></widget></item>
     </layout></widget></item>
   <item><widget class="QPushButton" name="applyButton">
     <property name="text"><string>Apply</string></property></widget></item>
  </layout>
 </widget>
 <connections>
  <connection><sender>Sample</sender><signal>mrmlSceneChanged(vtkMRMLScene*)</signal>
   <receiver>ctSelector</receiver><slot>setMRMLScene(vtkMRMLScene*)</slot></connection>
 </connections>
</ui>
"""

MODULE = """
from typing import Annotated, Optional
import qt, slicer
from slicer import vtkMRMLScalarVolumeNode
from slicer.ScriptedLoadableModule import *
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.util import VTKObservationMixin


class Sample(ScriptedLoadableModule):
    def __init__(self, parent):
        super().__init__(parent)
        self.parent.title = _("Sample")


@parameterNodeWrapper
class SampleParameterNode:
    ct: Optional[vtkMRMLScalarVolumeNode]
    threshold: Annotated[float, WithinRange(0, 1)] = 0.5


class SampleWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.clicks = []

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        self.uiWidget = slicer.util.loadUI(self.resourcePath("UI/Sample.ui"))
        self.layout.addWidget(self.uiWidget)
        self.ui = slicer.util.childWidgetVariables(self.uiWidget)
        self.uiWidget.setMRMLScene(slicer.mrmlScene)
        self.ui.applyButton.connect("clicked(bool)", self.onApply)
        self.parameters = SampleParameterNode(SampleLogic().getParameterNode())
        self.guiTag = self.parameters.connectGui(self.ui)

    def cleanup(self):
        self.parameters.disconnectGui(self.guiTag)
        self.removeObservers()

    def onApply(self):
        self.clicks.append(self.ui.ctSelector.currentNode())


class SampleLogic(ScriptedLoadableModuleLogic):
    pass
"""


@pytest.fixture
def sample(tmp_path, load_module):
    (tmp_path / "Resources" / "UI").mkdir(parents=True)
    (tmp_path / "Resources" / "UI" / "Sample.ui").write_text(UI)
    (tmp_path / "Sample.py").write_text(MODULE)
    return load_module(tmp_path / "Sample.py")


def add_volume(name="CT"):
    import slicer

    return slicer.util.addVolumeFromArray(np.zeros((3, 4, 5), np.int16), name=name)


def test_a_module_is_loaded_and_its_button_clicked(sample):
    volume = add_volume()
    sample.widget.ui.ctSelector.setCurrentNode(volume)
    sample.widget.ui.applyButton.click()
    assert sample.widget.clicks == [volume]
    assert sample.parent.title == "Sample"


def test_an_exception_in_a_slot_is_recorded_and_the_next_slot_still_runs(slicer_runtime):
    import qt

    button, ran = qt.QPushButton("x"), []
    button.connect("clicked()", lambda: 1 / 0)
    button.connect("clicked()", lambda: ran.append(True))
    button.click()
    assert ran == [True]
    assert "ZeroDivisionError" in slicer_runtime.errors.take(SLOT)[0]


def test_a_connection_to_a_signal_that_does_not_exist_is_recorded(slicer_runtime):
    import qt

    assert qt.QPushButton("x").connect("clicked(int)", print) is False
    assert slicer_runtime.errors.take(CONNECT) == ["QPushButton has no signal clicked(int)"]


def test_a_vtk_error_is_recorded(slicer_runtime):
    slicer_runtime.scene.AddNewNodeByClass("vtkMRMLNoSuchNode")
    assert "vtkMRMLNoSuchNode" in "".join(slicer_runtime.errors.take(VTK_ERROR))


def test_an_exception_in_a_vtk_observer_is_recorded(slicer_runtime):
    node = add_volume()
    tag = node.AddObserver("ModifiedEvent", lambda *_: 1 / 0)
    node.Modified()
    node.RemoveObserver(tag)
    assert "ZeroDivisionError" in slicer_runtime.errors.take(OBSERVER)[0]


def test_what_was_recorded_fails_the_test_and_what_was_taken_does_not(slicer_runtime):
    from Testing.runtime.pytest_fixtures import fail_if_anything_was_caught

    slicer_runtime.errors.record(SLOT, "something")
    with pytest.raises(pytest.fail.Exception, match="exception in a slot: something"):
        fail_if_anything_was_caught(slicer_runtime.errors)
    fail_if_anything_was_caught(slicer_runtime.errors)


@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        ("QPushButton", "QPushButtonn", "unknown class QPushButtonn"),
        ('property name="noneEnabled"', 'property name="noneEnabledd"', "has no property noneEnabledd"),
        ("setMRMLScene(vtkMRMLScene*)", "setScene(vtkMRMLScene*)", "cannot connect Sample.mrmlSceneChanged"),
        ("setMRMLScene(vtkMRMLScene*)", "setMRMLScene(int)", "cannot connect Sample.mrmlSceneChanged"),
        ("<cstring>ctSelector", "<cstring>nobody", "buddy nobody"),
        ("<receiver>ctSelector", "<receiver>nobody", "cannot connect Sample.mrmlSceneChanged"),
    ],
)
def test_a_mistake_in_a_ui_file_is_recorded(slicer_runtime, tmp_path, right, wrong, complaint):
    import slicer

    assert right in UI
    (tmp_path / "x.ui").write_text(UI.replace(right, wrong))
    slicer.util.loadUI(str(tmp_path / "x.ui"))
    assert any(complaint in message for message in slicer_runtime.errors.take(USER_INTERFACE))


def test_a_timer_and_a_process_left_running_are_found(slicer_runtime):
    import qt

    from Testing.runtime.leaks import Leaks

    leaks, timer = Leaks(), qt.QTimer()
    timer.start(60_000)
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    leaks.check(slicer_runtime.errors)
    timer.stop()
    process.kill()
    process.wait()
    found = slicer_runtime.errors.take(LEAK)
    assert any("60000 ms" in message for message in found)
    assert any(str(process.pid) in message for message in found)


def test_the_panel_and_the_parameter_node_follow_each_other(sample):
    volume = add_volume()
    sample.widget.ui.ctSelector.setCurrentNode(volume)
    sample.widget.ui.threshold.value = 0.25
    parameters = sample.widget.parameters
    assert (parameters.ct, parameters.threshold) == (volume, 0.25)
    parameters.threshold = 0.75
    parameters.ct = None
    assert sample.widget.ui.threshold.value == 0.75
    assert sample.widget.ui.ctSelector.currentNode() is None


def test_a_value_outside_the_range_of_a_parameter_is_refused(sample):
    with pytest.raises(ValueError, match="within"):
        sample.widget.parameters.threshold = 1.5
    with pytest.raises(TypeError, match="threshold"):
        sample.widget.parameters.threshold = "0.5"
    assert sample.widget.parameters.threshold == 0.5


def test_parameters_come_back_with_the_saved_scene(sample, tmp_path):
    import slicer

    sample.widget.parameters.ct = add_volume("planning CT")
    sample.widget.parameters.threshold = 0.125
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    sample.widget.parameters.disconnectGui(sample.widget.guiTag)
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    loaded = sample.source.SampleParameterNode(sample.source.SampleLogic().getParameterNode())
    assert loaded.threshold == 0.125
    assert loaded.ct.GetName() == "planning CT"


def test_a_widget_that_slicer_has_no_connector_for_is_refused(sample):
    import ctk

    with pytest.raises(RuntimeError, match="ctkComboBox"):
        sample.widget.parameters.connectParametersToGui({"threshold": ctk.ctkComboBox()})


def test_the_node_selector_follows_the_scene(slicer_runtime):
    import slicer

    selector, changes = slicer.qMRMLNodeComboBox(), []
    selector.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    selector.setMRMLScene(slicer.mrmlScene)
    selector.connect("currentNodeChanged(vtkMRMLNode*)", changes.append)
    first, second = add_volume("a"), add_volume("b")
    assert (selector.currentNode(), selector.nodeCount()) == (first, 2)
    second.SetName("renamed")
    assert selector.comboBox().itemText(1) == "renamed"
    slicer.mrmlScene.RemoveNode(first)
    assert selector.currentNode() is second
    slicer.mrmlScene.Clear(0)
    assert selector.currentNode() is None
    assert changes == [first, second, None]
    selector.setMRMLScene(None)


def test_closing_the_scene_is_told_to_observers(slicer_runtime):
    import slicer

    observer, heard = slicer.util.VTKObservationMixin(), []
    observer.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, lambda *_: heard.append("start"))
    observer.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, lambda *_: heard.append("end"))
    slicer.mrmlScene.Clear(0)
    observer.removeObservers()
    assert heard == ["start", "end"]


def test_a_module_is_reloaded_from_its_changed_source(sample, tmp_path):
    import slicer

    (tmp_path / "Sample.py").write_text(MODULE.replace("self.clicks = []", "self.clicks = ['reloaded']"))
    slicer.util.reloadScriptedModule("Sample")
    assert slicer.modules.SampleWidget.clicks == ["reloaded"]
    assert slicer.modules.sample.widgetRepresentation().self() is slicer.modules.SampleWidget


def test_messages_are_recorded_and_questions_answered(slicer_runtime):
    import slicer

    slicer.util.errorDisplay("it failed", detailedText="because")
    slicer_runtime.dialogs.answers.extend([False, True])
    assert [slicer.util.confirmYesNoDisplay("sure?"), slicer.util.confirmOkCancelDisplay("really?")] == [False, True]
    shown = slicer_runtime.dialogs.shown
    assert [(message.level, message.text) for message in shown] == [
        ("error", "it failed"),
        ("question", "sure?"),
        ("question", "really?"),
    ]
    assert shown[0].details == "because"


def test_file_dialogs_get_the_files_a_test_has_named_and_are_cancelled_otherwise(slicer_runtime, tmp_path):
    import qt

    slicer_runtime.dialogs.files.append(tmp_path / "a.dcm")
    assert qt.QFileDialog.getSaveFileName(None, "Save", "start", "*.dcm") == str(tmp_path / "a.dcm")
    assert qt.QFileDialog.getOpenFileName(None, "Open") == ""
    assert slicer_runtime.dialogs.texts("file") == ["Save", "Open"]


def test_a_question_in_testing_mode_looks_refused_as_in_slicer(slicer_runtime):
    import slicer

    slicer.app.testing = True
    assert slicer.util.confirmOkCancelDisplay("sure?") is False


def test_selecting_a_module_enters_it(sample, slicer_runtime):
    import slicer

    slicer.util.selectModule("Sample")
    assert slicer.util.mainWindow().moduleSelector().history == ["Sample"]
    with pytest.raises(RuntimeError):
        slicer.util.selectModule("NoSuchModule")


def test_a_child_process_runs_in_the_same_environment(slicer_runtime):
    import slicer

    from Testing.runtime import process_events_until

    lines, codes = [], []
    slicer.util.launchConsoleProcess(
        [shutil.which("PythonSlicer"), "-c", "import sys; print(sys.prefix)"],
        blocking=False,
        logCallback=lines.append,
        completedCallback=codes.append,
    )
    assert process_events_until(lambda: codes)
    assert (codes, lines) == ([0], [sys.prefix])


def test_packages_are_looked_up_and_never_installed(slicer_runtime):
    import slicer

    assert slicer.packaging.pip_check("numpy>=1.0")
    assert not slicer.packaging.pip_check("numpy>=1000")
    slicer.packaging.missing.add("torch")
    slicer.packaging.pip_ensure(["torch>=2.4", "numpy"], requester="Sample")
    assert slicer.packaging.calls == [("install", ["torch>=2.4"])]
    assert slicer_runtime.dialogs.texts("question") == ["Sample needs to install: torch>=2.4"]


def test_a_declined_or_failed_installation_is_told(slicer_runtime):
    import slicer

    slicer.packaging.missing.add("torch")
    slicer_runtime.dialogs.answers.append(False)
    with pytest.raises(RuntimeError, match="declined"):
        slicer.packaging.pip_ensure("torch")
    slicer.packaging.return_code = 1
    with pytest.raises(subprocess.CalledProcessError):
        slicer.packaging.pip_ensure("torch", prompt_install=False)
