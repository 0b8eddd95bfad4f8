"""`python -m slicer_harness selftest|generic MODULE.py [...]`: runs self-test classes, or what all modules must do."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from pathlib import Path

from .session import Session, startSession


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="slicer_harness", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    selftest = commands.add_parser("selftest", help="run each test_* method of the modules' self-test classes")
    generic = commands.add_parser(
        "generic", help="open each module's panel without a main window, as Slicer's own tests"
    )
    for command in (selftest, generic):
        command.add_argument("modules", nargs="+", type=Path, metavar="MODULE.py")
        command.add_argument("--with", dest="others", action="append", type=Path, default=[], metavar="MODULE.py")
    selftest.add_argument("-k", dest="only", default="", help="only methods whose name contains this")
    options = parser.parse_args(arguments)
    session = startSession()
    session.loadModules(*options.others, *options.modules)
    if options.command == "generic":
        return _runGenericTests(session, options.modules)
    return _runSelfTests(session, options.modules, options.only)


def _runGenericTests(session: Session, paths: list[Path]) -> int:
    from .self_testing import runGenericTest

    for path in paths:
        runGenericTest(session, path.stem)
        print(f"{path.stem}: ok", flush=True)
    return 0


def _runSelfTests(session: Session, paths: list[Path], only: str) -> int:
    from .self_testing import runSelfTestInSession, selfTestClass, selfTestNames

    failed = 0
    for path in paths:
        testClass = selfTestClass(path.stem)
        for name in selfTestNames(testClass):
            if only not in name:
                continue
            start = time.monotonic()
            try:
                outcome = runSelfTestInSession(session, testClass, name) or "ok"
            except Exception:  # the runner reports whatever a test raises, and goes on
                failed += 1
                outcome = "FAILED\n" + traceback.format_exc()
            print(f"{testClass.__name__}.{name} ({time.monotonic() - start:.1f} s): {outcome}", flush=True)
    print(f"{failed} self-tests failed" if failed else "All self-tests passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
