"""`slicer.app.coreIOManager()`: files through the real logics and storage nodes, for slicer.util.load... and save."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer
import vtk

_VOLUME_PROPERTIES = {
    "fileName",
    "fileNames",
    "name",
    "labelmap",
    "singleFile",
    "center",
    "discardOrientation",
    "autoWindowLevel",
    "show",
    "colorNodeID",
}

# Which file type reads a file, by the longest ending that fits.
_TYPE_OF_EXTENSION = {
    ".mrml": "SceneFile",
    ".mrb": "SceneFile",
    ".seg.nrrd": "SegmentationFile",
    ".seg.nhdr": "SegmentationFile",
    ".nrrd": "VolumeFile",
    ".nhdr": "VolumeFile",
    ".nii": "VolumeFile",
    ".nii.gz": "VolumeFile",
    ".mha": "VolumeFile",
    ".mhd": "VolumeFile",
    ".dcm": "VolumeFile",
    ".h5": "TransformFile",
    ".tfm": "TransformFile",
    ".mrk.json": "MarkupsFile",
    ".fcsv": "MarkupsFile",
    ".vtk": "ModelFile",
    ".vtp": "ModelFile",
    ".stl": "ModelFile",
    ".obj": "ModelFile",
    ".ply": "ModelFile",
}


class qSlicerCoreIOManager:
    def __init__(self, logics: Any) -> None:
        self._logics = logics
        self._readers: dict[str, tuple[set[str], Callable[[dict[str, Any], Any], list[Any]]]] = {
            "VolumeFile": (_VOLUME_PROPERTIES, self._readVolume),
            "TransformFile": ({"fileName", "name"}, self._readTransform),
            "MarkupsFile": ({"fileName", "name"}, self._readMarkups),
            "ModelFile": ({"fileName", "name", "coordinateSystem"}, self._readModel),
            "SegmentationFile": ({"fileName", "name", "autoOpacities", "colorNodeID"}, self._readSegmentation),
            "SceneFile": ({"fileName", "clear"}, self._readScene),
        }

    def fileType(self, fileName: str) -> str:
        name = fileName.lower()
        fitting = [extension for extension in _TYPE_OF_EXTENSION if name.endswith(extension)]
        return _TYPE_OF_EXTENSION[max(fitting, key=len)] if fitting else "NoFile"

    def loadNodes(self, fileType: str, properties: dict[str, Any], loaded: Any = None, messages: Any = None) -> bool:
        if fileType not in self._readers:
            raise ValueError(f"The harness reads no files of type '{fileType}': {sorted(self._readers)}")
        known, read = self._readers[fileType]
        unknown = set(properties) - known
        if unknown:
            raise ValueError(f"{fileType} takes no property {sorted(unknown)}: {sorted(known)}")
        messages = messages or slicer.vtkMRMLMessageCollection()
        if not Path(properties["fileName"]).exists():
            messages.AddMessage(vtk.vtkCommand.ErrorEvent, f"There is no file {properties['fileName']}")
            return False
        nodes = read(properties, messages)
        if loaded is not None:
            for node in nodes:
                loaded.AddItem(node)
        return bool(nodes) or fileType == "SceneFile"

    # Reading

    def _readVolume(self, properties: dict[str, Any], messages: Any) -> list[Any]:
        fileName = properties["fileName"]
        flags = ("labelmap", "center", "singleFile", "autoWindowLevel", "discardOrientation")
        options = sum(1 << bit for bit, flag in enumerate(flags) if properties.get(flag, flag == "autoWindowLevel"))
        fileNames = vtk.vtkStringArray()
        for name in properties.get("fileNames", ()):
            fileNames.InsertNextValue(name)
        node = self._logics.modules["Volumes"].AddArchetypeVolume(
            fileName, properties.get("name") or _nodeName(fileName), options, fileNames, messages
        )
        if node is None:
            return []
        if properties.get("colorNodeID"):
            node.GetDisplayNode().SetAndObserveColorNodeID(properties["colorNodeID"])
        if properties.get("show", True):
            selection = self._logics.application.GetSelectionNode()
            if node.IsA("vtkMRMLLabelMapVolumeNode"):
                selection.SetActiveLabelVolumeID(node.GetID())
            else:
                selection.SetActiveVolumeID(node.GetID())
            self._logics.application.PropagateVolumeSelection()
            for logic in self._logics.sliceLogics:  # as seen in Slicer: all views turn into the plane of the volume
                logic.RotateSliceToLowestVolumeAxes()
                logic.FitSliceToBackground()
        return [node]

    def _readTransform(self, properties: dict[str, Any], messages: Any) -> list[Any]:
        scene = self._logics.scene
        node = self._logics.modules["Transforms"].AddTransform(properties["fileName"], scene, messages)
        return _named(node, properties)

    def _readMarkups(self, properties: dict[str, Any], messages: Any) -> list[Any]:
        fileName = properties["fileName"]
        identifiers = self._logics.modules["Markups"].LoadMarkups(fileName, properties.get("name"), messages)
        return [
            self._logics.scene.GetNodeByID(identifier) for identifier in (identifiers or "").split(",") if identifier
        ]

    def _readModel(self, properties: dict[str, Any], messages: Any) -> list[Any]:
        system = properties.get("coordinateSystem", slicer.vtkMRMLStorageNode.CoordinateSystemLPS)
        return _named(self._logics.modules["Models"].AddModel(properties["fileName"], system, messages), properties)

    def _readSegmentation(self, properties: dict[str, Any], messages: Any) -> list[Any]:
        colors = self._logics.scene.GetNodeByID(properties["colorNodeID"]) if properties.get("colorNodeID") else None
        node = self._logics.modules["Segmentations"].LoadSegmentationFromFile(
            properties["fileName"],
            properties.get("autoOpacities", True),
            properties.get("name") or _nodeName(properties["fileName"]),
            colors,
            messages,
        )
        return [] if node is None else [node]

    def _readScene(self, properties: dict[str, Any], messages: Any) -> list[Any]:
        scene = self._logics.scene
        fileName = properties["fileName"]
        clear = properties.get("clear", False)
        if fileName.endswith(".mrb"):
            succeeded = scene.ReadFromMRB(fileName, clear, messages)
        else:
            scene.SetURL(fileName)
            succeeded = scene.Connect(messages) if clear else scene.Import(messages)
        if not succeeded:
            raise RuntimeError(f"Failed to load the scene {fileName}: {messages.GetAllMessagesAsString()}")
        # The views' managers put off the segmentations of a batch until the next one comes: one comes, and goes.
        scene.RemoveNode(scene.AddNewNodeByClass("vtkMRMLSegmentationNode"))
        return []

    # Writing

    def fileWriterFileType(self, node: Any) -> str:
        return f"{node.GetNodeTagName()}File"

    def fileWriterExtensions(self, node: Any) -> list[str]:
        storage = _storageNode(node)
        types = storage.GetSupportedWriteFileTypes()
        return [types.GetValue(index) for index in range(types.GetNumberOfValues())]

    def extractKnownExtension(self, fileName: str, node: Any) -> str:
        return _storageNode(node).GetSupportedFileExtension(fileName, False, True)

    def saveNodes(self, fileType: str, properties: dict[str, Any], messages: Any = None) -> bool:
        messages = messages or slicer.vtkMRMLMessageCollection()
        if fileType == "SceneFile":
            return self._writeScene(os.fspath(properties["fileName"]), messages)
        unknown = set(properties) - {"nodeID", "fileName", "useCompression"}
        if unknown:
            raise ValueError(f"saveNode takes no property {sorted(unknown)} in the harness")
        node = self._logics.scene.GetNodeByID(properties["nodeID"])
        return self._writeNode(node, properties, messages)

    def _writeNode(self, node: Any, properties: dict[str, Any], messages: Any) -> bool:
        fileName = os.fspath(properties["fileName"])
        if not node.GetStorageNode() and not node.AddDefaultStorageNode():
            messages.AddMessage(vtk.vtkCommand.ErrorEvent, f"{node.GetName()} has no way of being stored")
            return False
        storage = node.GetStorageNode()
        if not storage.GetSupportedFileExtension(fileName, False, True):
            messages.AddMessage(vtk.vtkCommand.ErrorEvent, f"{node.GetClassName()} is not written as {fileName}")
            return False
        storage.SetFileName(fileName)
        storage.SetUseCompression(properties.get("useCompression", True))
        return bool(storage.WriteData(node))

    def exportNodes(
        self, nodeIDs: list[str], fileNames: list[str], properties: dict[str, Any], harden: bool, messages: Any = None
    ) -> bool:
        """Writes copies of the nodes, so that the nodes keep their own storage."""
        scene = self._logics.scene
        succeeded = True
        for nodeID, fileName in zip(nodeIDs, fileNames, strict=True):
            node = scene.GetNodeByID(nodeID)
            copy = scene.AddNewNodeByClass(node.GetClassName())
            copy.CopyContent(node)
            if harden and node.IsA("vtkMRMLTransformableNode") and node.GetParentTransformNode():
                copy.SetAndObserveTransformNodeID(node.GetTransformNodeID())
                copy.HardenTransform()
            succeeded = self._writeNode(copy, {"fileName": fileName}, messages) and succeeded
            storage = copy.GetStorageNode()
            scene.RemoveNode(copy)
            if storage is not None:
                scene.RemoveNode(storage)
        return succeeded

    def _writeScene(self, fileName: str, messages: Any) -> bool:
        scene = self._logics.scene
        if fileName.endswith(".mrml"):
            scene.SetURL(fileName)
            scene.SetRootDirectory(str(Path(fileName).resolve().parent))
            return bool(scene.Commit(fileName, messages))
        if fileName.endswith(".mrb"):
            scene.SetURL(fileName)
            return bool(scene.WriteToMRB(fileName, None, messages))
        return bool(self._logics.application.SaveSceneToSlicerDataBundleDirectory(fileName, None, messages))


def _nodeName(fileName: str) -> str:
    name = Path(fileName).name
    fitting = [extension for extension in _TYPE_OF_EXTENSION if name.lower().endswith(extension)]
    return name[: -len(max(fitting, key=len))] if fitting else Path(fileName).stem


def _named(node: Any, properties: dict[str, Any]) -> list[Any]:
    if node is None:
        return []
    if properties.get("name"):
        node.SetName(properties["name"])
    return [node]


def _storageNode(node: Any) -> Any:
    if node.GetStorageNode() is None:
        node.AddDefaultStorageNode()
    return node.GetStorageNode()
