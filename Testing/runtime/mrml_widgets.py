"""The MRML widgets a module panel is made of; the node selector has a file of its own."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtWidgets

from .ctk_numbers import ctkRangeWidget, ctkSliderWidget
from .ctk_widgets import ctkCollapsibleButton, ctkMenuButton
from .node_combobox import qMRMLNodeComboBox
from .qt_classes import stands_for_cpp


@stands_for_cpp
class qMRMLWidget(QtWidgets.QWidget):
    """A widget that knows the scene and passes it on by a signal."""

    sceneChanged = QtCore.Signal(object)
    cpp_signals = {"mrmlSceneChanged(vtkMRMLScene*)": "sceneChanged", "mrmlSceneChanged": "sceneChanged"}

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene: Any = None

    def mrmlScene(self) -> Any:
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        self._scene = scene
        self.mrmlSceneChanged(scene)


@stands_for_cpp
class qSlicerWidget(qMRMLWidget):
    """The same under Slicer's own name."""


class _TakesScene:
    """For widgets that take the scene and do nothing with it here."""

    def setMRMLScene(self, scene: Any) -> None:
        self._scene = scene

    def mrmlScene(self) -> Any:
        return self.__dict__.get("_scene")


@stands_for_cpp
class qMRMLCollapsibleButton(_TakesScene, ctkCollapsibleButton):
    """A collapsible button that takes the scene."""


@stands_for_cpp
class qMRMLSliderWidget(_TakesScene, ctkSliderWidget):
    """A slider that takes the scene for its units."""


@stands_for_cpp
class qMRMLRangeWidget(_TakesScene, ctkRangeWidget):
    """A range that takes the scene for its units."""


@stands_for_cpp
class qMRMLSegmentationShow3DButton(_TakesScene, ctkMenuButton):
    """Shows a segmentation's closed surface in 3D; being toggled creates or hides it, as in Slicer."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.setCheckable(True)
        self.setMenu(QtWidgets.QMenu(self))
        self.connect("toggled(bool)", self._on_toggled)

    def segmentationNode(self) -> Any:
        return self.__dict__.get("_segmentation_node")

    def setSegmentationNode(self, node: Any) -> None:
        self.__dict__["_segmentation_node"] = node
        self.setEnabled(node is not None)

    def _on_toggled(self, shown: bool) -> None:
        node = self.segmentationNode()
        if node is None:
            return
        if shown:
            node.CreateClosedSurfaceRepresentation()
        node.GetDisplayNode().SetVisibility3D(shown)


@stands_for_cpp
class qMRMLPlotView(_TakesScene, QtWidgets.QWidget):
    """A chart: keeps its node and can be told what the user selected."""

    dataSelectedInPython = QtCore.Signal(object, object)
    cpp_signals = {
        "dataSelected(vtkStringArray*,vtkCollection*)": "dataSelectedInPython",
        "dataSelected": "dataSelectedInPython",
    }

    def mrmlPlotViewNode(self) -> Any:
        return self.__dict__.get("_view_node")

    def setMRMLPlotViewNode(self, node: Any) -> None:
        self.__dict__["_view_node"] = node

    def fitToContent(self) -> None:
        pass


@stands_for_cpp
class qMRMLSubjectHierarchyTreeView(_TakesScene, QtWidgets.QTreeView):  # Slicer's own parameterNodeWrapper asks for it
    """A tree of the subject hierarchy; stays empty."""


WIDGETS: dict[str, type] = {
    cls.__name__: cls
    for cls in (
        qMRMLCollapsibleButton,
        qMRMLNodeComboBox,
        qMRMLPlotView,
        qMRMLRangeWidget,
        qMRMLSegmentationShow3DButton,
        qMRMLSliderWidget,
        qMRMLSubjectHierarchyTreeView,
        qMRMLWidget,
        qSlicerWidget,
    )
}
