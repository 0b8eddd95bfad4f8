"""A MRML scene with the logics that Slicer's application would have around it."""

from __future__ import annotations

from typing import Any

import slicer
import vtk


class SceneLogics:
    """The scene, the application logic, and the logics of the loadable modules; keeps the references that VTK does not.

    The order of the steps matters: volumes get their color node only when the color logic knows the scene first.
    """

    def __init__(self, homeFolder: str, temporaryFolder: str) -> None:
        self.scene: Any = slicer.vtkMRMLScene()
        self.application: Any = slicer.vtkSlicerApplicationLogic()
        self.application.SetHomeDirectory(homeFolder)
        self.application.SetTemporaryPath(temporaryFolder)
        self.application.SetMRMLScene(self.scene)
        self.modules: dict[str, Any] = {}
        colors = self._addModuleLogic("Colors", "vtkSlicerColorLogic")
        colors.AddDefaultColorNodes()
        self.application.SetColorLogic(colors)
        self.sliceLogics = vtk.vtkCollection()
        self.viewLogics = vtk.vtkCollection()
        self.application.SetSliceLogics(self.sliceLogics)
        self.application.SetViewLogics(self.viewLogics)
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(self.scene)
        crosshair = slicer.vtkMRMLCrosshairNode()
        crosshair.SetCrosshairName("default")
        self.scene.AddNode(crosshair)
        for nodeClass in (slicer.vtkMRMLCommandLineModuleNode, slicer.vtkMRMLScriptedModuleNode):
            self.scene.RegisterNodeClass(nodeClass())
        for name, className in _MODULE_LOGICS.items():
            self._addModuleLogic(name, className)
        self._prepareFiles(temporaryFolder)
        self.sliceLink: Any = slicer.vtkMRMLSliceLinkLogic()
        self.sliceLink.SetMRMLApplicationLogic(self.application)
        self.sliceLink.SetMRMLScene(self.scene)

    def _prepareFiles(self, temporaryFolder: str) -> None:
        """Scene bundles (.mrb) are unpacked into the remote cache."""
        remote: Any = slicer.vtkMRMLRemoteIOLogic()
        remote.GetCacheManager().SetRemoteCacheDirectory(temporaryFolder)
        remote.SetMRMLApplicationLogic(self.application)
        remote.SetMRMLScene(self.scene)
        files: Any = slicer.vtkDataIOManagerLogic()
        files.SetMRMLApplicationLogic(self.application)
        files.SetAndObserveDataIOManager(remote.GetDataIOManager())
        self.application.SetMRMLSceneDataIO(self.scene, remote, files)
        self._fileLogics = remote, files

    def _addModuleLogic(self, name: str, className: str) -> Any:
        logic = getattr(slicer, className)()
        logic.SetMRMLApplicationLogic(self.application)
        logic.SetMRMLScene(self.scene)
        self.application.SetModuleLogic(name, logic)
        self.modules[name] = logic
        return logic


# Loadable modules whose logic is in slicer-core, by the name that Slicer gives the module.
_MODULE_LOGICS = {
    "Terminologies": "vtkSlicerTerminologiesModuleLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Units": "vtkSlicerUnitsLogic",
    "Volumes": "vtkSlicerVolumesLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "Models": "vtkSlicerModelsLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Texts": "vtkSlicerTextsLogic",
    "CropVolume": "vtkSlicerCropVolumeLogic",
    "Sequences": "vtkSlicerSequencesLogic",
}
