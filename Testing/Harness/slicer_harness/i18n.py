"""`slicer.i18n`: texts stay in English, unless a test marks all that can be translated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PySide6 import QtCore

MARK = "⟦{}⟧"


def tr(text: str) -> str:
    """Translates a text of the calling module."""
    return QtCore.QCoreApplication.translate("", text)


def getContext(sourceFile: str) -> str:
    """The context of the texts of a file: the name of its package, where it is in one, and its own."""
    path = Path(sourceFile)
    inPackage = path.with_name("__init__.py").is_file()
    return f"{path.parent.name}.{path.stem}" if inPackage else path.stem


def translate(context: str, text: str) -> str:
    """Translates a text of the given context."""
    return QtCore.QCoreApplication.translate(context, text)


class _MarkingTranslator(QtCore.QTranslator):
    """Puts brackets around every text, of Python files and of .ui files, that a translator would be given."""

    def translate(self, _context: str, text: str, _hint: str | None = None, _count: int = -1) -> str:
        return MARK.format(text)

    def isEmpty(self) -> bool:
        return False


@contextmanager
def markedTexts() -> Iterator[None]:
    """Within the block every translatable text is in brackets: what has none could never be translated."""
    translator = _MarkingTranslator()
    QtCore.QCoreApplication.installTranslator(translator)
    try:
        yield
    finally:
        QtCore.QCoreApplication.removeTranslator(translator)
