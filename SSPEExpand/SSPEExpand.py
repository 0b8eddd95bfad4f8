"""SSPE Expand: continue one or two partial CTs beyond their last slices."""

from typing import Annotated, Any

import slicer
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Choice, parameterNodeWrapper
from slicer.ScriptedLoadableModule import ScriptedLoadableModule

from SSPEExpandLib.logic import MARKINGS, ExpansionNodes, SSPEExpandLogic
from SSPEExpandLib.selftest import SSPEExpandTest
from SSPELib.options import ExpandOptions
from SSPESlicer.panel import plan, widgets
from SSPESlicer.panel.job_panel import JobPanel
from SSPESlicer.panel.module_description import describeModule
from SSPESlicer.panel.options import optionsOf, parameterType
from SSPESlicer.scene import display, marks
from SSPESlicer.views import layouts
from SSPESlicer.views.comparison import Comparison

INPUTS = {"upperVolume": False, "lowerVolume": False}

__all__ = ["SSPEExpand", "SSPEExpandLogic", "SSPEExpandParameterNode", "SSPEExpandTest", "SSPEExpandWidget"]


class SSPEExpand(ScriptedLoadableModule):
    """Module description."""

    def __init__(self, parent: Any) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        helpText = _(
            "<p>Continues partial CT volumes beyond their last slices with a neural network, so that two scans that "
            "hardly overlap can be registered (module SSPE Register).</p>"
            "<p>The upper volume grows toward the feet, the lower one toward the head. Real voxels are never changed, "
            "and every synthetic slice is marked.</p><p><b>For research use only.</b></p>"
        )
        describeModule(parent, _("SSPE Expand"), helpText, dependencies=("SSPEExtension",))


@parameterNodeWrapper
class SSPEExpandParameterNode:
    """What the panel keeps in the scene.

    The file does without postponed annotations: Slicer resolves the types while the module is still loading.
    """

    upperVolume: vtkMRMLScalarVolumeNode
    lowerVolume: vtkMRMLScalarVolumeNode
    distanceMm: parameterType(ExpandOptions, "distance_mm") = ExpandOptions.distance_mm
    upperOutput: vtkMRMLScalarVolumeNode
    lowerOutput: vtkMRMLScalarVolumeNode
    marking: Annotated[str, Choice(list(MARKINGS))] = MARKINGS[0]
    model: str = ""
    device: parameterType(ExpandOptions, "device") = ExpandOptions.device


class SSPEExpandWidget(JobPanel):
    """The panel: collects parameters, runs the logic in the background, shows how it went."""

    def __init__(self, parent: Any = None) -> None:
        JobPanel.__init__(self, parent)
        self._results: ExpansionNodes | None = None

    def setup(self) -> None:
        self.setupPanel(SSPEExpandLogic(), SSPEExpandParameterNode, ExpandOptions, INPUTS)
        self._outputs = [
            widgets.Explained(selector) for selector in (self.ui.upperOutputSelector, self.ui.lowerOutputSelector)
        ]
        self.ui.registerButton.connect("clicked()", self.onRegisterButton)
        self.initializeParameterNode()

    def onSceneClosing(self) -> None:
        self._results = None
        self.ui.registerButton.visible = False

    def onNodeAboutToBeRemoved(self, node: Any) -> None:
        if self._results is not None and node in (self._results.upper, self._results.lower):
            self.onSceneClosing()

    def nameChoices(self) -> None:
        JobPanel.nameChoices(self)
        markings = dict(zip(MARKINGS, (_("Segmentation (tint)"), _("Segmentation and label map")), strict=True))
        widgets.setItemTexts(self.ui.markingComboBox, markings)

    def onParametersChanged(self, caller: Any = None, event: Any = None) -> None:
        JobPanel.onParametersChanged(self)
        parameters = self._parameterNode
        if parameters is None:
            return
        upper, lower = parameters.upperVolume, parameters.lowerVolume
        for control, node in zip(self._outputs, (upper, lower), strict=True):
            control.allow(None if node is not None else _("Choose the volume that is to be expanded first."))
        widgets.show(self.ui.planLabel, widgets.paragraphs(plan.expansionPlan(upper, lower, parameters.distanceMm)))
        self.controls.allow(self.logic.whyNot(upper, lower, parameters.upperOutput, parameters.lowerOutput))

    def startJob(self, parameters: Any) -> None:
        outputs = (parameters.upperOutput, parameters.lowerOutput)
        if not self.mayOverwrite(list(zip(outputs, (parameters.upperVolume, parameters.lowerVolume), strict=True))):
            return
        self.ui.registerButton.visible = False
        with slicer.util.tryWithErrorDisplay(_("The expansion could not be started."), waitCursor=True):
            self.logic.expand(
                parameters.upperVolume,
                parameters.lowerVolume,
                optionsOf(ExpandOptions, parameters),
                upperOutput=parameters.upperOutput,
                lowerOutput=parameters.lowerOutput,
                marking=parameters.marking,
                overwrite=True,
                waitForCompletion=False,
                onProgress=self.controls.progress,
                onEnd=self.onEnd,
            )
            self.controls.started()

    def onEnd(self, results: Any, error: Exception | None) -> None:
        if error is not None:
            widgets.showFailure(self.controls, _("The expansion did not succeed."), error)
            return
        self._results = results
        if self._parameterNode is not None:
            self._parameterNode.upperOutput = results.upper
            self._parameterNode.lowerOutput = results.lower
        self.controls.ended(results.summary())
        marks.showMarks(True)
        self._show(results)

    def _show(self, results: ExpansionNodes) -> None:
        if results.upper is not None and results.lower is not None:
            Comparison().show(results.upper, results.lower, mode="sideBySide")
            self.ui.registerButton.visible = True
            return
        shown = results.upper or results.lower
        layouts.showPlanesOf(shown, layouts.showThreeSlices())
        display.shareWindowLevel([shown])
        slicer.util.setSliceViewerLayers(background=shown, foreground=None, fit=True)

    def onRegisterButton(self) -> None:
        slicer.util.selectModule("SSPERegister")
        slicer.util.getModuleWidget("SSPERegister").chooseVolumes(self._results.upper, self._results.lower)
