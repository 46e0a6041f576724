"""``qMRMLNodeComboBox``: the selector that lists the scene's nodes of some types and follows the scene."""

from __future__ import annotations

from typing import Any

import vtk
from PySide6 import QtCore, QtWidgets

from .ctk_widgets import ctkComboBox
from .qt_classes import stands_for_cpp
from .widget_properties import value_properties


class Observations:
    """The observers a widget has set; they have to end with the widget's C++ part, which Python can outlive."""

    def __init__(self) -> None:
        self._tags: list[tuple[Any, int]] = []

    def add(self, observed: Any, event: Any, callback: Any) -> None:
        self._tags.append((observed, observed.AddObserver(event, callback)))

    def remove_all(self) -> None:
        self.remove([observed for observed, _ in self._tags])

    def remove(self, several: list[Any]) -> None:
        """Let go of these, which nothing else may hold any more."""
        for observed, tag in self._tags:
            if observed in several:
                observed.RemoveObserver(tag)
        self._tags = [(observed, tag) for observed, tag in self._tags if observed not in several]


@stands_for_cpp
class qMRMLNodeComboBox(QtWidgets.QWidget):
    """A combo box of nodes.

    The first node to appear becomes the current one unless None is allowed. When the current node is about to leave the
    scene the choice falls back to None, or to the neighbour where None is not allowed: whoever is told of it still
    finds the node in the scene.
    """

    nodeChanged = QtCore.Signal(object)
    hasNodeChanged = QtCore.Signal(bool)
    currentNodeIDChanged = QtCore.Signal(str)
    activatedByUser = QtCore.Signal(object)
    addedToScene = QtCore.Signal(object)
    addedByUser = QtCore.Signal(object)
    cpp_signals = {
        "currentNodeChanged(vtkMRMLNode*)": "nodeChanged",
        "currentNodeChanged": "nodeChanged",
        "currentNodeChanged(bool)": "hasNodeChanged",
        "nodeActivated(vtkMRMLNode*)": "activatedByUser",
        "nodeActivated": "activatedByUser",
        "nodeAdded(vtkMRMLNode*)": "addedToScene",
        "nodeAdded": "addedToScene",
        "nodeAddedByUser(vtkMRMLNode*)": "addedByUser",
        "nodeAddedByUser": "addedByUser",
    }

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene: Any = None
        self._current: Any = None
        self._listed: list[Any] = []  # the node of each row, None for the row "None"
        self._leaving: Any = None  # the node that is about to be removed
        self._attributes: dict[tuple[str, str], str | None] = {}
        self._observations = Observations()
        self.connect("destroyed()", self._observations.remove_all)
        self._combo = ctkComboBox(self)
        self._combo.elideMode = QtCore.Qt.TextElideMode.ElideMiddle
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._combo)
        self._combo.connect("activated(int)", self._on_activated)

    locals().update(
        value_properties(
            nodeTypes=("QStringList", []),
            noneEnabled=(bool, False),
            noneDisplay=(str, "None"),
            addEnabled=(bool, True),
            removeEnabled=(bool, True),
            renameEnabled=(bool, False),
            editEnabled=(bool, False),
            showHidden=(bool, False),
            showChildNodeTypes=(bool, True),
            selectNodeUponCreation=(bool, True),
            baseName=(str, ""),
            interactionNodeSingletonTag=(str, ""),
        )
    )

    def mrmlScene(self) -> Any:
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        self._observations.remove_all()
        self._scene = scene
        if scene is not None:
            self._follow(scene)
        self._refresh()

    def currentNode(self) -> Any:
        return self._current

    def setCurrentNode(self, node: Any) -> None:
        if isinstance(node, str):
            node = self._scene.GetNodeByID(node) if self._scene is not None and node else None
        self._refresh()
        self._choose(node if node in self._listed else None)

    def setCurrentNodeID(self, node_id: str) -> None:
        self.setCurrentNode(node_id or None)

    currentNodeID = QtCore.Property(
        str, lambda self: self._current.GetID() if self._current is not None else "", setCurrentNodeID
    )

    def setCurrentNodeIndex(self, index: int) -> None:
        self._choose([node for node in self._listed if node is not None][index] if index >= 0 else None)

    def addNode(self, class_name: str = "") -> Any:
        """Create a node as the menu entry "Create new" does."""
        class_name = class_name or self.nodeTypes[0]
        base = self.baseName or class_name.removeprefix("vtkMRML").removesuffix("Node")
        node = self._scene.AddNewNodeByClass(class_name, self._scene.GenerateUniqueName(base))
        self.nodeAddedByUser(node)
        if self.selectNodeUponCreation:
            self.setCurrentNode(node)
        return node

    def addAttribute(self, node_type: str, name: str, value: str | None = None) -> None:
        """List only nodes of this type that have the attribute (with this value)."""
        self._attributes[(node_type, name)] = value
        self._refresh()

    def removeAttribute(self, node_type: str, name: str) -> None:
        self._attributes.pop((node_type, name), None)
        self._refresh()

    def nodeCount(self) -> int:
        return sum(node is not None for node in self._listed)

    def nodeFromIndex(self, index: int) -> Any:
        return [node for node in self._listed if node is not None][index]

    def comboBox(self) -> QtWidgets.QComboBox:
        return self._combo

    def _value_changed(self, _name: str, _value: Any) -> None:
        self._refresh()

    def _follow(self, scene: Any) -> None:
        @vtk.calldata_type(vtk.VTK_OBJECT)
        def on_added(_scene: Any, _event: str, node: Any) -> None:
            self._refresh()
            if node in self._listed:
                self._follow_name(node)
                self.nodeAdded(node)

        @vtk.calldata_type(vtk.VTK_OBJECT)
        def on_leaving(_scene: Any, _event: str, node: Any) -> None:
            if node in self._listed and not scene.IsBatchProcessing():
                self._leaving = node
                self._refresh()
                self._leaving = None

        self._observations.add(scene, scene.NodeAddedEvent, on_added)
        self._observations.add(scene, scene.NodeAboutToBeRemovedEvent, on_leaving)
        for event in (scene.NodeRemovedEvent, scene.EndCloseEvent, scene.EndImportEvent, scene.EndBatchProcessEvent):
            self._observations.add(scene, event, lambda *_: self._refresh())
        for index in range(scene.GetNumberOfNodes()):
            if self._is_listed(scene.GetNthNode(index)):
                self._follow_name(scene.GetNthNode(index))

    def _follow_name(self, node: Any) -> None:
        self._observations.add(node, vtk.vtkCommand.ModifiedEvent, lambda *_: self._rename())

    def _is_listed(self, node: Any) -> bool:
        if node is self._leaving:
            return False
        if node.GetHideFromEditors() and not self.showHidden:
            return False
        if not any(node.GetClassName() == t or (self.showChildNodeTypes and node.IsA(t)) for t in self.nodeTypes):
            return False
        for (node_type, name), value in self._attributes.items():
            if node.IsA(node_type) and (
                node.GetAttribute(name) is None or value not in (None, "", node.GetAttribute(name))
            ):
                return False
        return True

    def _refresh(self) -> None:
        """List the scene's nodes anew and keep, drop or make the choice."""
        before = self._listed
        nodes = []
        if self._scene is not None:
            every = (self._scene.GetNthNode(i) for i in range(self._scene.GetNumberOfNodes()))
            nodes = [node for node in every if self._is_listed(node)]
        self._listed = ([None] if self.noneEnabled else []) + nodes
        self._observations.remove([node for node in before if node is not None and node not in nodes])
        self._combo.blockSignals(True)
        self._combo.clear()
        self._combo.addItems([self.noneDisplay if node is None else node.GetName() or "" for node in self._listed])
        self._combo.blockSignals(False)
        self._choose(self._choice_after(before, nodes))

    def _choice_after(self, before: list, nodes: list) -> Any:
        if self._current in nodes or self.noneEnabled or not nodes:
            return self._current if self._current in nodes else None
        if self._current is None:
            return nodes[0] if not before else None
        row = before.index(self._current) if self._current in before else 0
        return nodes[min(row, len(nodes) - 1)]

    def _rename(self) -> None:
        for row, node in enumerate(self._listed):
            if node is not None:
                self._combo.setItemText(row, node.GetName() or "")

    def _choose(self, node: Any) -> None:
        self._combo.blockSignals(True)
        self._combo.setCurrentIndex(self._listed.index(node) if node in self._listed else -1)
        self._combo.blockSignals(False)
        if node is self._current:
            return
        self._current = node
        self.currentNodeChanged(node)
        self.hasNodeChanged(node is not None)
        self.currentNodeIDChanged(node.GetID() if node is not None else "")

    def _on_activated(self, row: int) -> None:
        self._choose(self._listed[row])
        self.nodeActivated(self._listed[row])
