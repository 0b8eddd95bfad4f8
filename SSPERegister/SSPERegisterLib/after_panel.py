"""The section "After the registration" of the panel: what moves along, merge, stitch, DICOM."""

from __future__ import annotations

from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from SSPELib.options import MergeOptions
from SSPESlicer.panel.options import explainWidgets, nameChoices

from .along_section import AlongSection
from .dicom_section import DicomSection
from .join_section import JoinSection


class AfterPanel:
    """The parts of the section, and what they have in common: one piece of work at a time, and the scene they show.

    Args:
        panel: of SSPE Register; gives ui, logic, parameters, comparison, mayOverwrite and observers.
    """

    def __init__(self, panel: Any) -> None:
        self._panel = panel
        explainWidgets(panel.ui, MergeOptions)
        self.along = AlongSection(panel)
        self._join = JoinSection(panel, panel.onParametersChanged)
        self._dicom = DicomSection(panel, panel.onParametersChanged)
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.connect("timeout()", self.update)
        panel.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeAddedEvent, self._onNodeAdded)

    @property
    def whyNotNow(self) -> str | None:
        """Why nothing else can be started, None where nothing runs."""
        if self._panel.controls.isRunning or self._join.isRunning or self._dicom.isRunning:
            return _("SSPE is at work already. Wait until it has ended, or cancel it.")
        return None

    def nameChoices(self) -> None:
        """Show plain words for the values of the choices."""
        nameChoices(self._panel.ui, MergeOptions)

    def update(self) -> None:
        """Show the parameters and the scene."""
        parameters = self._panel.parameters
        if parameters is None:
            return
        landmarks = [parameters.fixedLandmarks, parameters.movingLandmarks]
        self.along.update(parameters.movingVolume, parameters.fixedVolume, landmarks)
        self._join.update(self.whyNotNow)
        self._dicom.update(self.whyNotNow)

    def registered(self, transformNode: Any) -> None:
        """Take along what is to move along with the volume that a transform has just placed, and open the section."""
        self.along.follow(transformNode)
        self._panel.ui.afterCollapsibleButton.collapsed = False

    def comparisonStarts(self) -> None:
        """The views show the two volumes again, without the tint of a joined one."""
        self._join.onSources(False)

    def forget(self) -> None:
        """Let go of the scene."""
        self._timer.stop()
        self.along.forget()
        self._join.forget()

    def _onNodeAdded(self, caller: Any, event: Any) -> None:
        if not slicer.mrmlScene.IsBatchProcessing():
            self._timer.start()  # a node that comes is filled only afterwards
