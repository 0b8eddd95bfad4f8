"""`slicer.cli`: runs command-line modules in a process of their own, with the real node and its statuses."""

from __future__ import annotations

import time
from typing import Any

import slicer
from PySide6 import QtCore

from ..failures import HarnessError

_POLL_MS = 20


def createNode(cliModule: Any, parameters: dict[str, Any] | None = None) -> Any:
    """A new node that holds the parameters of a run."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLCommandLineModuleNode")
    node.SetName(cliModule.title)
    if parameters is not None:
        setNodeParameters(node, parameters, cliModule)
    return node


def setNodeParameters(node: Any, parameters: dict[str, Any], cliModule: Any = None) -> None:
    """Checks the parameters and keeps them for the run."""
    module = cliModule or _moduleOf(node)
    _runs[node.GetID()] = _Run(module, node, module._checked(parameters))


def run(
    module: Any,
    node: Any = None,
    parameters: dict[str, Any] | None = None,
    wait_for_completion: bool = False,
    delete_temporary_files: bool = True,
    update_display: bool = True,
) -> Any:
    """Starts the module; returns the node, whose status tells how it goes."""
    if node is None:
        node = createNode(module, parameters or {})
    elif parameters is not None:
        setNodeParameters(node, parameters, module)
    current = _runs.get(node.GetID())
    if current is None:
        raise HarnessError(f"The node {node.GetName()} has no parameters to run with")
    current.start(update_display)
    if wait_for_completion:
        current.wait()
    return node


def runSync(
    module: Any,
    node: Any = None,
    parameters: dict[str, Any] | None = None,
    delete_temporary_files: bool = True,
    update_display: bool = True,
) -> Any:
    """Runs the module to its end; returns the node. A failure shows in the node's status only."""
    return run(module, node, parameters, True, delete_temporary_files, update_display)


def stopAll() -> None:
    """Ends every process that still runs."""
    for current in _runs.values():
        current.stop()
    _runs.clear()


def _moduleOf(node: Any) -> Any:
    if node.GetID() not in _runs:
        raise HarnessError(f"The node {node.GetName()} was not made by slicer.cli.createNode")
    return _runs[node.GetID()].module


class _Run:
    """One run of a module: a process, and the node that follows it."""

    def __init__(self, module: Any, node: Any, values: dict[str, Any]) -> None:
        self.module = module
        self.node = node
        self.values = values
        self._job: Any = None
        self._timer = QtCore.QTimer()
        self._timer.setInterval(_POLL_MS)
        self._timer.timeout.connect(self._poll)
        self._updateDisplay = True

    def start(self, updateDisplay: bool) -> None:
        if self.node.IsBusy():
            raise HarnessError(f"{self.module.name} runs already on this node")
        self._updateDisplay = updateDisplay
        self.node.SetErrorText("", False)
        self.node.SetStatus(self.node.Scheduled)
        self._job = self.module._startJob(self.values)
        self._timer.start()

    def wait(self) -> None:
        while self.node.IsBusy():
            self._poll()
            slicer.app.processEvents()
            time.sleep(_POLL_MS / 1000)

    def stop(self) -> None:
        self._timer.stop()
        if self._job is not None:
            self._job.kill()
            self._job = None

    def _poll(self) -> None:
        node = self.node
        if self._job is None:
            return
        if node.GetStatus() == node.Cancelling:
            self.stop()
            node.SetStatus(node.Cancelled)
        elif node.GetStatus() == node.Scheduled:
            node.SetStatus(node.Running)
        elif self._job.finished():
            self._finish()

    def _finish(self) -> None:
        node = self.node
        job, self._job = self._job, None
        self._timer.stop()
        node.SetStatus(node.Completing)
        node.SetOutputText(job.output, False)
        if job.error:
            node.SetErrorText(job.error, False)
            node.SetStatus(node.CompletedWithErrors)
            return
        job.bringResultsIntoTheScene(self.values, self._updateDisplay)
        node.SetStatus(node.Completed)


_runs: dict[str, _Run] = {}
