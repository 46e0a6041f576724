"""The scene and the module logics: Slicer's own C++ classes, put together as the application does."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import slicer
import vtk

# Module name -> the class of its logic. A logic reads its files when it gets the scene.
LOGIC_CLASSES = {
    "Cameras": "vtkSlicerCamerasModuleLogic",
    "CropVolume": "vtkSlicerCropVolumeLogic",
    "Data": "vtkSlicerDataModuleLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Models": "vtkSlicerModelsLogic",
    "Plots": "vtkSlicerPlotsLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "Sequences": "vtkSlicerSequencesLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Terminologies": "vtkSlicerTerminologiesModuleLogic",
    "Texts": "vtkSlicerTextsLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "Units": "vtkSlicerUnitsLogic",
    "ViewControllers": "vtkSlicerViewControllersLogic",
    "VolumeRendering": "vtkSlicerVolumeRenderingLogic",
    "Volumes": "vtkSlicerVolumesLogic",
}


# Stand-ins for Slicer's stock term lists, which the wheel does not have: the same names, a few of the codes.
_TERMINOLOGIES = Path(__file__).parent / "terminologies"


class Mrml:
    """The scene, the application logic and the logic of each module."""

    def __init__(self) -> None:
        self.scene = slicer.vtkMRMLScene()
        self.application_logic = slicer.vtkSlicerApplicationLogic()
        self.application_logic.SetMRMLScene(self.scene)
        self._add_colors()
        self.application_logic.SetSliceLogics(vtk.vtkCollection())
        self.application_logic.SetViewLogics(vtk.vtkCollection())
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(self.scene, True)
        self.logics = {"Colors": self.application_logic.GetColorLogic()}
        self.application_logic.SetModuleLogic("Colors", self.logics["Colors"])  # the Volumes logic asks for it by name
        for name, class_name in LOGIC_CLASSES.items():
            self.logics[name] = self._make_logic(name, class_name)
        self._connect_data_io()
        self._subject_hierarchy = SubjectHierarchyPlugins(self.scene)
        self.add_singletons()

    def add_singletons(self) -> None:
        """The nodes every scene of the application has; closing a scene does not remove them."""
        if self.scene.GetSingletonNode("default", "vtkMRMLCrosshairNode") is None:
            crosshair = slicer.vtkMRMLCrosshairNode()
            crosshair.SetCrosshairName("default")
            self.scene.AddNode(crosshair)
        if self.scene.GetFirstNodeByClass("vtkMRMLSelectionNode") is None:
            self.scene.AddNode(slicer.vtkMRMLSelectionNode())
        if self.scene.GetFirstNodeByClass("vtkMRMLInteractionNode") is None:
            self.scene.AddNode(slicer.vtkMRMLInteractionNode())

    def _add_colors(self) -> None:
        colors = self.application_logic.GetColorLogic()
        colors.SetMRMLScene(self.scene)
        colors.AddDefaultColorNodes()

    def _make_logic(self, name: str, class_name: str) -> Any:
        logic = getattr(slicer, class_name)()
        if name == "Terminologies":
            logic.SetModuleShareDirectory(str(_TERMINOLOGIES))
        logic.SetMRMLApplicationLogic(self.application_logic)
        logic.SetMRMLScene(self.scene)
        self.application_logic.SetModuleLogic(name, logic)
        return logic

    def _connect_data_io(self) -> None:
        """Without these two logics every read from an .mrb fails."""
        remote_io = slicer.vtkMRMLRemoteIOLogic()
        remote_io.SetMRMLScene(self.scene)
        remote_io.GetCacheManager().SetRemoteCacheDirectory(tempfile.mkdtemp(prefix="slicer-cache-"))
        data_io = slicer.vtkDataIOManagerLogic()
        data_io.SetMRMLApplicationLogic(self.application_logic)
        data_io.SetAndObserveDataIOManager(remote_io.GetDataIOManager())
        self.application_logic.SetMRMLSceneDataIO(self.scene, remote_io, data_io)
        self._data_io = (remote_io, data_io)


class SubjectHierarchyPlugins:
    """Makes a subject hierarchy item for every data node, as Slicer's plugins do."""

    # Node class -> owner plugin; the first that fits.
    OWNERS = (
        ("vtkMRMLSegmentationNode", "Segmentations"),
        ("vtkMRMLLabelMapVolumeNode", "LabelMaps"),
        ("vtkMRMLVolumeNode", "Volumes"),
        ("vtkMRMLModelNode", "Models"),
        ("vtkMRMLMarkupsNode", "Markups"),
        ("vtkMRMLTransformNode", "Transforms"),
        ("vtkMRMLTableNode", "Tables"),
        ("vtkMRMLPlotChartNode", "Plots"),
        ("vtkMRMLTextNode", "Texts"),
    )

    def __init__(self, scene: Any) -> None:
        self.scene = scene

        @vtk.calldata_type(vtk.VTK_OBJECT)
        def on_added(_scene: Any, _event: str, node: Any) -> None:
            if not scene.IsImporting():
                self.add_item(node)

        @vtk.calldata_type(vtk.VTK_OBJECT)
        def on_removed(_scene: Any, _event: str, node: Any) -> None:
            if not scene.IsClosing():
                self.remove_item(node)

        scene.AddObserver(scene.NodeAddedEvent, on_added)
        scene.AddObserver(scene.NodeAboutToBeRemovedEvent, on_removed)
        scene.AddObserver(scene.EndImportEvent, lambda *_: self.add_missing_items())
        scene.AddObserver(scene.EndCloseEvent, lambda *_: self._hierarchy())  # closing has removed it: make a new one
        self._hierarchy()

    def add_missing_items(self) -> None:
        for index in range(self.scene.GetNumberOfNodes()):
            self.add_item(self.scene.GetNthNode(index))

    def add_item(self, node: Any) -> None:
        owner = self._owner(node)
        if owner is None or node.GetHideFromEditors():
            return
        hierarchy = self._hierarchy()
        if not hierarchy.GetItemByDataNode(node):
            item = hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)
            hierarchy.SetItemOwnerPluginName(item, owner)

    def remove_item(self, node: Any) -> None:
        if self._owner(node) is None:
            return
        hierarchy = self._hierarchy()
        item = hierarchy.GetItemByDataNode(node)
        if item:
            hierarchy.RemoveItem(item, False)

    def _hierarchy(self) -> Any:
        return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self.scene)

    def _owner(self, node: Any) -> str | None:
        return next((owner for class_name, owner in self.OWNERS if node.IsA(class_name)), None)
