"""SSPE: what it does, whether this Slicer is set up for it, sample data, and the way to its two modules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleWidget,
)

from SSPELib.errors import SSPEError
from SSPESlicer.home import sample_data
from SSPESlicer.home.model_card import describeModel, modelProblem
from SSPESlicer.home.pytorch import checkDevice, installTorch, isTorchExtensionInstalled, torchVersion
from SSPESlicer.home.selftest import SSPEExtensionTest
from SSPESlicer.jobs.background import BackgroundJob, Event
from SSPESlicer.panel import widgets
from SSPESlicer.panel.module_description import describeModule
from SSPESlicer.views import layouts
from SSPESlicer.views.comparison import Comparison

__all__ = ["SSPEExtension", "SSPEExtensionLogic", "SSPEExtensionTest", "SSPEExtensionWidget"]


class SSPEExtension(ScriptedLoadableModule):
    """Module description; registers the sample data once Slicer has started."""

    def __init__(self, parent: Any) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        helpText = _(
            "<p>SSPE joins partial CTs that hardly overlap: it continues each volume beyond its last slice (SSPE "
            "Expand) and registers them (SSPE Register). This module shows whether everything is set up, and has "
            "sample data.</p><p>Limits: CT in Hounsfield units only; linear alignment only; the farther a synthetic "
            "slice lies from the last real one, the less it means.</p><p><b>For research use only.</b></p>"
        )
        describeModule(parent, _("SSPE"), helpText)
        slicer.app.connect("startupCompleted()", self.onStartupCompleted)

    def onStartupCompleted(self) -> None:
        sample_data.registerSampleData(self.resourcePath("Icons"))


class SSPEExtensionWidget(ScriptedLoadableModuleWidget):
    """The panel."""

    def setup(self) -> None:
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/SSPEExtension.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        self.logic = SSPEExtensionLogic()
        self._check, self._install = widgets.Explained(self.ui.checkButton), widgets.Explained(self.ui.installButton)
        ui = self.ui
        self.sampleControls = widgets.RunControls(ui.sampleDataButton, ui.sampleProgressBar, ui.sampleStatusLabel)
        self.ui.sampleDataButton.connect("clicked()", self.onSampleDataButton)
        self.ui.expandButton.connect("clicked()", lambda: slicer.util.selectModule("SSPEExpand"))
        self.ui.registerButton.connect("clicked()", lambda: slicer.util.selectModule("SSPERegister"))
        self.ui.installButton.connect("clicked()", self.onInstallButton)
        self.ui.checkButton.connect("clicked()", self.onCheckButton)
        self.ui.deviceLabel.text = _("not checked yet")
        self.updateSetUp()

    def enter(self) -> None:
        self.updateSetUp()

    def exit(self) -> None:
        layouts.giveBackPlanes()

    def cleanup(self) -> None:
        self.logic.cancel()

    def updateSetUp(self) -> None:
        """Show the state of PyTorch and of the bundled model."""
        version = torchVersion()
        self.ui.torchLabel.text = version or widgets.note(_("not installed"))
        self.ui.installButton.visible = version is None
        extensionMissing = _("Install the PyTorch extension (Extensions Manager) and restart Slicer first.")
        self._install.allow(None if isTorchExtensionInstalled() else extensionMissing)
        if self.logic.isChecking:
            self._check.allow(_("PyTorch is being asked."))
        else:
            self._check.allow(None if version is not None else _("Install PyTorch first."))
        problem = modelProblem()
        self.ui.modelLabel.text = widgets.note(problem) if problem else _("complete")
        self.ui.cardLabel.text = describeModel()
        self.ui.cardCollapsibleButton.visible = not problem

    def onSampleDataButton(self) -> None:
        if self.sampleControls.isRunning:
            self.logic.cancelSampleVolumes()
            return
        try:
            with slicer.util.WaitCursor():
                nodes = sample_data.loadSampleVolumes()
        except SSPEError as error:
            if slicer.util.confirmOkCancelDisplay(f"{error}\n\n{sample_data.makingQuestion()}"):
                self.sampleControls.started()
                self.logic.makeSampleVolumes(self.sampleControls.progress, self.onSampleVolumesMade)
            return
        self.showSampleVolumes(nodes)

    def onSampleVolumesMade(self, nodes: Any, error: Exception | None) -> None:
        if error is not None:
            widgets.showFailure(self.sampleControls, _("The sample volumes could not be made."), error)
            return
        self.sampleControls.ended("")
        self.showSampleVolumes(nodes)

    def showSampleVolumes(self, nodes: list[Any]) -> None:
        Comparison().show(*nodes, mode="sideBySide")

    def onInstallButton(self) -> None:
        with slicer.util.tryWithErrorDisplay(_("PyTorch could not be installed."), waitCursor=True):
            installTorch()
        self.updateSetUp()

    def onCheckButton(self) -> None:
        self._check.allow(_("PyTorch is being asked."))
        self.ui.deviceLabel.text = _("PyTorch is starting…")
        with slicer.util.tryWithErrorDisplay(_("The device could not be checked.")):
            self.logic.checkDevice(self.onDeviceChecked)

    def onDeviceChecked(self, found: Any, error: Exception | None) -> None:
        self._check.allow(None)
        self.ui.deviceLabel.text = widgets.note(str(error)) if error else found


class SSPEExtensionLogic(ScriptedLoadableModuleLogic):
    """Set-up and sample data; needs no panel."""

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        self._check: BackgroundJob | None = None
        self._making: BackgroundJob | None = None

    def checkDevice(self, onEnd: Any) -> None:
        """Find the device in a process of its own; onEnd gets a sentence or an error."""
        self._cancel(self._check)
        self._check = checkDevice(onEnd)

    @property
    def isChecking(self) -> bool:
        """Whether a check of the device runs."""
        return self._check is not None and self._check.isRunning

    def makeSampleVolumes(self, onProgress: Any, onEnd: Any) -> None:
        """Make the two partial CTs from a public package in a process of its own; onEnd gets nodes or the error."""
        self._making = BackgroundJob(onProgress=onProgress)
        self._making.start({"task": "sample_data"}, self._loadMade, onEnd)

    @staticmethod
    def _loadMade(result: Event) -> list[Any]:
        return sample_data.loadFiles([Path(path) for path in result["files"]])

    def cancelSampleVolumes(self) -> None:
        """Stop making the sample volumes."""
        self._cancel(self._making)

    def cancel(self) -> None:
        """Stop whatever runs."""
        self._cancel(self._check)
        self._cancel(self._making)

    @staticmethod
    def _cancel(job: BackgroundJob | None) -> None:
        if job is not None and job.isRunning:
            job.cancel()
