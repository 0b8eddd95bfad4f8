"""`slicer.testing`, and the way Slicer runs a module's self-test class: each test_* method alone, with setUp."""

from __future__ import annotations

import sys
import unittest
from typing import Any

import slicer

EXIT_SUCCESS = 0
EXIT_FAILURE = 1


def exitSuccess() -> None:
    sys.exit(EXIT_SUCCESS)


def exitFailure(message: str = "") -> None:
    if message:
        print(message, file=sys.stderr)
    sys.exit(EXIT_FAILURE)


def selfTestClass(moduleName: str) -> type[unittest.TestCase]:
    """The class XTest of module X."""
    module = slicer.util.getModule(moduleName)
    testClass = getattr(module._pythonModule, f"{moduleName}Test", None)
    if testClass is None or not issubclass(testClass, unittest.TestCase):
        raise LookupError(f"{module.path} has no test class {moduleName}Test")
    return testClass


def selfTestNames(testClass: type[unittest.TestCase]) -> list[str]:
    return unittest.TestLoader().getTestCaseNames(testClass)


def runSelfTest(testClass: Any, methodName: str) -> None:
    """Runs one test method; raises what it raises."""
    test = testClass(methodName)
    if hasattr(test, "messageDelay"):
        test.messageDelay = 0
    test.setUp()
    try:
        getattr(test, methodName)()
    finally:
        test.tearDown()
        test.doCleanups()


def runSelfTestInSession(session: Any, testClass: Any, methodName: str) -> None:
    """Runs one test method in an empty session, as `Slicer --testing` does; uncaught failures fail it."""
    session.clear()
    session.failures.take()
    session.mainWindow.show()
    try:
        with session.testingMode():
            runSelfTest(testClass, methodName)
            session.raiseFailures()
    finally:
        session.clear()
        session.failures.take()


def runGenericTest(session: Any, moduleName: str) -> None:
    """What Slicer's generic tests ask of a module: it describes itself, and its panel works without a main window."""
    module = slicer.util.getModule(moduleName)
    for field in ("title", "helpText", "acknowledgementText", "contributors", "categories"):
        if not getattr(module, field):
            raise AssertionError(f"The module {moduleName} has no {field}")
    session.clear()
    with session.withoutMainWindow():
        for _panel in range(2):  # a second panel must work beside what the first one left
            widget = module.widgetRepresentation()
            widget._enter()
            slicer.mrmlScene.Clear(0)
            session.processEvents()
            module._deleteWidget()
        session.raiseFailures()
    session.clear()
