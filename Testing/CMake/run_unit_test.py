"""Run the unit tests of one file in the simulated Slicer: FILE FOLDER MODULE...; ctest calls it in the build tree."""

from __future__ import annotations

import sys
import unittest
from pathlib import Path

from slicer_harness.session import startSession


def main() -> int:
    """Return 0 where all tests passed, and at least one ran."""
    script, folder = Path(sys.argv[1]), Path(sys.argv[2])
    session = startSession()
    session.loadModules(*(folder / f"{name}.py" for name in sys.argv[3:]))
    sys.path.insert(0, str(script.parent))
    result = unittest.TextTestRunner().run(unittest.defaultTestLoader.loadTestsFromName(script.stem))
    session.raiseFailures()
    return 0 if result.wasSuccessful() and result.testsRun else 1


if __name__ == "__main__":
    sys.exit(main())
