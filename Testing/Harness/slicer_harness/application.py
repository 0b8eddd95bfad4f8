"""`slicer.app`: the application object, to the extent that scripted modules use it."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any, ClassVar

from PySide6 import QtCore, QtWidgets

from . import pythonqt_semantics
from .failures import HarnessError

SLICER_VERSION = (5, 10, 0)


class qSlicerApplication(QtWidgets.QApplication):
    """One a process. The session gives it its parts (scene, layout, modules, files)."""

    startupCompleted = QtCore.Signal()
    mrmlSceneChanged = QtCore.Signal(object)
    _mappedSignals: ClassVar = {"mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged"}

    applicationVersion = property(lambda self: ".".join(str(part) for part in SLICER_VERSION))
    applicationName = property(lambda self: "Slicer")
    mainApplicationName = property(lambda self: "Slicer")
    majorVersion = property(lambda self: SLICER_VERSION[0])
    minorVersion = property(lambda self: SLICER_VERSION[1])
    revision = property(lambda self: "harness")
    os = property(lambda self: "linux")
    slicerHome = property(lambda self: self._folder("home"))
    temporaryPath = property(lambda self: self._folder("temporary"))
    cachePath = property(lambda self: self._folder("cache"))
    defaultScenePath = property(lambda self: self._folder("scenes"))
    extensionsInstallPath = property(lambda self: self._folder("extensions"))

    def __init__(self) -> None:
        if QtWidgets.QApplication.instance() is not None:
            raise HarnessError("A Qt application runs already: start the Slicer harness before any other")
        super().__init__(["Slicer"])
        self._workFolder = tempfile.TemporaryDirectory(prefix="slicer-harness-")
        self._parts: dict[str, Any] = {}
        self._testing = False
        self._pausedRenders = 0
        QtCore.QSettings.setDefaultFormat(QtCore.QSettings.IniFormat)
        for scope in (QtCore.QSettings.UserScope, QtCore.QSettings.SystemScope):
            QtCore.QSettings.setPath(QtCore.QSettings.IniFormat, scope, self._folder("settings"))
        self._offerPythonSlicer()
        self.setOrganizationName("SlicerHarness")
        self.setQuitOnLastWindowClosed(False)

    def _offerPythonSlicer(self) -> None:
        """PythonSlicer, the interpreter that modules start their processes with, is on the PATH in Slicer."""
        launcher = Path(self._folder("bin")) / "PythonSlicer"
        launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
        launcher.chmod(0o755)
        os.environ["PATH"] = str(launcher.parent) + os.pathsep + os.environ.get("PATH", "")

    def _folder(self, name: str) -> str:
        folder = Path(self._workFolder.name) / name
        folder.mkdir(exist_ok=True)
        return str(folder)

    def _part(self, name: str) -> Any:
        if name not in self._parts:
            raise HarnessError(f"slicer.app.{name}() is not there yet: the session is still starting")
        return self._parts[name]

    def mrmlScene(self) -> Any:
        return self._part("mrmlScene")

    def applicationLogic(self) -> Any:
        return self._part("applicationLogic")

    def layoutManager(self) -> Any:
        return self._part("layoutManager")

    def moduleManager(self) -> Any:
        return self._part("moduleManager")

    def coreIOManager(self) -> Any:
        return self._part("coreIOManager")

    def ioManager(self) -> Any:
        return self._part("coreIOManager")

    def testingEnabled(self) -> bool:
        return self._testing

    def pauseRender(self) -> None:
        self._pausedRenders += 1

    def resumeRender(self) -> None:
        if self._pausedRenders == 0:
            raise HarnessError("slicer.app.resumeRender() without slicer.app.pauseRender()")
        self._pausedRenders -= 1
        if self._pausedRenders == 0:
            self._part("layoutManager")._scheduleRenderOfAllViews()

    def settings(self) -> QtCore.QSettings:
        return QtCore.QSettings()

    def userSettings(self) -> QtCore.QSettings:
        return QtCore.QSettings()

    def revisionUserSettings(self) -> QtCore.QSettings:
        return QtCore.QSettings()

    def startupEnvironment(self) -> QtCore.QProcessEnvironment:
        return QtCore.QProcessEnvironment.systemEnvironment()

    def _forgetStartupConnections(self) -> None:
        """The start comes once in the application's life: later modules get their own."""
        pythonqt_semantics.disconnect(self, "startupCompleted()")

    def _resetViews(self) -> None:
        self._part("layoutManager")._reset()
