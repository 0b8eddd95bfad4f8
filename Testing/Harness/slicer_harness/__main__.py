"""`python -m slicer_harness selftest MODULE.py [...]`: runs the self-test classes of module files."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from pathlib import Path

from .session import startSession


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="slicer_harness", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    selftest = commands.add_parser("selftest", help="run each test_* method of the modules' self-test classes")
    selftest.add_argument("modules", nargs="+", type=Path, metavar="MODULE.py")
    selftest.add_argument("--with", dest="others", action="append", type=Path, default=[], metavar="MODULE.py")
    selftest.add_argument("-k", dest="only", default="", help="only methods whose name contains this")
    options = parser.parse_args(arguments)
    return _runSelfTests(options.modules, options.others, options.only)


def _runSelfTests(paths: list[Path], others: list[Path], only: str) -> int:
    session = startSession()
    session.loadModules(*others, *paths)
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
