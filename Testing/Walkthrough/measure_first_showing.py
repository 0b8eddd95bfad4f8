"""Measure how long the first showing of two registered volumes of 512 x 512 x 160 takes, mode by mode.

    python Testing/Walkthrough/measure_first_showing.py

Each mode is shown in a scene and with views that have shown nothing before, on the harness.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODULES = [ROOT / name / f"{name}.py" for name in ("SSPEExtension", "SSPEExpand", "SSPERegister")]
SPACING_MM = (360.0 / 512, 280.0 / 512, 2.0)
LENGTH_MM = 600.0
OVERLAP_MM = 40.0


def main() -> int:
    """Print one line a mode."""
    sys.path[:0] = [str(ROOT / "Testing" / "Harness"), str(ROOT / "SSPEExtension")]
    from slicer_harness.session import startSession

    session = startSession()
    session.loadModules(*MODULES)
    from SSPESlicer.selftest import addNode, halves
    from SSPESlicer.views.comparison import MODES, Comparison

    parts = halves(OVERLAP_MM, LENGTH_MM, SPACING_MM)
    print(f"two volumes of {parts[0].size} voxels")
    for mode in MODES:
        session.clear()
        nodes = [addNode(part, name) for part, name in zip(parts, ("upper", "lower"), strict=True)]
        session.processEvents(0.1)
        started = time.perf_counter()
        comparison = Comparison()
        comparison.show(*nodes, mode=mode)
        shown = time.perf_counter() - started
        session.processEvents(0.0)
        drawn = time.perf_counter() - started
        comparison.stop()
        print(f"{mode:13} returns after {shown:6.2f} s, drawn after {drawn:6.2f} s", flush=True)
    session.clear()
    return 0


if __name__ == "__main__":
    sys.exit(main())
