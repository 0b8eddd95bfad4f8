"""What went wrong where no caller could catch it: exceptions in Qt slots, in VTK observers and in threads, VTK errors,
popups that nobody expected. A session records them here, and the test that caused them fails."""

from __future__ import annotations

import re
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import vtk
from PySide6 import QtCore

# Without an X server VTK says so once and goes on with EGL or OSMesa.
_HARMLESS_WARNINGS = ("bad X server connection",)

# MRML says this of itself when it resets a slice node that shows an oblique cut or has no default orientation.
_HARMLESS_ERRORS = ("GetSliceOrientationPreset: invalid orientation preset name: Reformat",)

# What Qt's platform plugins say without a desktop.
_HARMLESS_QT_MESSAGES = ("propagateSizeHints", "XDG_RUNTIME_DIR", "Could not find a valid icon", "qt.qpa")


class HarnessError(Exception):
    """The code under test uses something that Slicer does not have, or that the harness does not cover."""


class RecordedFailures(AssertionError):
    """Raised at the end of a test for failures that no caller could catch."""


@dataclass(frozen=True)
class Failure:
    kind: str
    message: str
    details: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}" + (f"\n{self.details.rstrip()}" if self.details else "")


class FailureRecorder:
    """Collects failures; `expect` takes out those that a test provokes on purpose."""

    def __init__(self) -> None:
        self._failures: list[Failure] = []
        self._vtkSilent = False

    def record(self, kind: str, message: str, details: str = "") -> None:
        self._failures.append(Failure(kind, message, details))

    def recordException(self, kind: str, error: BaseException | None, trace: TracebackType | None = None) -> None:
        if error is None:
            return
        details = "".join(traceback.format_exception(type(error), error, trace or error.__traceback__))
        self.record(kind, f"{type(error).__name__}: {error}", details)

    def take(self) -> list[Failure]:
        """Returns the failures recorded so far and forgets them."""
        taken, self._failures = self._failures, []
        return taken

    def raiseRecorded(self) -> None:
        failures = self.take()
        if failures:
            raise RecordedFailures("\n\n".join(str(failure) for failure in failures))

    @contextmanager
    def expect(self, pattern: str) -> Iterator[list[Failure]]:
        """The block must cause at least one failure whose text matches the regular expression; those do not count."""
        before = self.take()
        matched: list[Failure] = []
        yield matched
        during = self.take()
        matched += [failure for failure in during if re.search(pattern, str(failure))]
        self._failures = before + [failure for failure in during if failure not in matched]
        if not matched:
            seen = "; ".join(f"{failure.kind}: {failure.message}" for failure in during) or "nothing"
            raise AssertionError(f"Expected a failure that matches {pattern!r}, recorded: {seen}")

    def install(self) -> None:
        """Takes over the hooks through which PySide, VTK and threads report exceptions that they swallow."""

        def onException(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
            self.recordException("exception in a slot or observer", error, trace)
            sys.__excepthook__(kind, error, trace)

        def onThreadException(arguments: Any) -> None:
            self.recordException("exception in a thread", arguments.exc_value, arguments.exc_traceback)

        def onQtMessage(kind: QtCore.QtMsgType, context: QtCore.QMessageLogContext, text: str) -> None:
            harmless = any(known in text or known in (context.category or "") for known in _HARMLESS_QT_MESSAGES)
            if kind in (QtCore.QtMsgType.QtDebugMsg, QtCore.QtMsgType.QtInfoMsg) or harmless:
                return
            self.record("Qt warning", text)
            print(text, file=sys.stderr)

        QtCore.qInstallMessageHandler(onQtMessage)
        sys.excepthook = onException
        threading.excepthook = onThreadException
        vtk.vtkLogger.SetStderrVerbosity(vtk.vtkLogger.VERBOSITY_OFF)  # or every message would show twice
        self._outputWindow = vtk.vtkStringOutputWindow()
        self._outputWindow.AddObserver(vtk.vtkCommand.ErrorEvent, self._onVtkError)
        self._outputWindow.AddObserver(vtk.vtkCommand.WarningEvent, self._onVtkWarning)
        vtk.vtkOutputWindow.SetInstance(self._outputWindow)

    @contextmanager
    def vtkSilenced(self) -> Iterator[None]:
        """While the scene's logics start, which miss resource files that slicer-core does not have."""
        self._vtkSilent = True
        try:
            yield
        finally:
            self._vtkSilent = False

    def _onVtkError(self, _caller: object, _event: str, text: str = "") -> None:
        if not self._vtkSilent and not any(known in text for known in _HARMLESS_ERRORS):
            self.record("VTK error", text.strip())
            print(text, file=sys.stderr)

    def _onVtkWarning(self, _caller: object, _event: str, text: str = "") -> None:
        if not self._vtkSilent and not any(known in text for known in _HARMLESS_WARNINGS):
            print(text, file=sys.stderr)

    _onVtkError.CallDataType = vtk.VTK_STRING
    _onVtkWarning.CallDataType = vtk.VTK_STRING
