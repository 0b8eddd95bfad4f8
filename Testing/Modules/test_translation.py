"""Every text that a panel shows can be translated: with all translatable texts in brackets, none is without."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import slicer
from PySide6 import QtWidgets

ROOT = Path(__file__).resolve().parents[2]
# Names, figures and units stay as they are in every language.
UNTRANSLATED = re.compile(r"(chest|belly|lambda-ResGAN|BRAINSFit|SimpleITK|SSPE|[\d.,+ -]*( ?(mm|%|HU))?|\d+\.\d+.*)")


def shown_texts(panel: Any) -> Iterator[tuple[str, str]]:
    """Where a text stands, and the text, for every control of a panel; parts that Qt makes by itself are left out."""
    for widget in panel.findChildren(QtWidgets.QWidget):
        name = widget.objectName
        if not name or name.startswith("qt_"):
            continue
        if widget.toolTip:
            yield f"{name}.toolTip", widget.toolTip
        if isinstance(widget, (QtWidgets.QLabel, QtWidgets.QAbstractButton)) and widget.text:
            yield f"{name}.text", widget.text
        if isinstance(widget, QtWidgets.QGroupBox):
            yield f"{name}.title", widget.title
        if isinstance(widget, QtWidgets.QListWidget):
            yield from ((f"{name}[{row}]", widget.item(row).text()) for row in range(widget.count))
        if isinstance(widget, QtWidgets.QComboBox):
            yield from ((f"{name}[{index}]", widget.itemText(index)) for index in range(widget.count))


def untranslatable(panel: Any) -> list[str]:
    """The texts of a panel without brackets; each line of rich text counts by itself."""
    found = []
    for where, text in shown_texts(panel):
        while "⟦" in text:  # a translated text may be filled in into another
            text = re.sub(r"⟦[^⟦⟧]*⟧", "", text)
        for line in re.split(r"<br>|</p>|</td>|\n", text):
            words = re.sub(r"<[^>]*>|&\w+;|[✓⚠•]", "", line).strip()
            if not UNTRANSLATED.fullmatch(words):
                found.append(f"{where}: {words}")
    return found


@pytest.fixture
def marked(sspe: Any) -> Iterator[Any]:
    from slicer_harness.i18n import markedTexts

    with markedTexts():
        yield sspe


def test_a_text_without_translation_is_found(marked: Any) -> None:
    widget = marked.openModule("SSPEExpand")
    widget.ui.planLabel.text = "Nobody translates this.<br>⟦This is.⟧"
    assert untranslatable(widget.parent) == ["planLabel.text: Nobody translates this."]


def test_home(marked: Any) -> None:
    widget = marked.openModule("SSPEExtension")
    widget.ui.cardLabel.text = ""  # the card is written by those who trained the model
    assert untranslatable(widget.parent) == []
    assert widget.ui.sampleDataButton.text == "⟦Load sample volumes⟧"


@pytest.mark.parametrize("module", ["SSPEExpand", "SSPERegister"])
def test_panels_with_volumes_chosen(marked: Any, module: str) -> None:
    from SSPESlicer.selftest import addNode, halves

    widget = marked.openModule(module)
    assert untranslatable(widget.parent) == []
    volumes = [addNode(part, name) for part, name in zip(halves(20.0), ("chest", "belly"), strict=True)]
    names = ("upperSelector", "lowerSelector") if module == "SSPEExpand" else ("fixedSelector", "movingSelector")
    for name, node in zip(names, volumes, strict=True):
        getattr(widget.ui, name).setCurrentNode(node)
    widget.ui.distanceSlider.value = 200
    assert untranslatable(widget.parent) == []
    widget.controls.started()
    assert untranslatable(widget.parent) == []


def test_a_result(marked: Any) -> None:
    from SSPERegisterLib.logic import SSPERegisterLogic
    from SSPERegisterLib.selftest import knownMotion
    from SSPESlicer.selftest import AnsweringProcess, addNode, halves

    widget = marked.openModule("SSPERegister")
    verdict = {"reliable": False, "reasons": [], "metric_name": "", "overlap_mm": -4.0, "error_sentence": ""}
    widget.logic = SSPERegisterLogic(lambda: AnsweringProcess(transform=knownMotion(), verdict=verdict))
    widget.chooseVolumes(*(addNode(part, name) for part, name in zip(halves(20.0), ("chest", "belly"), strict=True)))
    widget.ui.backendComboBox.currentIndex = 2
    widget.ui.applyButton.click()
    marked.waitUntil(lambda: not widget.controls.isRunning, 10.0, "the end")
    assert "NOT RELIABLE" in widget.ui.resultLabel.text
    assert untranslatable(widget.parent) == []


def test_extraction_needs_no_module_loaded() -> None:
    """The static rule, on code that breaks it."""
    import ast

    specification = importlib.util.spec_from_file_location("acceptance_rules", ROOT / "Testing" / "acceptance.py")
    assert specification is not None
    assert specification.loader is not None
    rules = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(rules)
    for code, count in (
        ("'''Words of documentation.'''", 0),
        ("x = _('Two words')", 0),
        ("x = _('Two words {name}').format(name=name)", 0),
        ("x = 'Two words'", 1),
        ("raise InputError(f'The volume {name} is bad')", 1),
        ("x = _(name)", 1),
        ("x = _(f'The volume {name}')", 1),
        ("x = '<table width=100% bgcolor=red>'", 0),
    ):
        found = list(rules.untranslatable(ast.parse(code)))
        assert bool(found) == bool(count), code


def test_the_session_speaks_english_again(sspe: Any) -> None:
    widget = sspe.openModule("SSPEExtension")
    assert widget.ui.sampleDataButton.text == "Load sample volumes"
    assert slicer.i18n.tr("A text") == "A text"
