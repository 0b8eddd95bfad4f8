"""Makes the Slicer harness's fixtures known to every test."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "Harness"))

pytest_plugins = ["slicer_harness.pytest_plugin"]
