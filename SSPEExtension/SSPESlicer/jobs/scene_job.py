"""A background job on nodes of the scene: stops when the scene closes or an input goes, makes nodes only at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic
from slicer.util import VTKObservationMixin

from SSPELib.errors import SSPEError

from .background import BackgroundJob, Event
from .files import Files
from .warm import WarmProcess


class SceneJob(VTKObservationMixin):
    """Runs one job at a time on input nodes of the scene."""

    def __init__(self) -> None:
        VTKObservationMixin.__init__(self)
        self._job: BackgroundJob | None = None
        self._inputIds: set[str] = set()

    @property
    def isRunning(self) -> bool:
        return self._job is not None and self._job.isRunning

    def run(
        self,
        job: BackgroundJob,
        description: Event,
        files: Files,
        inputNodes: list[Any],
        take: Callable[[Event], Any],
        onEnd: Callable[[Any, Exception | None], None] | None,
    ) -> Any:
        """Do a job. With onEnd it runs in the background and None is returned; without, the value of `take` is.

        Raises:
            SSPEError: another job of this module still runs, or (without onEnd) the job failed.
        """
        if self.isRunning:
            job.close()
            raise SSPEError(_("SSPE is at work already. Wait until it has ended, or cancel it."))
        if onEnd is None:
            return job.run(description, take, files)
        self._job = job
        self._inputIds = {node.GetID() for node in inputNodes}
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self._onSceneClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeAboutToBeRemovedEvent, self._onNodeRemoved)

        def end(value: Any, error: Exception | None) -> None:
            self.removeObservers()
            self._job = None
            onEnd(value, error)

        job.start(description, take, end, files)
        return None

    def cancel(self) -> None:
        """Stop the job, if one runs, with its process and everything that this has started."""
        if self._job is not None:
            self._job.cancel()

    def _onSceneClose(self, caller: Any, event: Any) -> None:
        self.cancel()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeRemoved(self, caller: Any, event: Any, node: Any) -> None:
        if self._job is not None and node is not None and node.GetID() in self._inputIds:
            message = _("{name} was deleted while SSPE worked on it, so the work was stopped.")
            self._job.fail(SSPEError(message.format(name=node.GetName())))


class JobLogic(ScriptedLoadableModuleLogic):
    """A module's logic that does its work in a background process.

    Args:
        processFactory: makes the process that does the work; tests inject their own.
    """

    def __init__(self, processFactory: Callable[[], Any] = WarmProcess) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        self._processFactory = processFactory
        self._sceneJob = SceneJob()

    def cancel(self) -> None:
        """Stop a run in the background, if there is one; its end is told as Cancelled."""
        self._sceneJob.cancel()


def ifPresent(node: Any) -> Any:
    """Return a node that is to take a result; None, so that a new one is made, where it was deleted during the work."""
    return node if node is not None and slicer.mrmlScene.IsNodePresent(node) else None
