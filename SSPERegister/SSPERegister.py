"""SSPE Register: align two partial CTs that hardly overlap, and compare them where they meet."""

from typing import Any

import slicer
from slicer import vtkMRMLLinearTransformNode, vtkMRMLMarkupsFiducialNode, vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import parameterNodeWrapper
from slicer.ScriptedLoadableModule import ScriptedLoadableModule

from SSPELib.options import MergeOptions, RegisterOptions
from SSPERegisterLib import outcome, placement
from SSPERegisterLib.after_panel import AfterPanel
from SSPERegisterLib.logic import SSPERegisterLogic
from SSPERegisterLib.selftest import SSPERegisterTest
from SSPESlicer.panel import plan, widgets
from SSPESlicer.panel.job_panel import JobPanel
from SSPESlicer.panel.module_description import describeModule
from SSPESlicer.panel.options import nameChoices, optionsOf, parameterType
from SSPESlicer.scene import marks, provenance
from SSPESlicer.views.comparison import MODES, Comparison

LANDMARKS = "landmarks"
# The moving volume is taken as it lay before an earlier registration.
INPUTS = {"fixedVolume": False, "movingVolume": True}

__all__ = ["SSPERegister", "SSPERegisterLogic", "SSPERegisterParameterNode", "SSPERegisterTest", "SSPERegisterWidget"]


class SSPERegister(ScriptedLoadableModule):
    """Module description."""

    def __init__(self, parent: Any) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        helpText = _(
            "<p>Aligns a moving CT to a fixed one when they share only a few centimeters of the body, or none. Volumes "
            "are expanded toward each other first; where enough real slices overlap, these alone decide.</p>"
            "<p>The result says how far it can be trusted. Check every alignment by eye: blend, checkerboard or "
            "flicker, in linked views.</p><p><b>For research use only.</b></p>"
        )
        describeModule(parent, _("SSPE Register"), helpText, dependencies=("SSPEExtension",))
        slicer.app.connect("startupCompleted()", self.onStartupCompleted)

    def onStartupCompleted(self) -> None:
        """From now on the deletion of a registration's transform undoes it, whether or not the panel was opened."""
        self._keeper = placement.Keeper()


@parameterNodeWrapper
class SSPERegisterParameterNode:
    """What the panel keeps in the scene.

    The file does without postponed annotations: Slicer resolves the types while the module is still loading.
    """

    fixedVolume: vtkMRMLScalarVolumeNode
    movingVolume: vtkMRMLScalarVolumeNode
    start: parameterType(RegisterOptions, "start", [LANDMARKS]) = RegisterOptions.start
    fixedLandmarks: vtkMRMLMarkupsFiducialNode
    movingLandmarks: vtkMRMLMarkupsFiducialNode
    transformType: parameterType(RegisterOptions, "transform_type") = RegisterOptions.transform_type
    toleranceMm: parameterType(RegisterOptions, "tolerance_mm") = RegisterOptions.tolerance_mm
    outputTransform: vtkMRMLLinearTransformNode
    expand: parameterType(RegisterOptions, "expand") = RegisterOptions.expand
    distanceMm: parameterType(RegisterOptions, "distance_mm") = RegisterOptions.distance_mm
    backend: parameterType(RegisterOptions, "backend") = RegisterOptions.backend
    model: str = ""
    device: parameterType(RegisterOptions, "device") = RegisterOptions.device
    mergedVolume: vtkMRMLScalarVolumeNode
    seamMm: parameterType(MergeOptions, "seam_mm") = MergeOptions.seam_mm
    spacing: parameterType(MergeOptions, "spacing") = MergeOptions.spacing
    fillGap: parameterType(MergeOptions, "fill_gap") = MergeOptions.fill_gap
    stitchedParts: list[vtkMRMLScalarVolumeNode]
    stitchedVolume: vtkMRMLScalarVolumeNode
    acceptUnreliable: parameterType(MergeOptions, "accept_unreliable") = MergeOptions.accept_unreliable


