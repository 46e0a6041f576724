"""The test runtime itself: it has to run a module and to notice what Slicer would only print."""

from __future__ import annotations

import textwrap

import numpy as np
import pytest

UI = """<?xml version="1.0" encoding="UTF-8"?>
<ui version="4.0">
 <class>Sample</class>
 <widget class="qMRMLWidget" name="Sample">
  <layout class="QVBoxLayout">
   <item><widget class="ctkCollapsibleButton" name="inputs">
     <property name="text"><string>Inputs</string></property>
     <layout class="QFormLayout">
      <item row="0" column="0"><widget class="QLabel" name="label">
        <property name="text"><string>CT:</string></property></widget></item>
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
    (tmp_path / "Sample.py").write_text(textwrap.dedent(MODULE))
    return load_module(tmp_path / "Sample.py")


def add_volume(name="CT"):
    import slicer

    return slicer.util.addVolumeFromArray(np.zeros((3, 4, 5), np.int16), name=name)


def test_a_module_is_loaded_and_its_button_clicked(sample, slicer_runtime):
    volume = add_volume()
    sample.widget.ui.ctSelector.setCurrentNode(volume)
    sample.widget.ui.applyButton.click()
    assert sample.widget.clicks == [volume]
    assert sample.parent.title == "Sample"
