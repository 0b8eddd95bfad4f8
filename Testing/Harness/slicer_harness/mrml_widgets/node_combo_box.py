"""The selector of MRML nodes."""

from __future__ import annotations

from typing import Any, ClassVar

import slicer
import vtk
from PySide6 import QtCore, QtWidgets

from .scene_widgets import SceneAware

_NODE_ROLE = QtCore.Qt.UserRole
_ACTION_ROLE = QtCore.Qt.UserRole + 1
_MODEL_PRIORITY = -10.0


def _flag(name: str) -> QtCore.Property:
    return QtCore.Property(bool, lambda self: self._flags[name], lambda self, value: self._setFlag(name, value))


class qMRMLNodeComboBox(SceneAware, QtWidgets.QWidget):
    """A combo box of the scene's nodes of some classes, with entries to create, rename and delete nodes."""

    mrmlSceneChanged = QtCore.Signal(object)
    currentNodeChanged = QtCore.Signal(object)
    currentNodeIDChanged = QtCore.Signal(str)
    baseNameChanged = QtCore.Signal(str)
    nodeAdded = QtCore.Signal(object)
    nodeAddedByUser = QtCore.Signal(object)
    nodeActivated = QtCore.Signal(object)
    _currentNodeIsSet = QtCore.Signal(bool)
    _mappedSignals: ClassVar = {
        "currentNodeChanged(vtkMRMLNode*)": "currentNodeChanged",
        "currentNodeChanged(bool)": "_currentNodeIsSet",
        "nodeAdded(vtkMRMLNode*)": "nodeAdded",
        "nodeAddedByUser(vtkMRMLNode*)": "nodeAddedByUser",
        "nodeActivated(vtkMRMLNode*)": "nodeActivated",
    }
    _mappedSlots = ("setCurrentNode(vtkMRMLNode*)",)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._types: list[str] = []
        self._labels: dict[str, str] = {}
        self._attributes: list[tuple[str, str, str | None]] = []
        self._flags = {
            "noneEnabled": False,
            "addEnabled": True,
            "removeEnabled": True,
            "editEnabled": False,
            "renameEnabled": False,
            "showHidden": False,
            "showChildNodeTypes": True,
            "selectNodeUponCreation": True,
        }
        self._noneDisplay = "None"
        self._baseName = ""
        self._nodeID = ""
        self._hiddenAtEntry: dict[str, bool] = {}
        self._requestedID = ""  # chosen while the scene was still loading: taken when the node can be listed
        self._sceneTags: list[int] = []
        self._nodeTags: list[tuple[Any, int]] = []
        self._combo = QtWidgets.QComboBox(self)
        self._combo.setSizeAdjustPolicy(QtWidgets.QComboBox.AdjustToMinimumContentsLengthWithIcon)
        self._combo.setMinimumContentsLength(12)
        self._combo.activated.connect(self._onActivated)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo)
        self.setFocusProxy(self._combo)
        self.setSizePolicy(QtWidgets.QSizePolicy.Expanding, QtWidgets.QSizePolicy.Fixed)
        state = self.__dict__  # `self` is gone when the signal comes
        self.destroyed.connect(lambda: _removeObservers(state))
        self._update()

    # Scene

    def _onSceneChanged(self, before: Any, scene: Any) -> None:
        for tag in self._sceneTags:
            before.RemoveObserver(tag)
        self._sceneTags = []
        if scene is not None:
            ofANode = (slicer.vtkMRMLScene.NodeAddedEvent, slicer.vtkMRMLScene.NodeRemovedEvent)
            ofAll = (
                slicer.vtkMRMLScene.EndImportEvent,
                slicer.vtkMRMLScene.EndBatchProcessEvent,
                slicer.vtkMRMLScene.EndCloseEvent,
            )
            self._sceneTags += [scene.AddObserver(event, self._onNodesChanged) for event in ofANode]
            self._sceneTags += [scene.AddObserver(event, self._listAnew) for event in ofAll]
            event = slicer.vtkMRMLScene.NodeAboutToBeRemovedEvent
            self._sceneTags.append(scene.AddObserver(event, self._onNodeAboutToBeRemoved, _MODEL_PRIORITY))
        self._update()

    def _onNodesChanged(self, scene: Any, _event: str) -> None:
        if not scene.IsBatchProcessing():
            self._update()

    def _listAnew(self, *_arguments: object) -> None:
        """As seen in Slicer: whether a node is hidden counts when it comes, and again only when all are listed anew."""
        if self._scene is None or not self._scene.IsBatchProcessing():
            self._hiddenAtEntry.clear()
            self._update()

    def _onNodeAboutToBeRemoved(self, scene: Any, _event: str, node: Any) -> None:
        """As seen in Slicer, also with a None entry: another node takes the place of the chosen one that goes."""
        if scene.IsBatchProcessing() or node.GetID() != self._nodeID:
            return
        identifiers = [listed.GetID() for listed in self.nodes()]
        place = identifiers.index(self._nodeID) if self._nodeID in identifiers else 0
        others = [identifier for identifier in identifiers if identifier != self._nodeID]
        self._select(others[min(place, len(others) - 1)] if others else "")

    _onNodeAboutToBeRemoved.CallDataType = vtk.VTK_OBJECT  # type: ignore[attr-defined]

    def _accepts(self, node: Any) -> bool:
        if not self._flags["showHidden"] and self._hiddenAtEntry.setdefault(node.GetID(), node.GetHideFromEditors()):
            return False
        for nodeType in self._types:
            matches = node.IsA(nodeType) if self._flags["showChildNodeTypes"] else node.GetClassName() == nodeType
            if matches and self._hasAttributes(node, nodeType):
                return True
        return False

    def _hasAttributes(self, node: Any, nodeType: str) -> bool:
        for filterType, name, value in self._attributes:
            if filterType != nodeType:
                continue
            actual = node.GetAttribute(name)
            if actual is None or (value is not None and actual != value):
                return False
        return True

    def nodes(self) -> list[Any]:
        if self._scene is None:
            return []
        every = (self._scene.GetNthNode(index) for index in range(self._scene.GetNumberOfNodes()))
        return [node for node in every if self._accepts(node)]

    # Entries

    def _update(self, *_arguments: object) -> None:
        """Lists the scene's nodes anew; a chosen node that has gone gives way to none, or to the first one."""
        for node, tag in self._nodeTags:
            node.RemoveObserver(tag)
        nodes = self.nodes()
        self._nodeTags = [
            (node, node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._onNodeModified)) for node in nodes
        ]
        blocked = self._combo.blockSignals(True)
        self._combo.clear()
        if self._flags["noneEnabled"]:
            self._combo.addItem(self._noneDisplay, "")
        for node in nodes:
            self._combo.addItem(node.GetName(), node.GetID())
        self._addActions()
        self._combo.setEnabled(self._scene is not None)
        self._combo.blockSignals(blocked)
        identifiers = [node.GetID() for node in nodes]
        if self._requestedID in identifiers:
            requested, self._requestedID = self._requestedID, ""
            self._select(requested)
        elif self._nodeID in identifiers:
            self._showCurrent()
        else:
            self._select(identifiers[0] if identifiers and not self._flags["noneEnabled"] else "")

    def _addActions(self) -> None:
        if self._scene is None:
            return
        entries: list[tuple[str, str]] = []
        if self._flags["addEnabled"]:
            entries += [(f"Create new {self.nodeTypeLabel(name)}", f"add:{name}") for name in self._types]
            entries += [(f"Create new {self.nodeTypeLabel(name)} as...", f"addAs:{name}") for name in self._types]
        if self._flags["renameEnabled"]:
            entries.append(("Rename current node...", "rename"))
        if self._flags["removeEnabled"]:
            entries.append(("Delete current node", "remove"))
        if entries and self._combo.count:
            self._combo.insertSeparator(self._combo.count)
        for text, action in entries:
            self._combo.addItem(text)
            self._combo.setItemData(self._combo.count - 1, action, _ACTION_ROLE)

    def _onNodeModified(self, node: Any, _event: str) -> None:
        index = self._combo.findData(node.GetID(), _NODE_ROLE)
        if index >= 0 and self._combo.itemText(index) != node.GetName():
            self._combo.setItemText(index, node.GetName())
        if (index >= 0) != self._accepts(node):
            self._update()

    def _showCurrent(self) -> None:
        blocked = self._combo.blockSignals(True)
        index = self._combo.findData(self._nodeID, _NODE_ROLE) if self._nodeID or self._flags["noneEnabled"] else -1
        self._combo.setCurrentIndex(index)
        self._combo.blockSignals(blocked)

    def _select(self, nodeID: str) -> None:
        changed = nodeID != self._nodeID
        self._nodeID = nodeID
        self._showCurrent()
        if changed:
            node = self.currentNode()
            self.currentNodeChanged.emit(node)
            self._currentNodeIsSet.emit(node is not None)
            self.currentNodeIDChanged.emit(nodeID)

    def _onActivated(self, index: int) -> None:
        action = self._combo.itemData(index, _ACTION_ROLE)
        if action is None:
            self._select(self._combo.itemData(index, _NODE_ROLE) or "")
            self.nodeActivated.emit(self.currentNode())
            return
        self._showCurrent()
        verb, _, nodeType = action.partition(":")
        if verb in ("add", "addAs"):
            name = ""
            if verb == "addAs":
                name, accepted = QtWidgets.QInputDialog.getText(self, "Create new node", "Name:")
                if not accepted:
                    return
            node = self.addNode(nodeType)
            if name:
                node.SetName(name)
            self.nodeAddedByUser.emit(node)
        elif verb == "remove":
            self.removeCurrentNode()
        else:
            self.renameCurrentNode()

    # The widget's interface

    def currentNode(self) -> Any:
        return self._scene.GetNodeByID(self._nodeID) if self._scene is not None and self._nodeID else None

    def setCurrentNode(self, node: Any) -> None:
        self.setCurrentNodeID("" if node is None else node.GetID())

    def setCurrentNodeID(self, nodeID: str | None) -> None:
        self._requestedID = ""
        if self._scene is not None and self._scene.IsBatchProcessing() and nodeID:
            self._requestedID = nodeID
            return
        node = self._scene.GetNodeByID(nodeID) if self._scene is not None and nodeID else None
        if node is not None and not self._accepts(node):
            node = None
        if node is None and not self._flags["noneEnabled"] and self.nodes():
            return  # as in Slicer: without a None entry there is always a node chosen when there is one
        self._select("" if node is None else nodeID or "")

    def addNode(self, nodeType: str | None = None) -> Any:
        nodeType = nodeType or self._types[0]
        name = self._baseName or self._scene.GetTagByClassName(nodeType)
        node = self._scene.CreateNodeByClass(nodeType)
        node.UnRegister(None)
        node.SetName(self._scene.GenerateUniqueName(name))
        for filterType, attribute, value in self._attributes:
            if filterType == nodeType:
                node.SetAttribute(attribute, value or "")
        node = self._scene.AddNode(node)
        self.nodeAdded.emit(node)
        if self._flags["selectNodeUponCreation"]:
            self.setCurrentNode(node)
        return node

    def removeCurrentNode(self) -> None:
        node = self.currentNode()
        if node is not None:
            self._scene.RemoveNode(node)

    def renameCurrentNode(self) -> None:
        node = self.currentNode()
        if node is None:
            return
        name, accepted = QtWidgets.QInputDialog.getText(self, "Rename", "New name:", text=node.GetName())
        if accepted:
            node.SetName(name)

    def nodeCount(self) -> int:
        return len(self.nodes())

    def nodeFromIndex(self, index: int) -> Any:
        return self.nodes()[index]

    def addAttribute(self, nodeType: str, name: str, value: str | None = None) -> None:
        self._attributes.append((nodeType, name, value))
        self._update()

    def removeAttribute(self, nodeType: str, name: str) -> None:
        self._attributes = [entry for entry in self._attributes if entry[:2] != (nodeType, name)]
        self._update()

    def nodeTypeLabel(self, nodeType: str) -> str:
        return self._labels.get(nodeType) or nodeType.removeprefix("vtkMRML").removesuffix("Node")

    def setNodeTypeLabel(self, label: str, nodeType: str) -> None:
        self._labels[nodeType] = label
        self._update()

    def _setNodeTypes(self, nodeTypes: list[str]) -> None:
        for name in nodeTypes:
            if not hasattr(slicer, name):
                raise AttributeError(f"{self.objectName or self.className()}: there is no MRML class '{name}'")
        self._types = list(nodeTypes)
        self._update()

    def _setBaseName(self, baseName: str) -> None:
        self._baseName = baseName
        self.baseNameChanged.emit(baseName)

    def _setNoneDisplay(self, text: str) -> None:
        self._noneDisplay = text
        self._update()

    def _setFlag(self, name: str, enabled: bool) -> None:
        self._flags[name] = bool(enabled)
        self._listAnew()

    nodeTypes = QtCore.Property("QStringList", lambda self: self._types, _setNodeTypes)
    baseName = QtCore.Property(str, lambda self: self._baseName, _setBaseName)
    noneDisplay = QtCore.Property(str, lambda self: self._noneDisplay, _setNoneDisplay)
    currentNodeID = QtCore.Property(str, lambda self: self._nodeID, setCurrentNodeID, notify=currentNodeIDChanged)
    noneEnabled = _flag("noneEnabled")
    addEnabled = _flag("addEnabled")
    removeEnabled = _flag("removeEnabled")
    editEnabled = _flag("editEnabled")
    renameEnabled = _flag("renameEnabled")
    showHidden = _flag("showHidden")
    showChildNodeTypes = _flag("showChildNodeTypes")
    selectNodeUponCreation = _flag("selectNodeUponCreation")


def _removeObservers(state: dict[str, Any]) -> None:
    """A deleted widget must hear of the scene and its nodes no more."""
    for tag in state["_sceneTags"]:
        state["_scene"].RemoveObserver(tag)
    for node, tag in state["_nodeTags"]:
        node.RemoveObserver(tag)