class SSPERegisterWidget(JobPanel):
    """The panel: collects parameters, runs the logic in the background, shows how far to trust the result."""

    def setup(self) -> None:
        self.setupPanel(SSPERegisterLogic(), SSPERegisterParameterNode, RegisterOptions, INPUTS)
        self.comparison = Comparison()
        self.after = AfterPanel(self)
        self._comparesOnEntering = False
        self._undo, self._blend = widgets.Explained(self.ui.undoButton), widgets.Explained(self.ui.blendSlider)
        self._tint = widgets.Explained(self.ui.tintCheckBox)
        self._comparing = [widgets.Explained(widget) for widget in (self.ui.comparisonComboBox, self.ui.centerButton)]
        for text in (_("Color"), _("Blend"), _("Checkerboard"), _("Flicker"), _("Side by side")):
            self.ui.comparisonComboBox.addItem(text)
        self.ui.undoButton.connect("clicked()", self.onUndoButton)
        self.ui.comparisonComboBox.connect("currentIndexChanged(int)", self.onCompare)
        self.ui.tintCheckBox.connect("toggled(bool)", self.onCompare)
        self.ui.blendSlider.connect("valueChanged(double)", self.onBlend)
        self.ui.centerButton.connect("clicked()", self.onCompare)
        self.initializeParameterNode()

    def loadPanel(self) -> Any:
        uiWidget = JobPanel.loadPanel(self)
        section = slicer.util.loadUI(self.resourcePath("UI/AfterRegistration.ui"))
        slicer.util.childWidgetVariables(uiWidget).afterCollapsibleButton.layout().addWidget(section)
        section.setMRMLScene(slicer.mrmlScene)
        return uiWidget

    @property
    def parameters(self) -> Any:
        """What the panel keeps in the scene; None while there is no scene."""
        return self._parameterNode

    def enter(self) -> None:
        JobPanel.enter(self)
        if self._comparesOnEntering:
            self._compare(center=False)

    def exit(self) -> None:
        JobPanel.exit(self)
        self._comparesOnEntering = self.comparison.isShown
        self.comparison.stop()

    def onSceneClosing(self) -> None:
        self._comparesOnEntering = False
        self.comparison.stop()
        self.after.forget()

    def onNodeAboutToBeRemoved(self, node: Any) -> None:
        self.comparison.forget(node)

    def onSceneLoaded(self) -> None:
        if placement.isPlaced(self._parameterNode.movingVolume):
            self.onCompare()

    def nameChoices(self) -> None:
        nameChoices(self.ui, RegisterOptions, {"start": [_("Landmarks on both volumes")]})
        self.after.nameChoices()

    def chooseVolumes(self, fixedNode: Any, movingNode: Any) -> None:
        """Fill in the two volumes, for other modules."""
        self._parameterNode.fixedVolume = fixedNode
        self._parameterNode.movingVolume = movingNode

    def onParametersChanged(self, caller: Any = None, event: Any = None) -> None:
        JobPanel.onParametersChanged(self)
        parameters = self._parameterNode
        if parameters is None:
            return
        for widget in (self.ui.fixedLandmarksSelector, self.ui.fixedLandmarksLabel):
            widget.visible = parameters.start == LANDMARKS
        for widget in (self.ui.movingLandmarksSelector, self.ui.movingLandmarksLabel):
            widget.visible = parameters.start == LANDMARKS
        fixed, moving = parameters.fixedVolume, parameters.movingVolume
        sentences = plan.registrationPlan(fixed, moving, parameters.expand, parameters.distanceMm)
        widgets.show(self.ui.planLabel, widgets.paragraphs(sentences))
        self._watchLandmarks([parameters.fixedLandmarks, parameters.movingLandmarks])
        self._allow()
        self.after.update()
        self._updateResult()

    def _allow(self) -> None:
        self.controls.allow(self.after.whyNotNow or self.logic.whyNot(**self._arguments()))

    def _watchLandmarks(self, lists: list[Any]) -> None:
        """Say again what is missing whenever a landmark is placed or taken away."""
        self.removeObservers(self._onLandmarks)
        for node in {node for node in lists if node is not None}:
            for event in (node.PointPositionDefinedEvent, node.PointPositionUndefinedEvent, node.PointRemovedEvent):
                self.addObserver(node, event, self._onLandmarks)

    def _onLandmarks(self, caller: Any, event: Any) -> None:
        self._allow()

    def _arguments(self) -> dict[str, Any]:
        parameters = self._parameterNode
        byLandmarks = parameters.start == LANDMARKS
        start = RegisterOptions.start if byLandmarks else parameters.start
        return {
            "fixedNode": parameters.fixedVolume,
            "movingNode": parameters.movingVolume,
            "options": optionsOf(RegisterOptions, parameters, start=start),
            "landmarks": (parameters.fixedLandmarks, parameters.movingLandmarks) if byLandmarks else None,
            "outputTransform": parameters.outputTransform,
        }

    def _updateResult(self) -> None:
        moving = self._parameterNode.movingVolume
        placed = placement.isPlaced(moving) and not self.controls.isRunning
        self._undo.allow(None if placed else _("There is no registration of the moving volume to undo."))
        result = self.logic.judgeAgain(moving, self._parameterNode.toleranceMm) if placed else None
        self.ui.resultCollapsibleButton.visible = result is not None
        if result is not None:
            widgets.show(self.ui.resultLabel, outcome.describe(result))
        whyNot = None if self._compared() is not None else _("Choose a fixed and a moving volume first.")
        for control in self._comparing:
            control.allow(whyNot)
        self._tint.allow(whyNot or self._whyNotTinted())
        blends = MODES[self.ui.comparisonComboBox.currentIndex] == "blend"
        self._blend.allow(whyNot or (None if blends else _("Choose Blend under Show as to mix the volumes.")))

    def startJob(self, parameters: Any) -> None:
        if not self.mayOverwrite([(parameters.outputTransform, parameters.movingVolume)]):
            return
        with slicer.util.tryWithErrorDisplay(_("The registration could not be started."), waitCursor=True):
            self.logic.register(
                **self._arguments(),
                overwrite=True,
                waitForCompletion=False,
                onProgress=self.controls.progress,
                onEnd=self.onEnd,
            )
            self.after.along.decide()
            self.controls.started()
            self.after.update()
            self._updateResult()

    def onEnd(self, registered: Any, error: Exception | None) -> None:
        if error is not None:
            widgets.showFailure(self.controls, _("The registration did not succeed."), error)
        else:
            self.controls.ended("\n".join(f"• {text}" for text in registered.warnings))
            self.ui.resultCollapsibleButton.collapsed = False
        if self._parameterNode is None:
            return
        if registered is not None:
            self.after.registered(registered.transform)
            self._parameterNode.outputTransform = registered.transform
            self.onCompare()
        self.after.update()
        self._updateResult()

    def onUndoButton(self) -> None:
        with slicer.util.tryWithErrorDisplay(_("The registration could not be undone.")):
            placement.undo(self._parameterNode.movingVolume)
            self.onParametersChanged()
            self.onCompare()

    def _compared(self) -> tuple[Any, Any] | None:
        """The two nodes to show: originals, or expanded ones with their synthetic slices tinted."""
        chosen = [self._parameterNode.fixedVolume, self._parameterNode.movingVolume]
        if chosen[0] is None or chosen[1] is None or chosen[0] is chosen[1]:
            return None
        if self.ui.tintCheckBox.checked:
            return provenance.expandedOrSelf(chosen[0]), provenance.expandedOrSelf(chosen[1])
        return provenance.originalOf(chosen[0]) or chosen[0], provenance.originalOf(chosen[1]) or chosen[1]

    def _whyNotTinted(self) -> str | None:
        chosen = (self._parameterNode.fixedVolume, self._parameterNode.movingVolume)
        if any(provenance.originalOf(provenance.expandedOrSelf(node)) is not None for node in chosen):
            return None
        return _("There are no expanded volumes of these two. SSPE Expand makes them.")

    def onCompare(self) -> None:
        self._compare(center=True)

    def _compare(self, center: bool) -> None:
        compared = self._compared()
        if compared is None:
            return
        marks.showMarks(self.ui.tintCheckBox.checked)
        self.after.comparisonStarts()
        self._updateResult()
        with slicer.util.tryWithErrorDisplay(_("The volumes could not be shown."), waitCursor=True):
            self.comparison.show(*compared, mode=MODES[self.ui.comparisonComboBox.currentIndex], center=center)

    def onBlend(self, percent: float) -> None:
        self.comparison.setBlend(percent / 100)
        if not self.comparison.isShown:
            self.onCompare()
