"""A tiny scripted module, written for the harness's own tests: it thresholds a volume."""

from typing import Annotated

import numpy
import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class SampleModule(ScriptedLoadableModule):
    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Sample Module")
        self.parent.categories = ["Testing"]
        self.parent.dependencies = ["Volumes"]
        self.parent.contributors = ["SSPE contributors"]
        self.parent.helpText = _("Thresholds a volume.")
        self.parent.acknowledgementText = _("Nobody.")
        slicer.app.connect("startupCompleted()", self.onStartupCompleted)
        self.startups = 0

    def onStartupCompleted(self):
        self.startups += 1


@parameterNodeWrapper
class SampleModuleParameterNode:
    inputVolume: vtkMRMLScalarVolumeNode
    outputVolume: vtkMRMLScalarVolumeNode | None
    threshold: Annotated[float, WithinRange(-100, 500)] = 100.0
    method: Annotated[str, Choice(["above", "below"])] = "above"
    invert: bool = False
    repeats: int = 1
    note: str = "a note"
    labels: list[str]


class SampleModuleWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self._parameterNode = None
        self._tag = None

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/SampleModule.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = SampleModuleLogic()
        self.ui.applyButton.connect("clicked(bool)", self.onApply)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneEndClose)
        self.initializeParameterNode()

    def cleanup(self):
        self.setParameterNode(None)
        self.removeObservers()

    def enter(self):
        self.initializeParameterNode()

    def exit(self):
        self.setParameterNode(None)

    def onSceneStartClose(self, caller, event):
        self.setParameterNode(None)

    def onSceneEndClose(self, caller, event):
        if self.parent.isEntered():
            self.initializeParameterNode()

    def initializeParameterNode(self):
        self.setParameterNode(SampleModuleParameterNode(self.logic.getParameterNode()))

    def setParameterNode(self, parameterNode):
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._tag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.updateButton)
        self._parameterNode = parameterNode
        if parameterNode:
            self._tag = parameterNode.connectGui(self.ui)
            self.addObserver(parameterNode, vtk.vtkCommand.ModifiedEvent, self.updateButton)
            self.updateButton()

    def updateButton(self, caller=None, event=None):
        ready = self._parameterNode.inputVolume is not None
        self.ui.applyButton.enabled = ready
        self.ui.applyButton.toolTip = _("Threshold the volume") if ready else _("Select an input volume")

    def onApply(self):
        with slicer.util.tryWithErrorDisplay(_("Failed to threshold."), waitCursor=True):
            parameters = self._parameterNode
            if parameters.outputVolume is None:
                parameters.outputVolume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Output")
            self.logic.run(parameters.inputVolume, parameters.outputVolume, parameters.threshold)


class SampleModuleLogic(ScriptedLoadableModuleLogic):
    def run(self, inputVolume, outputVolume, threshold):
        array = slicer.util.arrayFromVolume(inputVolume)
        if not (array > threshold).any():
            raise ValueError(f"No voxel is above {threshold}")
        matrix = vtk.vtkMatrix4x4()
        inputVolume.GetIJKToRASMatrix(matrix)
        outputVolume.SetIJKToRASMatrix(matrix)
        slicer.util.updateVolumeFromArray(outputVolume, (array > threshold).astype(numpy.uint8))


class SampleModuleTest(ScriptedLoadableModuleTest):
    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        self.setUp()
        self.test_threshold()

    def test_threshold(self):
        array = numpy.arange(27, dtype=numpy.int16).reshape(3, 3, 3) * 10
        volume = slicer.util.addVolumeFromArray(array)
        output = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
        SampleModuleLogic().run(volume, output, 100)
        assert int(slicer.util.arrayFromVolume(output).sum()) == 16
        self.delayDisplay("Test passed")

    def test_message_is_logged_in_testing_mode(self):
        assert slicer.app.testingEnabled()
        assert slicer.util.errorDisplay("Nobody reads this.") is None
