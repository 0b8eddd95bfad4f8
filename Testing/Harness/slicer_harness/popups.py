"""Popups: dialogs that would wait for the user. Each must be expected, with an answer; any other is a failure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from PySide6 import QtCore, QtWidgets

from .failures import FailureRecorder


@dataclass(frozen=True)
class Popup:
    """What the user would have seen."""

    kind: str
    text: str


@dataclass
class _Expectation:
    pattern: str
    answer: Any
    seen: list[Popup]


class PopupRecorder:
    """Stands in for the modal event loop of every dialog: records the popup and gives the expected answer."""

    def __init__(self, failures: FailureRecorder) -> None:
        self._failures = failures
        self._expectations: list[_Expectation] = []
        self.popups: list[Popup] = []

    @contextmanager
    def expect(self, pattern: str, answer: Any = None) -> Iterator[list[Popup]]:
        """The block must open a popup whose text matches the regular expression; it gets `answer`.

        The answer is a standard button for message boxes (default: Ok or Yes), True or False for other dialogs, the
        path or paths for file dialogs, the text for input dialogs; or a function that is given the dialog.
        """
        expectation = _Expectation(pattern, answer, [])
        self._expectations.append(expectation)
        try:
            yield expectation.seen
        finally:
            self._expectations.remove(expectation)
        if not expectation.seen:
            raise AssertionError(f"Expected a popup that matches {pattern!r}, none was opened")

    def _answer(self, popup: Popup, dialog: Any, unexpected: Any, positive: Any) -> Any:
        self.popups.append(popup)
        for expectation in self._expectations:
            if re.search(expectation.pattern, popup.text, re.DOTALL):
                expectation.seen.append(popup)
                answer = expectation.answer
                if callable(answer) and not isinstance(answer, QtWidgets.QMessageBox.StandardButton):
                    answer = answer(dialog)
                return positive if answer is None else answer
        self._failures.record("unexpected popup", f"{popup.kind}: {popup.text}")
        return unexpected

    def install(self) -> None:
        qdialog: Any = QtWidgets.QDialog
        recorder = self

        def execute(dialog: Any) -> Any:
            return recorder._execute(dialog)

        for dialogClass in (qdialog, QtWidgets.QMessageBox, QtWidgets.QFileDialog, QtWidgets.QProgressDialog):
            dialogClass.exec = execute
            dialogClass.exec_ = execute
        self._installMessageBoxFunctions()
        self._installFileDialogFunctions()
        self._installInputDialogFunctions()

    def _execute(self, dialog: Any) -> Any:
        if isinstance(dialog, QtWidgets.QMessageBox):
            text = "\n".join(part for part in (dialog.text, dialog.informativeText, dialog.detailedText) if part)
            return self._answerMessageBox(dialog.windowTitle, text, dialog.standardButtons, dialog)
        if isinstance(dialog, QtWidgets.QFileDialog):
            chosen = self._answer(Popup(dialog.className(), dialog.windowTitle), dialog, None, None)
            if not chosen:
                return int(QtWidgets.QDialog.Rejected)
            for path in [chosen] if isinstance(chosen, str) else chosen:
                dialog.selectFile(path)
            return int(QtWidgets.QDialog.Accepted)
        labels = [label.text for label in dialog.findChildren(QtWidgets.QLabel)]
        popup = Popup(dialog.className(), "\n".join([dialog.windowTitle, *labels]))
        accepted = self._answer(popup, dialog, False, True)
        return int(QtWidgets.QDialog.Accepted if accepted else QtWidgets.QDialog.Rejected)

    def _answerMessageBox(self, title: str, text: str, buttons: Any, dialog: Any) -> int:
        box = QtWidgets.QMessageBox
        positive = next((button for button in (box.Ok, box.Yes, box.Retry, box.Open) if buttons & button), box.Ok)
        negative = next((button for button in (box.Cancel, box.No, box.Close, box.Abort) if buttons & button), box.Ok)
        answer = self._answer(Popup("message box", f"{title}\n{text}"), dialog, negative, positive)
        if buttons and not buttons & answer:
            raise AssertionError(f"The message box '{text}' has no button {answer!r}")
        return answer

    def _installMessageBoxFunctions(self) -> None:
        def show(parent: Any, title: str, text: str, buttons: Any = QtWidgets.QMessageBox.Ok, *_default: Any) -> Any:
            return self._answerMessageBox(title, text, buttons, None)

        def ask(parent: Any, title: str, text: str, buttons: Any = None, *_default: Any) -> Any:
            box = QtWidgets.QMessageBox
            return self._answerMessageBox(title, text, buttons or (box.Yes | box.No), None)

        messageBox: Any = QtWidgets.QMessageBox
        for name in ("information", "warning", "critical", "about"):
            setattr(messageBox, name, staticmethod(show))
        messageBox.question = staticmethod(ask)

    def _installFileDialogFunctions(self) -> None:
        def choose(name: str, nothing: Any) -> Any:
            def function(parent: Any = None, caption: str = "", *_rest: Any, **_options: Any) -> Any:
                return self._answer(Popup(f"file dialog ({name})", caption), None, nothing, nothing)

            return staticmethod(function)

        fileDialog: Any = QtWidgets.QFileDialog
        # PythonQt returns the bare path, without PySide's filter beside it
        for name in ("getOpenFileName", "getSaveFileName", "getExistingDirectory"):
            setattr(fileDialog, name, choose(name, ""))
        fileDialog.getOpenFileNames = choose("getOpenFileNames", [])

    def _installInputDialogFunctions(self) -> None:
        def ask(parent: Any, title: str, label: str, *_rest: Any, **_options: Any) -> Any:
            answer = self._answer(Popup("input dialog", f"{title}\n{label}"), None, None, None)
            return ("", False) if answer is None else (answer, True)

        inputDialog: Any = QtWidgets.QInputDialog
        for name in ("getText", "getInt", "getDouble", "getItem", "getMultiLineText"):
            setattr(inputDialog, name, staticmethod(ask))


def closeTopLevelPopups() -> None:
    """Closes dialogs that a test left open without waiting for them."""
    for widget in QtWidgets.QApplication.topLevelWidgets():
        if isinstance(widget, QtWidgets.QDialog) and widget.isVisible():
            widget.close()
            QtCore.QCoreApplication.processEvents()
