"""Make the README's screenshots anew, from the walk-through on real CT: after a change of a panel or of the model.

python Testing/Walkthrough/make_screenshots.py
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Testing" / "Harness"))
TARGET = ROOT / "docs" / "screenshots"
STEPS = {
    "05-expanded": "expand",
    "08-registered-color": "register",
    "10-checkerboard": "checkerboard",
    "13-merged": "merged",
}
COLORS = 160


def main() -> int:
    """Run the walk-through and keep four of its pictures, small enough for a repository."""
    import pytest

    from slicer_harness.session import SCREENSHOT_FOLDER_VARIABLE

    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    with tempfile.TemporaryDirectory() as folder:
        os.environ[SCREENSHOT_FOLDER_VARIABLE] = folder
        failed = pytest.main(["--rootdir", str(ROOT), str(Path(__file__).with_name("test_walkthrough.py"))])
        if failed:
            return int(failed)
        for step, name in STEPS.items():
            picture = Image.open(Path(folder) / f"{step}.png").convert("RGB")
            picture.quantize(COLORS).save(TARGET / f"{name}.png", optimize=True)
            print(TARGET / f"{name}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
