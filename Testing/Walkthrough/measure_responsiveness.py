"""Measure how soon SSPE's panels answer while they work, and how soon a cancel has ended everything.

    python Testing/Walkthrough/measure_responsiveness.py [--spacing MM]

Runs Expand and Register on a body made by code, on the harness, with the bundled model. A spacing of 0.75 mm makes
volumes as large as those of a clinic.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gestures import Pulse, click

ROOT = Path(__file__).resolve().parents[2]
MODULES = [ROOT / name / f"{name}.py" for name in ("SSPEExtension", "SSPEExpand", "SSPERegister")]
OVERLAP_MM = 40.0
WATCHED_S = 1.0
LONG_WORK_MM = 400.0
LONGEST_WAIT_S = 120.0


@dataclass(frozen=True)
class Measured:
    """Seconds of one run that was canceled.

    Attributes:
        start: until the click on the button had returned, the volumes handed over.
        pause: the longest time without an answer while the work ran.
        cancel: until the click on Cancel had returned.
        gone: until no process of the run was left.
        processes: how many processes the run had at most.
    """

    start: float
    pause: float
    cancel: float
    gone: float
    processes: int


def processes_of(group: int) -> list[int]:
    """The living processes of a process group."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended meanwhile
                continue
            if int(fields[2]) == group and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def choose_phantoms(module: str, widget: Any, spacing_mm: float) -> None:
    """Make the two parts of a body and choose them in the panel."""
    from SSPESlicer.selftest import addNode, halves

    parts = halves(OVERLAP_MM, spacing=(spacing_mm, spacing_mm, max(spacing_mm, 2.0)))
    nodes = [addNode(part, name) for part, name in zip(parts, ("upper", "lower"), strict=True)]
    names = ("upperSelector", "lowerSelector") if module == "SSPEExpand" else ("fixedSelector", "movingSelector")
    for name, node in zip(names, nodes, strict=True):
        getattr(widget.ui, name).setCurrentNode(node)
    if module == "SSPEExpand":
        # A small model must not be done before it is canceled.
        widget._parameterNode.distanceMm = LONG_WORK_MM


def measure(session: Any, widget: Any, wait_for_progress: bool) -> Measured:
    """Start the work of a panel, watch it, cancel it; without waiting for progress the worker is still starting."""
    before = set(workers())
    started = time.perf_counter()
    click(widget.ui.applyButton)
    start = time.perf_counter() - started
    assert widget.controls.isRunning, widget.ui.statusLabel.text
    pulse = Pulse()  # from here on, as the volumes are still to be written
    session.waitUntil(lambda: bool(set(workers()) - before), LONGEST_WAIT_S, "the process")
    group = next(iter(set(workers()) - before))
    folder = widget.logic._sceneJob._job.folder
    most = len(processes_of(group))
    if wait_for_progress:
        session.waitUntil(lambda: widget.ui.progressBar.value > 0, LONGEST_WAIT_S, "progress")
    end = time.monotonic() + (WATCHED_S if wait_for_progress else 0.1)
    while time.monotonic() < end:
        session.processEvents(0.1)
        most = max(most, len(processes_of(group)))
    pause = pulse.stop()
    assert widget.controls.isRunning, "the work was done before it could be canceled: give it more to do"
    started = time.perf_counter()
    click(widget.ui.applyButton)
    cancel = time.perf_counter() - started
    while processes_of(group):
        time.sleep(0.01)
    gone = time.perf_counter() - started
    assert not widget.controls.isRunning
    assert not folder.exists(), "the run has left files behind"
    return Measured(start, pause, cancel, gone, most)


def workers() -> list[int]:
    """The children of this process that lead a process group of their own, as the workers of SSPE do."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == os.getpid() and fields[2] == entry.name and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def main() -> int:
    """Print one line a run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spacing", type=float, default=2.0, help="of the volumes in plane, mm")
    options = parser.parse_args()
    sys.path[:0] = [str(ROOT / "Testing" / "Harness"), str(ROOT / "SSPEExtension")]
    from slicer_harness.session import startSession

    session = startSession()
    session.loadModules(*MODULES)
    print("panel         canceled          start s   pause s  cancel s    gone s  processes")
    for module in ("SSPEExpand", "SSPERegister"):
        for wait in (False, True):
            session.clear()
            widget = session.openModule(module)
            choose_phantoms(module, widget, options.spacing)
            seen = measure(session, widget, wait)
            when = "at work" if wait else "at once"
            figures = "".join(f"{value:10.3f}" for value in (seen.start, seen.pause, seen.cancel, seen.gone))
            print(f"{module:13} {when:14} {figures} {seen.processes:10}", flush=True)
    session.clear()
    return 0


if __name__ == "__main__":
    sys.exit(main())
