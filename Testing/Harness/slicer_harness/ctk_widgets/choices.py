"""Combo box and message box."""

from __future__ import annotations

from PySide6 import QtCore, QtWidgets


class ctkComboBox(QtWidgets.QComboBox):
    """A combo box with a default text for the time that nothing is chosen."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._defaultText = ""

    def setDefaultText(self, text: str) -> None:
        self._defaultText = text
        self.setPlaceholderText(text)

    defaultText = QtCore.Property(str, lambda self: self._defaultText, setDefaultText)


class ctkMessageBox(QtWidgets.QMessageBox):
    """A message box with a "don't show again" mark."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._settingsKey = ""
        self._dontShowAgain = False

    def _setSettingsKey(self, key: str) -> None:
        self._settingsKey = key

    def _setDontShowAgain(self, hide: bool) -> None:
        self._dontShowAgain = hide

    dontShowAgainSettingsKey = QtCore.Property(str, lambda self: self._settingsKey, _setSettingsKey)
    dontShowAgain = QtCore.Property(bool, lambda self: self._dontShowAgain, _setDontShowAgain)
    dontShowAgainVisible = QtCore.Property(bool, lambda self: bool(self._settingsKey))
