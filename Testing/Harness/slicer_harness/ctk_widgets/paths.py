"""Widgets that hold the path of a file or a folder."""

from __future__ import annotations

from PySide6 import QtCore, QtWidgets


class ctkPathLineEdit(QtWidgets.QWidget):
    """A line for a path and a button that opens the file dialog."""

    currentPathChanged = QtCore.Signal(str)
    validInputChanged = QtCore.Signal(bool)

    Files = 0x01
    Dirs = 0x02
    Drives = 0x04
    NoDot = 0x2000
    NoDotDot = 0x4000
    Hidden = 0x100
    Executable = 0x040
    Writable = 0x020
    Readable = 0x010

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._line = QtWidgets.QLineEdit(self)
        self._button = QtWidgets.QToolButton(self)
        self._button.setText("...")
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._line, 1)
        layout.addWidget(self._button)
        self._filters = self.Files | self.Dirs
        self._nameFilters: list[str] = []
        self._settingKey = ""
        self._path = ""
        self._line.textChanged.connect(self._onTextChanged)
        self._button.clicked.connect(self.browse)

    def _onTextChanged(self, text: str) -> None:
        if text != self._path:
            self._path = text
            self.currentPathChanged.emit(text)

    def browse(self) -> None:
        dialog = QtWidgets.QFileDialog(self, "Select a file" if self._filters & self.Files else "Select a folder")
        if not self._filters & self.Files:
            dialog.setFileMode(QtWidgets.QFileDialog.Directory)
        dialog.setNameFilters(self._nameFilters)
        if dialog.exec_():
            self.setCurrentPath(dialog.selectedFiles()[0])

    def setCurrentPath(self, path: str) -> None:
        self._line.setText(path)

    def _setFilters(self, filters: int) -> None:
        self._filters = int(filters)

    def setNameFilters(self, nameFilters: list[str]) -> None:
        self._nameFilters = list(nameFilters)

    def _setSettingKey(self, key: str) -> None:
        self._settingKey = key

    def addCurrentPathToHistory(self) -> None:
        """The history is not kept: the harness starts every session anew."""

    currentPath = QtCore.Property(str, lambda self: self._path, setCurrentPath)
    filters = QtCore.Property(int, lambda self: self._filters, _setFilters)
    nameFilters = QtCore.Property("QStringList", lambda self: self._nameFilters, setNameFilters)
    settingKey = QtCore.Property(str, lambda self: self._settingKey, _setSettingKey)


class ctkDirectoryButton(QtWidgets.QWidget):
    """A button that shows a folder and opens the folder dialog."""

    directoryChanged = QtCore.Signal(str)
    directorySelected = QtCore.Signal(str)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._directory = QtCore.QDir.currentPath()
        self._button = QtWidgets.QPushButton(self._directory, self)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._button)
        self._button.clicked.connect(self.browse)

    def browse(self) -> None:
        dialog = QtWidgets.QFileDialog(self, "Select a folder", self._directory)
        dialog.setFileMode(QtWidgets.QFileDialog.Directory)
        if dialog.exec_():
            self.setDirectory(dialog.selectedFiles()[0])
            self.directorySelected.emit(self._directory)

    def setDirectory(self, directory: str) -> None:
        if directory != self._directory:
            self._directory = directory
            self._button.setText(directory)
            self.directoryChanged.emit(directory)

    directory = QtCore.Property(str, lambda self: self._directory, setDirectory)
