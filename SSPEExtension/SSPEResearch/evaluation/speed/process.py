"""A whole process and what it took."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

TIME_LIMIT_S = 1800.0
ELSEWHERE = "elsewhere"


@dataclass(frozen=True)
class Measured:
    """What one whole process took.

    Attributes:
        name: of the row.
        seconds: from its start to its end, on the clock.
        answer_seconds: until its result was written and told; 0 where the work does not say.
        cpu_seconds: of all its threads, without other processes that it starts.
        memory_gib: its highest resident memory.
        device_memory_gib: the highest memory of PyTorch on a GPU, 0 without one.
        stages: seconds by `SSPELib.stages.Stage`; "elsewhere" is the rest of `seconds`.
        result: what the work says beyond that.
        failure: the last words of a process that failed; all numbers are 0 then.
    """

    name: str
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    memory_gib: float = 0.0
    device_memory_gib: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)
    result: Any = None
    failure: str = ""
    answer_seconds: float = 0.0


def measure(name: str, work: str, arguments: Sequence[str], repeats: int = 1) -> Measured:
    """Run a piece of work (see `timed.WORK`) in processes of its own; of several the one of median time counts."""
    runs = [_once(name, work, arguments) for _ in range(repeats)]
    good = [run for run in runs if not run.failure]
    if len(good) < len(runs):
        return next(run for run in runs if run.failure)
    middle = statistics.median_low([run.seconds for run in good])
    return next(run for run in good if run.seconds == middle)


def _once(name: str, work: str, arguments: Sequence[str]) -> Measured:
    with tempfile.TemporaryDirectory(prefix="sspe-speed-") as folder:
        out = Path(folder) / "measured.json"
        module = f"{__package__}.timed"
        began, ticking = time.time(), time.perf_counter()
        try:
            done = subprocess.run(
                [sys.executable, "-m", module, str(out), repr(began), work, *arguments],
                capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=TIME_LIMIT_S, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return Measured(name, failure=f"It took longer than {TIME_LIMIT_S:.0f} s.")
        seconds = time.perf_counter() - ticking
        if done.returncode != 0 or not out.exists():
            said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            return Measured(name, failure=said[-1])
        found = Measured(name, seconds, **json.loads(out.read_text(encoding="utf-8")))
    rest = {ELSEWHERE: seconds - sum(found.stages.values())}
    return replace(found, stages={**found.stages, **rest})
