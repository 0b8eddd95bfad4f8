"""Measure a first click, for which Python, PyTorch and the model are loaded, and the next ones, which find them there.

    python Testing/Walkthrough/measure_clicks.py [--spacing MM] [--clicks N]

Runs Expand and Register on a body made by code, on the harness, with the bundled model.
"""

from __future__ import annotations

import argparse
import sys
import time

from gestures import click
from measure_responsiveness import LONGEST_WAIT_S, MODULES, ROOT, choose_phantoms

DISTANCE_MM = 64.0


def main() -> int:
    """Print the seconds of each click, from the press to the result in the scene."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spacing", type=float, default=2.0, help="of the volumes in plane, mm")
    parser.add_argument("--clicks", type=int, default=3)
    options = parser.parse_args()
    sys.path[:0] = [str(ROOT / "Testing" / "Harness"), str(ROOT / "SSPEExtension")]
    from slicer_harness.session import startSession

    session = startSession()
    session.loadModules(*MODULES)
    for module in ("SSPEExpand", "SSPERegister"):
        session.clear()
        widget = session.openModule(module)
        choose_phantoms(module, widget, options.spacing)
        widget._parameterNode.distanceMm = DISTANCE_MM
        taken = []
        for _ in range(options.clicks):
            started = time.perf_counter()
            click(widget.ui.applyButton)
            session.waitUntil(lambda: not widget.controls.isRunning, LONGEST_WAIT_S, "the end")  # noqa: B023
            taken.append(time.perf_counter() - started)
        print(module, *(f"{seconds:.2f} s" for seconds in taken), widget.ui.statusLabel.text, flush=True)
    session.clear()
    return 0


if __name__ == "__main__":
    sys.exit(main())
