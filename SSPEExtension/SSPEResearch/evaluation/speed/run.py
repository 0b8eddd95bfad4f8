"""The rows: commands, other programs on the same pair, the paper's network, growth with size and distance."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

from SSPELib import __version__
from SSPELib.options import DeviceName
from SSPELib.progress import Progress, silent

from ..registration.cases import Start
from ..registration.systems import OTHERS, PACKAGES
from .inputs import Body, body, resized, write_pair, write_volume
from .process import Measured, measure

Part = Literal["commands", "peers", "network", "growth"]
PARTS: tuple[Part, ...] = get_args(Part)
DISTANCE_MM = 64.0
PEERS_OVERLAP_MM = 40.0
# 0 mm as in the demo; with 40 mm real voxels alone decide the end.
PAIRS: tuple[tuple[Start, float], ...] = (("near", 0.0), ("unknown", 0.0), ("near", PEERS_OVERLAP_MM))
NETWORK_SIZES = ((96, 128, 128), (96, 256, 256))
NETWORK_SECONDS, QUICK_SECONDS = 8.0, 0.2
QUICK_NETWORK_SIZES = ((48, 32, 32),)
GROWTH_IN_PLANE = (256, 512, 1024)
GROWTH_SLICES = (100, 400, 1000)
GROWTH_DISTANCES_MM = (64.0, 128.0, 256.0, 400.0)


@dataclass(frozen=True)
class Task:
    """A row to measure: its name, the work of `timed`, and what makes its files and says its arguments in its turn."""

    name: str
    part: Part
    work: str
    arguments: Callable[[], tuple[str, ...]]


@dataclass(frozen=True)
class Speed:
    """All that was measured in one run.

    Attributes:
        machine: where, when and on what, for people.
        rows: by part, in the order in which they were measured.
    """

    machine: dict[str, str] = field(default_factory=dict)
    rows: dict[Part, list[Measured]] = field(default_factory=dict)

    def by_name(self) -> dict[str, Measured]:
        """All rows by their names."""
        return {row.name: row for rows in self.rows.values() for row in rows}

    @property
    def failed(self) -> list[Measured]:
        """The rows that failed."""
        return [row for row in self.by_name().values() if row.failure]


def run(
    parts: Sequence[Part] = PARTS,
    device: DeviceName = "auto",
    repeats: int = 1,
    quick: bool = False,
    progress: Progress = silent,
) -> Speed:
    """Measure, each row in a process of its own, one after the other.

    Args:
        parts: which.
        device: of commands and network.
        repeats: processes a row, of which the one of median time counts.
        quick: few rows on a made-up body of few voxels, to try the benchmark itself.
        progress: told of every row; may raise `Cancelled`.
    """
    progress(0.0, "Making the volumes")
    given = body(quick)
    speed = Speed(_machine(given, device, repeats))
    with tempfile.TemporaryDirectory(prefix="sspe-speed-") as folder:
        tasks = list(_tasks(parts, given, device, quick, Path(folder)))
        for number, task in enumerate(tasks):
            progress(number / len(tasks), task.name)
            row = measure(task.name, task.work, task.arguments(), repeats)
            speed.rows.setdefault(task.part, []).append(row)
    progress(1.0, "Measured")
    return speed


def _tasks(parts: Sequence[Part], given: Body, device: str, quick: bool, folder: Path) -> Iterator[Task]:
    if "commands" in parts:
        yield from _commands(given, device, quick, folder)
    if "peers" in parts and not quick:
        yield from _peers(given, folder)
    if "network" in parts:
        for size in QUICK_NETWORK_SIZES if quick else NETWORK_SIZES:
            for way in ("plain", "sspe"):
                counts = tuple(str(count) for count in size)
                wanted = (way, device, str(QUICK_SECONDS if quick else NETWORK_SECONDS), *counts)
                yield Task(f"{way} {' x '.join(counts)}", "network", "network", partial(tuple, wanted))
    if "growth" in parts and not quick:
        yield from _growth(given, device, folder)


def _commands(given: Body, device: str, quick: bool, folder: Path) -> Iterator[Task]:
    def register(start: Start, overlap: float) -> tuple[str, ...]:
        pair = write_pair(given.volume, folder, overlap, start)
        outputs = ("--transform", str(folder / "found.tfm"), "--report", str(folder / "report.json"))
        chosen = ("--start", "header" if start == "near" else "unknown", "--device", device)
        return ("register", *map(str, pair), *outputs, *chosen)

    yield Task("help", "commands", "sspe", lambda: ("--help",))
    yield Task(
        f"expand {_size(given)} by {DISTANCE_MM:g} mm",
        "commands",
        "sspe",
        lambda: _expand(write_volume(given.volume, folder / "body.nii.gz"), DISTANCE_MM, device),
    )
    for start, overlap in () if quick else PAIRS:
        yield Task(f"register {start}, {overlap:g} mm", "commands", "sspe", partial(register, start, overlap))


def _peers(given: Body, folder: Path) -> Iterator[Task]:
    """Other programs, where they are installed, on the pair of which they can make something."""

    def peer(name: str) -> tuple[str, ...]:
        return (name, *map(str, write_pair(given.volume, folder, PEERS_OVERLAP_MM, "near")), "near")

    for name, system in OTHERS.items():
        if name not in PACKAGES or find_spec(PACKAGES[name]) is not None:
            yield Task(f"{system.name} near, {PEERS_OVERLAP_MM:g} mm", "peers", "peer", partial(peer, name))


def _growth(given: Body, device: str, folder: Path) -> Iterator[Task]:
    def grown(distance: float = DISTANCE_MM, **size: int) -> tuple[str, ...]:
        volume = resized(given.volume, **size)
        return _expand(write_volume(volume, folder / "growth.nii.gz"), distance, device)

    for count in GROWTH_IN_PLANE:
        yield Task(f"in plane {count}", "growth", "sspe", partial(grown, in_plane=count))
    for count in GROWTH_SLICES:
        yield Task(f"slices {count}", "growth", "sspe", partial(grown, slices=count))
    for distance in GROWTH_DISTANCES_MM:
        yield Task(f"distance {distance:g}", "growth", "sspe", partial(grown, distance))


def _expand(path: Path, distance: float, device: str) -> tuple[str, ...]:
    output = str(path.with_name("expanded.nii.gz"))
    return ("expand", str(path), output, "--distance", f"{distance:g}", "--device", device)


def _size(given: Body) -> str:
    return " x ".join(str(count) for count in given.volume.size)


def _machine(given: Body, device: str, repeats: int) -> dict[str, str]:
    import torch

    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        processor = models[0] if models else processor
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    return {
        "sspe": __version__,
        "processor": processor,
        "cores": str(os.cpu_count()),
        "device": device if not torch.cuda.is_available() else f"{device} ({torch.cuda.get_device_name()} is there)",
        "torch": torch.__version__,
        "body": f"{given.source}, {_size(given)}",
        "repeats": str(repeats),
        "load before": load,
        "date": datetime.now().astimezone().isoformat(timespec="minutes"),
    }
