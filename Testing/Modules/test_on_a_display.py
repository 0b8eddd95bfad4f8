"""The self-tests, the panels and a part of the walk-through once more on a display (Xvfb), as on a user's screen."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What runs a network was run offscreen: the display changes nothing in the worker.
QUICK = "not realWorker and not saved_and_undone"
TESTS = ("Testing/Modules/test_modules.py", "Testing/Walkthrough/test_other_volumes.py")
LEAST_TESTS = 30


@pytest.mark.skipif(sys.platform != "linux", reason="Xvfb is a display of Linux")
def test_modules_and_walk_through_on_a_display() -> None:
    assert shutil.which("xvfb-run"), "Xvfb is missing: bash Testing/Harness/install_system_libraries.sh"
    command = ["xvfb-run", "-a", "-s", "-screen 0 1600x1200x24", sys.executable, "-m", "pytest", *TESTS, "-k", QUICK]
    environment = {**os.environ, "QT_QPA_PLATFORM": "xcb"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None, done.stdout
    assert int(passed.group(1)) >= LEAST_TESTS
