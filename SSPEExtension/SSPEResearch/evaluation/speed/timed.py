"""One piece of work in a process of its own, which times itself.

    python -m SSPEResearch.evaluation.speed.timed OUT.json BEGAN WORK ARGUMENT...

BEGAN is the time at which the process was started; OUT.json gets what `process.Measured` holds. Nothing is imported at
file scope that the work does not import itself.
"""

from __future__ import annotations

import builtins
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from SSPELib.stages import Stopwatch, measured

GIBIBYTE = 1024**3


def main() -> int:
    """Do the work and write what was measured."""
    out, began, work, *arguments = sys.argv[1:]
    with measured() as stopwatch:
        stopwatch.seconds["start and imports"] = time.time() - float(began)
        _time_imports(stopwatch)
        code, result = WORK[work](arguments)
    found = {
        "stages": stopwatch.seconds,
        "answer_seconds": 0.0 if stopwatch.answered is None else stopwatch.answered - float(began),
        "memory_gib": _memory_gib(),
        "device_memory_gib": _device_memory_gib(),
        "cpu_seconds": time.process_time(),
        "result": result,
    }
    Path(out).write_text(json.dumps(found), encoding="utf-8")
    return code


def _time_imports(stopwatch: Stopwatch) -> None:
    """Every import counts as such, wherever in the work it is done."""
    importing = builtins.__import__

    def timed(*arguments: Any, **named: Any) -> Any:
        with stopwatch.timed("start and imports"):
            return importing(*arguments, **named)

    builtins.__import__ = timed


def _sspe(arguments: list[str]) -> tuple[int, None]:
    from SSPELib.cli.app import main as sspe

    return sspe(arguments), None


def _peer(arguments: list[str]) -> tuple[int, None]:
    """Another program on files: NAME FIXED MOVING START."""
    from SSPELib.io import read_volume

    from ..registration.systems import systems

    name, fixed, moving, start = arguments
    [system] = systems([name])
    system.solve(read_volume(fixed), read_volume(moving), start)
    return 0, None


def _network(arguments: list[str]) -> tuple[int, dict[str, float]]:
    """The paper's network: WAY DEVICE SECONDS Z Y X."""
    from .network import passed

    way, device, seconds, *size = arguments
    return 0, passed(way, device, [int(count) for count in size], float(seconds))


WORK: dict[str, Callable[[list[str]], tuple[int, Any]]] = {"sspe": _sspe, "peer": _peer, "network": _network}


def _memory_gib() -> float:
    """Highest memory of this process, or of the largest that it waited for, GiB; NaN where the system does not tell."""
    try:
        import resource
    except ImportError:
        return float("nan")
    unit = 1 if sys.platform == "darwin" else 1024
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    status = Path("/proc/self/status")
    if status.exists():
        # What Linux calls the highest of a process is at least that of the process which started it; this is not.
        [line] = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        own = int(line.split()[1]) * 1024
    return max(own, children) / GIBIBYTE


def _device_memory_gib() -> float:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return 0.0
    return float(torch.cuda.max_memory_allocated() / GIBIBYTE)


if __name__ == "__main__":
    sys.exit(main())
