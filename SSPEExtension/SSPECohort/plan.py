"""Before the work: what every row needs, which rows cannot be done, and how many workers fit."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterable
from dataclasses import dataclass

import psutil

from SSPELib.errors import InputError
from SSPELib.progress import Progress, silent

from .headers import voxels_in
from .manifest import BadRow, Manifest
from .record import Record
from .row import Kind, Row

# Of a worker on one core, as measured with volumes of 1 to 45 million voxels (512 x 512 x 84 and the like): what it
# takes with a small volume, and what every million voxels add; memory with a third more than was seen.
MEMORY_MIB: dict[Kind, tuple[float, float]] = {
    "register": (1250.0, 24.0),
    "expand": (800.0, 16.0),
    "stitch": (1250.0, 40.0),
}
SECONDS: dict[Kind, tuple[float, float]] = {"register": (15.0, 0.15), "expand": (2.0, 0.1), "stitch": (30.0, 0.3)}
# The system and the client need some, too.
MEMORY_SHARE = 0.85
SECONDS_A_MINUTE, SECONDS_AN_HOUR = 60, 3600


@dataclass(frozen=True)
class Need:
    """What a row is thought to need of one worker."""

    memory_mib: float
    seconds: float


@dataclass(frozen=True)
class Plan:
    """Rows that can be done with what they need, by their names, and rows that cannot."""

    rows: dict[str, Row]
    needs: dict[str, Need]
    bad: tuple[BadRow, ...]

    @property
    def memory_mib(self) -> float:
        """Memory that a worker must have for the largest row."""
        return max((need.memory_mib for need in self.needs.values()), default=0.0)


def make_plan(manifest: Manifest, progress: Progress = silent) -> Plan:
    """Look at the headers of all volumes of a manifest."""
    rows: dict[str, Row] = {}
    needs: dict[str, Need] = {}
    bad = list(manifest.bad)
    for number, row in enumerate(manifest.rows):
        progress(number / len(manifest.rows), f"Checking {row.name}")
        try:
            megavoxels = sum(voxels_in(path) for path in row.paths) / 1e6
        except (InputError, OSError) as error:
            bad.append(BadRow(row.name, str(error)))
            continue
        rows[row.name] = row
        memory, seconds = (base + each * megavoxels for base, each in (MEMORY_MIB[row.kind], SECONDS[row.kind]))
        needs[row.name] = Need(memory, seconds)
    return Plan(rows, needs, tuple(bad))


def workers_that_fit(memory_mib: float) -> int:
    """Number of workers of this computer: one a core, as far as its memory goes."""
    return max(1, min(cores(), int(memory_for_workers_mib() // max(memory_mib, 1.0))))


def memory_for_workers_mib() -> float:
    """Memory of this computer that is free for workers."""
    return MEMORY_SHARE * psutil.virtual_memory().available / 2**20


def seconds_left(plan: Plan, left: Iterable[str], done: Iterable[Record], workers: int) -> float:
    """Estimate the time that the rows which are left will take, by the time that finished ones took."""
    needs = plan.needs
    ratios = [one.seconds / needs[one.name].seconds for one in done if one.seconds and one.name in needs]
    pace = statistics.median(ratios) if ratios else 1.0
    left = list(left)
    return pace * sum(needs[name].seconds for name in left) / max(1, min(workers, len(left)))


def cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def described_seconds(seconds: float) -> str:
    """A time in words, as exact as an estimate deserves."""
    if seconds < 2 * SECONDS_A_MINUTE:
        return f"about {max(1, round(seconds))} s"
    if seconds < 2 * SECONDS_AN_HOUR:
        return f"about {round(seconds / SECONDS_A_MINUTE)} min"
    return f"about {round(seconds / SECONDS_AN_HOUR)} h"
