"""The self-tests and the panel tests that 3D Slicer runs, run here on the harness, each on its own."""

from __future__ import annotations

import importlib.util
import os
import unittest
from pathlib import Path
from typing import Any

import pytest
import slicer
from PySide6 import QtGui

from slicer_harness.session import startSession

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("SSPEExtension", "SSPEExpand", "SSPERegister")


def _selfTests() -> list[tuple[str, str]]:
    startSession().loadModules(*(ROOT / name / f"{name}.py" for name in NAMES))
    from slicer_harness.self_testing import selfTestClass, selfTestNames

    return [(name, method) for name in NAMES for method in selfTestNames(selfTestClass(name))]


def _panelTests() -> list[Any]:
    suites = []
    for name in NAMES:
        path = ROOT / name / "Testing" / "Python" / f"{name}PanelTest.py"
        specification = importlib.util.spec_from_file_location(path.stem, path)
        assert specification is not None
        assert specification.loader is not None
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
        suites += unittest.defaultTestLoader.loadTestsFromModule(module)
    return [test for suite in suites for test in suite]


def test_the_windows_are_where_they_were_asked_for(sspe: Any) -> None:
    assert QtGui.QGuiApplication.platformName() == os.environ.get("QT_QPA_PLATFORM", "offscreen")


@pytest.mark.parametrize(("module", "method"), _selfTests())
def test_self_test(sspe: Any, module: str, method: str) -> None:
    from slicer_harness.self_testing import runSelfTestInSession, selfTestClass

    runSelfTestInSession(sspe, selfTestClass(module), method)


@pytest.mark.parametrize("test", _panelTests(), ids=lambda test: f"{type(test).__name__}.{test._testMethodName}")
def test_panel(sspe: Any, test: unittest.TestCase) -> None:
    sspe.mainWindow.show()
    test.debug()


def test_reload_and_test_goes_on_after_a_test_that_is_skipped(sspe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from slicer_harness.self_testing import selfTestClass

    tests = selfTestClass("SSPEExtension")
    ran: list[str] = []

    def skip(self: Any) -> None:
        self.skipTest("PyTorch is not installed")

    for name in [name for name in dir(tests) if name.startswith("test_")]:
        monkeypatch.setattr(tests, name, lambda self, name=name: ran.append(name))
    monkeypatch.setattr(tests, "test_aSkippedOne", skip, raising=False)
    monkeypatch.setattr(tests, "test_zLast", lambda self: ran.append("last"), raising=False)
    slicer.selfTests["SSPEExtension"]()
    assert ran[-1] == "last"
    assert len(ran) > 1
