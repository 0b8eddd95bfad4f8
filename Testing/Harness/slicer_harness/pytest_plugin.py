"""pytest support: `-p slicer_harness.pytest_plugin`.

Fixtures: `slicer_session` (a Session, cleared before and after each test; failures that nobody could catch fail the
test). Options: `--slicer-selftest PATH_TO_MODULE.py` (again and again) collects each test_* method of the module's
self-test class as a test of its own; further module files that must be loaded go into `--slicer-module PATH`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .session import Session, requireNoSlicerFolder, startSession


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("slicer", "3D Slicer harness")
    group.addoption("--slicer-selftest", action="append", default=[], help="module file whose self-tests are run")
    group.addoption("--slicer-module", action="append", default=[], help="module file that is loaded with them")


@pytest.fixture
def slicer_session() -> Iterator[Session]:
    """The simulated Slicer, with an empty scene and no panel open."""
    requireNoSlicerFolder()
    session = startSession()
    session.clear()
    session.failures.take()
    yield session
    try:
        session.raiseFailures()
    finally:
        session.clear()
        session.failures.take()


def pytest_collection(session: pytest.Session) -> None:
    if session.config.getoption("--slicer-selftest"):
        session.config.pluginmanager.register(_SelfTestCollection(session.config), "slicer-selftests")


class _SelfTestCollection:
    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        paths = self._config.getoption("--slicer-selftest")
        started = startSession()
        started.loadModules(*self._config.getoption("--slicer-module"), *paths)
        for path in paths:
            items.extend(selfTestItems(session, Path(path)))


class SelfTestItem(pytest.Item):
    """One test_* method of a module's self-test class, run as Slicer runs it."""

    def __init__(self, *, testClass: Any, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._testClass = testClass

    def runtest(self) -> None:
        from .self_testing import runSelfTestInSession

        runSelfTestInSession(startSession(), self._testClass, self.name)

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, f"{self._testClass.__name__}.{self.name}"


def selfTestItems(parent: pytest.Collector, modulePath: Path) -> Iterable[SelfTestItem]:
    """The self-tests of a loaded module as pytest items."""
    from .self_testing import selfTestClass, selfTestNames

    testClass = selfTestClass(modulePath.stem)
    collector = _ModuleNode.from_parent(parent, path=modulePath.resolve(), name=testClass.__name__)
    for name in selfTestNames(testClass):
        yield SelfTestItem.from_parent(collector, name=name, testClass=testClass)


class _ModuleNode(pytest.Collector):
    def collect(self) -> list[pytest.Item]:
        return []
