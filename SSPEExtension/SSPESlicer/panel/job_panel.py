"""A panel that keeps its parameters in the scene and does its work in the background, one run at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleWidget
from slicer.util import VTKObservationMixin

from SSPELib.model.bundle import list_bundles
from SSPELib.options import Options

from ..scene import results
from ..scene.straightening import isStraight, straightenedCopy
from ..views import layouts
from . import widgets
from .options import PARAMETER_PROPERTY, explainWidgets, nameChoices


class JobPanel(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """What the panels of SSPE Expand and SSPE Register have in common.

    Their .ui files have applyButton, progressBar, statusLabel, modelComboBox and straightenButton. Subclasses call
    `setupPanel` in their `setup` and extend `nameChoices`, `onParametersChanged`, `startJob`, `onSceneClosing`,
    `onNodeAboutToBeRemoved` and `onSceneLoaded`.
    """

    def __init__(self, parent: Any = None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self._parameterNode: Any = None
        self._guiTag: Any = None
        self._isEntered = False

    def setupPanel(
        self, logic: Any, makeParameterNode: Callable[[Any], Any], options: type[Options], inputs: Mapping[str, bool]
    ) -> None:
        """Load the .ui file and connect what all panels have; `initializeParameterNode` is left to the subclass.

        Args:
            logic: does the work.
            makeParameterNode: wraps the parameter node of the scene.
            options: what the panel's widgets change.
            inputs: the parameters of the input volumes, and whether these are taken as they lay before a registration.
        """
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = self.loadPanel()
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = logic
        self._makeParameterNode = makeParameterNode
        self._options, self._inputs = options, inputs
        explainWidgets(self.ui, options)
        selectors = [widget for widget in vars(self.ui).values() if widget.className() == "qMRMLNodeComboBox"]
        self._nodeParameters = [selector.property(PARAMETER_PROPERTY) for selector in selectors]
        self.controls = widgets.RunControls(self.ui.applyButton, self.ui.progressBar, self.ui.statusLabel)
        widgets.fillModels(self.ui.modelComboBox, list_bundles(), self._onModelChosen)
        self.ui.applyButton.connect("clicked()", self._onApplyButton)
        self.ui.straightenButton.connect("clicked()", self._onStraightenButton)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self._onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self._onSceneChanged)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self._onSceneChanged)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeAboutToBeRemovedEvent, self._onNodeAboutToBeRemoved)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeRemovedEvent, self._onNodeRemoved)

    def loadPanel(self) -> Any:
        """Load the .ui file; subclasses add sections from files of their own."""
        return slicer.util.loadUI(self.resourcePath(f"UI/{self.moduleName}.ui"))

    def nameChoices(self) -> None:
        """Show plain words for the values of the choices."""
        nameChoices(self.ui, self._options)

    def onParametersChanged(self, caller: Any = None, event: Any = None) -> None:
        """Show the parameters; called whenever one has changed."""
        if self._parameterNode is not None:
            widgets.selectModel(self.ui.modelComboBox, self._parameterNode.model)
            self.ui.straightenButton.visible = bool(self._crookedInputs())

    def startJob(self, parameters: Any) -> None:
        """Start the work; subclasses do."""

    def onSceneClosing(self) -> None:
        """Let go of nodes of the scene."""

    def onNodeAboutToBeRemoved(self, node: Any) -> None:
        """Let go of a node."""

    def onSceneLoaded(self) -> None:
        """Show what the scene that was loaded holds."""

    def cleanup(self) -> None:
        self.logic.cancel()
        self.onSceneClosing()
        self.setParameterNode(None)
        self.removeObservers()

    def enter(self) -> None:
        self._isEntered = True
        self.initializeParameterNode()

    def exit(self) -> None:
        self._isEntered = False
        layouts.giveBackPlanes()

    def initializeParameterNode(self) -> None:
        self.setParameterNode(self._makeParameterNode(self.logic.getParameterNode()))

    def setParameterNode(self, parameterNode: Any) -> None:
        if self._parameterNode is not None:
            self._parameterNode.disconnectGui(self._guiTag)
            self.removeObserver(self._parameterNode.parameterNode, "ModifiedEvent", self.onParametersChanged)
        self._parameterNode = parameterNode
        if parameterNode is None:
            return
        self._guiTag = parameterNode.connectGui(self.ui)
        self.nameChoices()
        self.addObserver(parameterNode.parameterNode, "ModifiedEvent", self.onParametersChanged)
        self.onParametersChanged()

    def _onSceneStartClose(self, caller: Any, event: Any) -> None:
        self.logic.cancel()
        self.onSceneClosing()
        self.setParameterNode(None)

    def _onSceneChanged(self, caller: Any, event: Any) -> None:
        if self._isEntered:
            self.initializeParameterNode()
            self.onSceneLoaded()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeAboutToBeRemoved(self, caller: Any, event: Any, node: Any) -> None:
        """Let go of a node before the selector that shows it sees it go, which would jump to another one."""
        if self._parameterNode is None:
            return
        for name in self._nodeParameters:
            if getattr(self._parameterNode, name) is node:
                setattr(self._parameterNode, name, None)
        self.onNodeAboutToBeRemoved(node)

    def _onNodeRemoved(self, caller: Any, event: Any) -> None:
        self.onParametersChanged()

    def mayOverwrite(self, targets: Sequence[results.Target]) -> bool:
        """Ask before anything is overwritten that is no earlier result of the same input."""
        losses = results.lossesOf(targets)
        question = _("Overwrite?")
        return not losses or slicer.util.confirmOkCancelDisplay("\n".join(losses), question)

    def _crookedInputs(self) -> list[str]:
        """The parameters whose volumes have axes that are not straight in the patient."""
        nodes = {name: getattr(self._parameterNode, name) for name in self._inputs}
        return [name for name, node in nodes.items() if node is not None and not isStraight(node, self._inputs[name])]

    def _onStraightenButton(self) -> None:
        # It takes a second or two, in which Slicer answers no click: the button says so at once.
        button = self.ui.straightenButton
        text, button.text, button.enabled = button.text, _("Straightening…"), False
        button.repaint()
        try:
            with slicer.util.tryWithErrorDisplay(_("The copy could not be made."), waitCursor=True):
                for name in self._crookedInputs():
                    copy = straightenedCopy(getattr(self._parameterNode, name), self._inputs[name])
                    setattr(self._parameterNode, name, copy)
                    slicer.util.setSliceViewerLayers(background=copy, foreground=None, fit=True)
        finally:
            button.text, button.enabled = text, True

    def _onModelChosen(self, index: int) -> None:
        if self._parameterNode is not None:
            self._parameterNode.model = self.ui.modelComboBox.currentText

    def _onApplyButton(self) -> None:
        if self.controls.isRunning:
            self.logic.cancel()
        else:
            self.startJob(self._parameterNode)
