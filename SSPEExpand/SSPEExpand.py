"""SSPE Expand: continue one or two partial CTs beyond their last slices."""

from typing import Annotated, Any

import slicer
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

from SSPEExpandLib.logic import MARKINGS, ExpansionNodes, SSPEExpandLogic
from SSPEExpandLib.selftest import SSPEExpandTest
from SSPELib.bundle import list_bundles
from SSPESlicer import layouts, panel, plan, volumes
from SSPESlicer.comparison import Comparison

__all__ = ["SSPEExpand", "SSPEExpandLogic", "SSPEExpandParameterNode", "SSPEExpandTest", "SSPEExpandWidget"]


class SSPEExpand(ScriptedLoadableModule):
    """Module description."""

    def __init__(self, parent: Any) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("SSPE Expand")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Registration")]
        parent.dependencies = ["SSPEExtension"]
        parent.contributors = ["SSPE contributors"]
        parent.helpText = _(
            "<p>Continues partial CT volumes beyond their last slices with a neural network, so that two scans that "
            "hardly overlap can be registered (module SSPE Register).</p>"
            "<p>The upper volume grows toward the feet, the lower one toward the head. Real voxels are never changed, "
            "and every synthetic slice is marked.</p><p><b>For research use only.</b></p>"
        )
        parent.acknowledgementText = plan.acknowledgement()


@parameterNodeWrapper
class SSPEExpandParameterNode:
    """What the panel keeps in the scene.

    The file does without postponed annotations: Slicer resolves the types while the module is still loading.
    """

    upperVolume: vtkMRMLScalarVolumeNode
    lowerVolume: vtkMRMLScalarVolumeNode
    distanceMm: Annotated[float, WithinRange(4, 400)] = 64.0
    upperOutput: vtkMRMLScalarVolumeNode
    lowerOutput: vtkMRMLScalarVolumeNode
    marking: Annotated[str, Choice(["segmentation", "labelMap"])] = "segmentation"
    model: str = ""
    device: Annotated[str, Choice(["auto", "cpu", "cuda", "mps"])] = "auto"


class SSPEExpandWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel: collects parameters, runs the logic in the background, shows how it went."""

    def __init__(self, parent: Any = None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self._parameterNode: Any = None
        self._guiTag: Any = None
        self._results: ExpansionNodes | None = None

    def setup(self) -> None:
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/SSPEExpand.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = SSPEExpandLogic()
        self.controls = panel.RunControls(self.ui, _("Expand"), self.ui.applyButton.toolTip)
        panel.fillModels(self.ui.modelComboBox, list_bundles(), self.onModelChosen)
        self.ui.applyButton.connect("clicked()", self.onApplyButton)
        self.ui.registerButton.connect("clicked()", self.onRegisterButton)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneChanged)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneChanged)
        self.initializeParameterNode()

    def cleanup(self) -> None:
        self.logic.cancel()
        self.setParameterNode(None)
        self.removeObservers()

    def enter(self) -> None:
        self.initializeParameterNode()

    def onSceneStartClose(self, caller: Any, event: Any) -> None:
        self.logic.cancel()
        self._results = None
        self.ui.registerButton.visible = False
        self.setParameterNode(None)

    def onSceneChanged(self, caller: Any, event: Any) -> None:
        if self.parent.isEntered:
            self.initializeParameterNode()

    def initializeParameterNode(self) -> None:
        self.setParameterNode(SSPEExpandParameterNode(self.logic.getParameterNode()))

    def setParameterNode(self, parameterNode: Any) -> None:
        if self._parameterNode is not None:
            self._parameterNode.disconnectGui(self._guiTag)
            self.removeObserver(self._parameterNode.parameterNode, "ModifiedEvent", self.onParametersChanged)
        self._parameterNode = parameterNode
        if parameterNode is None:
            return
        self._guiTag = parameterNode.connectGui(self.ui)
        panel.setItemTexts(self.ui.deviceComboBox, panel.deviceTexts())
        markings = dict(zip(MARKINGS, (_("Segmentation (tint)"), _("Label map")), strict=True))
        panel.setItemTexts(self.ui.markingComboBox, markings)
        self.addObserver(parameterNode.parameterNode, "ModifiedEvent", self.onParametersChanged)
        self.onParametersChanged()

    def onParametersChanged(self, caller: Any = None, event: Any = None) -> None:
        parameters = self._parameterNode
        if parameters is None:
            return
        panel.selectModel(self.ui.modelComboBox, parameters.model)
        upper, lower = parameters.upperVolume, parameters.lowerVolume
        self.ui.upperOutputSelector.enabled = upper is not None
        self.ui.lowerOutputSelector.enabled = lower is not None
        self.ui.planLabel.text = panel.paragraphs(plan.expansionPlan(upper, lower, parameters.distanceMm))
        self.controls.allow(self.logic.whyNot(upper, lower, parameters.upperOutput, parameters.lowerOutput))

    def onModelChosen(self, index: int) -> None:
        if self._parameterNode is not None:
            self._parameterNode.model = self.ui.modelComboBox.currentText

    def onApplyButton(self) -> None:
        if self.controls.isRunning:
            self.logic.cancel()
            return
        parameters = self._parameterNode
        self.ui.registerButton.visible = False
        with slicer.util.tryWithErrorDisplay(_("The expansion could not be started."), waitCursor=True):
            self.logic.expand(
                parameters.upperVolume,
                parameters.lowerVolume,
                distanceMm=parameters.distanceMm,
                model=parameters.model or None,
                device=parameters.device,
                upperOutput=parameters.upperOutput,
                lowerOutput=parameters.lowerOutput,
                marking=parameters.marking,
                waitForCompletion=False,
                onProgress=self.controls.progress,
                onEnd=self.onEnd,
            )
            self.controls.started()

    def onEnd(self, results: Any, error: Exception | None) -> None:
        if error is not None:
            panel.showFailure(self.controls, _("The expansion did not succeed."), error)
            return
        self._results = results
        if self._parameterNode is not None:
            self._parameterNode.upperOutput = results.upper
            self._parameterNode.lowerOutput = results.lower
        self.controls.ended(results.summary())
        volumes.showMarks(True)
        self._show(results)

    def _show(self, results: ExpansionNodes) -> None:
        if results.upper is not None and results.lower is not None:
            Comparison().show(results.upper, results.lower, mode="sideBySide")
            self.ui.registerButton.visible = True
            return
        layouts.showThreeSlices()
        slicer.util.setSliceViewerLayers(background=results.upper or results.lower, foreground=None, fit=True)

    def onRegisterButton(self) -> None:
        slicer.util.selectModule("SSPERegister")
        slicer.util.getModuleWidget("SSPERegister").chooseVolumes(self._results.upper, self._results.lower)
