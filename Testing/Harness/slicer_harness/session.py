"""The session: one simulated Slicer a process, put together once and cleared between tests."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PySide6 import QtCore, QtWidgets

from .failures import Failure, FailureRecorder, HarnessError
from .popups import Popup, PopupRecorder, closeTopLevelPopups

SCREENSHOT_FOLDER_VARIABLE = "SLICER_HARNESS_SCREENSHOTS"

_session: Session | None = None


def startSession() -> Session:
    """Returns the process's session, started on the first call."""
    global _session
    if _session is None:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        _session = Session()
    return _session


class Session:
    """What a test does with the simulated Slicer beyond what `slicer` itself offers."""

    def __init__(self) -> None:
        self.failures = FailureRecorder()
        self.popups = PopupRecorder(self.failures)
        from . import slicer_namespace  # patches slicer and PySide: only once a session is wanted

        self._slicer: Any = slicer_namespace.build(self.failures, self.popups)

    @property
    def scene(self) -> Any:
        return self._slicer.mrmlScene

    @property
    def mainWindow(self) -> Any:
        return self._slicer.util.mainWindow()

    # Modules

    def loadModules(self, *paths: str | os.PathLike[str]) -> list[Any]:
        """Loads module files as Slicer does at its start, then tells them that the start is complete."""
        app = self._slicer.app
        modules = app.moduleManager()._load([Path(path) for path in paths])
        app.startupCompleted.emit()
        app._forgetStartupConnections()
        self.raiseFailures()
        return modules

    def openModule(self, name: str) -> Any:
        """Shows the main window with the module's panel; returns the Python widget object."""
        self.mainWindow.show()
        self._slicer.util.selectModule(name)
        self.processEvents()
        return self._slicer.util.getModuleWidget(name)

    # Events

    def processEvents(self, seconds: float = 0.0) -> None:
        """Lets the application work off its events, for at least the given time."""
        end = time.monotonic() + seconds
        while True:
            self._slicer.app.processEvents()
            QtCore.QCoreApplication.sendPostedEvents(None, QtCore.QEvent.DeferredDelete)
            if time.monotonic() >= end:
                return
            time.sleep(0.005)

    def waitUntil(self, condition: Callable[[], bool], seconds: float = 10.0, what: str = "the condition") -> None:
        """Works off events until the condition holds; raises TimeoutError after the given time."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                self.raiseFailures()
                raise TimeoutError(f"{what} did not come within {seconds} s")
            self.processEvents(0.01)

    # Failures and popups

    @contextmanager
    def expectPopup(self, pattern: str, answer: Any = None) -> Iterator[list[Popup]]:
        with self.popups.expect(pattern, answer) as seen:
            yield seen

    @contextmanager
    def expectFailure(self, pattern: str) -> Iterator[list[Failure]]:
        """The block must provoke a failure (exception in a slot, VTK error) that matches the regular expression."""
        with self.failures.expect(pattern) as seen:
            yield seen
            self.processEvents()

    def raiseFailures(self) -> None:
        self.processEvents()
        self.failures.raiseRecorded()

    @contextmanager
    def testingMode(self) -> Iterator[None]:
        """As `Slicer --testing`: slicer.util's popups are logged and answered, not shown."""
        app = self._slicer.app
        before, app._testing = app._testing, True
        try:
            yield
        finally:
            app._testing = before

    # The scene

    def orphans(self) -> list[str]:
        """Names the display and storage nodes to which no node refers: Slicer saves them with the scene for ever."""
        nodes = [self.scene.GetNthNode(index) for index in range(self.scene.GetNumberOfNodes())]
        referred = {identifier for node in nodes for identifier in _referredFrom(node)}
        parts = [node for node in nodes if node.IsA("vtkMRMLDisplayNode") or node.IsA("vtkMRMLStorageNode")]
        own = [part for part in parts if not part.GetSingletonTag() and part.GetID() not in referred]
        return sorted(part.GetID() for part in own)

    # Command-line modules

    @contextmanager
    def brainsFit(self) -> Iterator[Any]:
        """Offers slicer.modules.brainsfit, a stand-in that computes with SimpleITK, within the block."""
        from .command_line_modules.brainsfit import BrainsFitModule

        module = BrainsFitModule()
        manager = self._slicer.app.moduleManager()
        manager._add(module)
        try:
            yield module
        finally:
            self._slicer.cli.stopAll()
            manager._remove(module)

    @contextmanager
    def withoutMainWindow(self) -> Iterator[None]:
        """As `Slicer --no-main-window`: neither a main window nor a layout manager, and so no views."""
        window, parts = self.mainWindow, self._slicer.app._parts
        name, layoutManager = window.objectName, parts["layoutManager"]
        window.setObjectName("")
        parts["layoutManager"] = None
        try:
            yield
        finally:
            parts["layoutManager"] = layoutManager
            window.setObjectName(name)

    # Screenshots

    def screenshot(self, name: str, widget: QtWidgets.QWidget | None = None) -> Path | None:
        """Writes NAME.png of the widget (default: the main window) where the environment asks for screenshots."""
        folder = os.environ.get(SCREENSHOT_FOLDER_VARIABLE)
        if not folder:
            return None
        if not re.fullmatch(r"[\w.-]+", name):
            raise HarnessError(f"'{name}' is not a plain file name")
        self.processEvents(0.1)
        path = Path(folder) / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = (widget or self.mainWindow).grab()
        if not picture.save(str(path)):
            raise OSError(f"Cannot write the screenshot {path}")
        return path

    # Between tests

    def clear(self) -> None:
        """Closes panels, popups and the scene and gives the window its first size; modules stay loaded."""
        self.mainWindow._leaveModule()
        self._slicer.app.moduleManager()._deleteWidgets()
        self._slicer.cli.stopAll()
        closeTopLevelPopups()
        self.mainWindow.hide()
        self.mainWindow._restoreSize()
        self.scene.Clear(0)
        self._slicer.app._pausedRenders = 0
        self._slicer.app._resetViews()
        self.processEvents()
        while QtWidgets.QApplication.overrideCursor() is not None:
            QtWidgets.QApplication.restoreOverrideCursor()
        self.popups.popups.clear()


def _referredFrom(node: Any) -> Iterator[str]:
    roles: list[str] = []
    node.GetNodeReferenceRoles(roles)
    for role in roles:
        for index in range(node.GetNumberOfNodeReferences(role)):
            yield node.GetNthNodeReferenceID(role, index)


def requireNoSlicerFolder() -> None:
    """A folder named `slicer` on sys.path would shadow or mix with the real package."""
    for entry in sys.path:
        folder = Path(entry or ".") / "slicer"
        if folder.is_dir() and not (folder / "slicer_core.py").exists():
            raise HarnessError(f"{folder} would mix with the package `slicer`: rename it")
