"""The panel's buttons that make one volume of both, or of several parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer
from slicer.i18n import tr as _

from SSPELib.options import MergeOptions, RegisterOptions
from SSPESlicer.panel import widgets
from SSPESlicer.panel.job_button import JobButton
from SSPESlicer.panel.options import optionsOf
from SSPESlicer.scene import marks, provenance, results, sources
from SSPESlicer.views import layouts

from . import outcome, verdict
from .checklist import Checklist, Entry
from .joined_nodes import JoinedNodes


class JoinSection:
    """Merge and stitch.

    Args:
        panel: of SSPE Register, whose ui has the widgets of AfterRegistration.ui.
        onChanged: called when a job has begun or ended.
    """

    def __init__(self, panel: Any, onChanged: Callable[[], None]) -> None:
        self._panel = panel
        ui, cancel = panel.ui, self._cancel
        self._tint = widgets.Explained(ui.sourcesCheckBox)
        self._parts = Checklist(ui.partsList, self._onPart)
        self._merge = JobButton(
            ui.mergeButton, ui.mergeProgressBar, ui.mergeStatusLabel, self.onMergeButton, cancel, onChanged
        )
        self._stitch = JobButton(
            ui.stitchButton, ui.stitchProgressBar, ui.stitchStatusLabel, self.onStitchButton, cancel, onChanged
        )
        ui.sourcesCheckBox.connect("toggled(bool)", self.onSources)

    @property
    def isRunning(self) -> bool:
        """Whether one of the two jobs runs."""
        return self._merge.isRunning or self._stitch.isRunning

    def update(self, whyNotNow: str | None) -> None:
        """Show the parameters; `whyNotNow` says that other work is being done."""
        parameters, logic = self._panel.parameters, self._panel.logic
        chosenTwo = (parameters.fixedVolume, parameters.movingVolume)
        self._merge.allow(whyNotNow or logic.whyNotMerge(*chosenTwo, parameters.mergedVolume))
        chosen = self._chosenParts()
        self._parts.show([Entry(node, node.GetName(), node in chosen, node.GetName()) for node in _possibleParts()])
        self._stitch.allow(whyNotNow or logic.whyNotStitch(chosen, parameters.stitchedVolume))
        self._tint.allow(None if self._joinedNodes() else _("There is no merged or stitched volume yet."))

    def forget(self) -> None:
        """Let go of all nodes."""
        self._parts.show([])

    def onMergeButton(self) -> None:
        parameters = self._panel.parameters
        fixed, moving, output = parameters.fixedVolume, parameters.movingVolume, parameters.mergedVolume
        if not self._panel.mayOverwrite([(output, moving)]) or not self._mayMerge(fixed, moving):
            return

        def begin(**how: Any) -> None:
            options = optionsOf(MergeOptions, parameters, accept_unreliable=True)
            self._panel.logic.merge(fixed, moving, options, output, overwrite=True, **how)

        self._merge.run(begin, _("The volumes could not be merged."), lambda made: self._taken(made, "mergedVolume"))

    def onStitchButton(self) -> None:
        parameters, parts = self._panel.parameters, self._chosenParts()
        output = parameters.stitchedVolume
        if not self._panel.mayOverwrite([(output, parts[0])]):
            return

        def begin(**how: Any) -> None:
            registering = optionsOf(RegisterOptions, parameters, **_startOf(parameters), backend="simpleitk")
            joining = optionsOf(MergeOptions, parameters)
            self._panel.logic.stitch(parts, registering, joining, output, overwrite=True, **how)

        self._stitch.run(begin, _("The parts could not be stitched."), lambda made: self._taken(made, "stitchedVolume"))

    def onSources(self, shown: bool) -> None:
        """Tint the joined volumes, or not."""
        for node in self._joinedNodes():
            sources.showSources(node, shown)

    def _mayMerge(self, fixedNode: Any, movingNode: Any) -> bool:
        """Ask before volumes are merged whose alignment is not reliable, or not known to be."""
        known = verdict.verdictOn(movingNode, fixedNode)
        if known is not None and known["reliable"]:
            return True
        if known is None:
            why = _("SSPE has no verdict on how these volumes lie: they were not registered, or moved since.")
        else:
            why = "\n".join([_("The registration is NOT RELIABLE."), *known["reasons"]])
        question = _("Merge them nevertheless? Look at the comparison first.")
        return bool(slicer.util.confirmYesNoDisplay(f"{why}\n\n{question}", _("Merge?")))

    def _taken(self, joined: JoinedNodes, parameter: str) -> list[str]:
        """Choose a joined volume as the one that the next run replaces, and show it; what is to be told of it."""
        if self._panel.parameters is not None:
            setattr(self._panel.parameters, parameter, joined.volume)
        self._show(joined.volume)
        return _told(joined)

    def _show(self, volumeNode: Any) -> None:
        """Show a joined volume alone in the views, tinted by its sources where that is wanted."""
        self._panel.comparison.stop()
        views = layouts.showThreeSlices()
        slicer.util.setSliceViewerLayers(background=volumeNode, foreground=None, label=None, fit=True)
        layouts.showPlanesOf(volumeNode, views)
        # The tints of expanded volumes would lie over it; the next comparison shows them again.
        marks.showMarks(False)
        self.onSources(self._panel.ui.sourcesCheckBox.checked)

    def _chosenParts(self) -> list[Any]:
        return [node for node in self._panel.parameters.stitchedParts if node is not None]

    def _onPart(self, node: Any, isChecked: bool) -> None:
        others = [part for part in self._chosenParts() if part is not node]
        self._panel.parameters.stitchedParts = [*others, node] if isChecked else others

    def _joinedNodes(self) -> list[Any]:
        nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        return [node for node in nodes if node.GetAttribute(results.JOINED_ATTRIBUTE) is not None]

    def _cancel(self) -> None:
        self._panel.logic.cancel()


def _told(joined: JoinedNodes) -> list[str]:
    """The verdict and what to heed; that there is no verdict is among what to heed."""
    return [*([] if joined.reliable is None else [outcome.verdict(joined.reliable)]), *joined.warnings]


def _possibleParts() -> list[Any]:
    """Volumes as scanners made them."""
    nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    plain = [node for node in nodes if node.GetClassName() == "vtkMRMLScalarVolumeNode"]
    return [
        node
        for node in plain
        if not (node.GetHideFromEditors() or results.isResult(node) or provenance.originalOf(node) is not None)
    ]


def _startOf(parameters: Any) -> dict[str, str]:
    """Landmarks are those of two volumes; parts start from their headers instead."""
    starts = RegisterOptions.option("start").choices
    return {} if parameters.start in starts else {"start": RegisterOptions.start}
