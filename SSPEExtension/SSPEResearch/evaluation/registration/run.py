"""The registration benchmark: cases with a known answer, systems, a row per case, interruptions survived."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from SSPELib.errors import InputError
from SSPELib.io import read_volume
from SSPELib.progress import Progress, silent

from ..rows import RowTable
from .attempt import Outcome, attempt
from .cases import Case, Start, make_case
from .landmarks import Landmarks
from .scans import Scan
from .systems import System
from .variants import AFFINE, vary

OVERLAPS_MM = (-20.0, 0.0, 10.0, 20.0, 40.0, 80.0)


@dataclass(frozen=True)
class Setting:
    """One case to be solved."""

    patient: str
    path: Path
    overlap_mm: float
    start: Start
    variant: str
    scan: Scan

    @property
    def seed(self) -> int:
        """Depends on the case alone, so that every system and run sees the same one, and every scan the same motion."""
        return zlib.crc32(f"{self.patient} {self.overlap_mm:g} {self.start}".encode())

    def case(self) -> Case:
        """Make the case.

        Raises:
            InputError: the volume is unusable or too short.
        """
        volume = read_volume(self.path)
        case = make_case(volume, self.overlap_mm, self.seed, self.start, self.scan, self.variant == AFFINE)
        return vary(case, self.variant, self.seed)


@dataclass(frozen=True)
class Row(Outcome):
    """How one system solved one case; error_mm is NaN and failure says why where it gave no transform."""

    system: str
    patient: str
    overlap_mm: float
    start: str
    variant: str
    scan: str
    start_error_mm: float
    error_mm: float
    junction_error_mm: float
    far_error_mm: float

    @property
    def key(self) -> tuple[str, str, float, str, str, str]:
        """What makes a row the only one of its kind."""
        return self.system, self.patient, self.overlap_mm, self.start, self.variant, self.scan


def settings(
    paths: Sequence[Path],
    overlaps_mm: Sequence[float] = OVERLAPS_MM,
    starts: Sequence[Start] = ("near", "unknown"),
    variants: Sequence[str] = ("plain",),
    scans: Sequence[Scan] = ("rescanned",),
) -> list[Setting]:
    """All cases of a benchmark, patients in the outer order so that an early stop leaves whole patients."""
    return [
        Setting(patient_of(path), path, overlap, start, variant, scan)
        for path in paths
        for scan in scans
        for variant in variants
        for start in starts
        for overlap in overlaps_mm
    ]


def patient_of(path: Path) -> str:
    """The name of a volume in tables."""
    return path.name.removesuffix(".gz").removesuffix(".nii")


def run(
    cases: Sequence[Setting], systems: Sequence[System | Landmarks], table: Path, progress: Progress = silent
) -> list[Row]:
    """Solve all cases with all systems; rows are appended to a CSV at once, rows already in it are not done again.

    Returns:
        All rows in the table.

    Raises:
        InputError: the table is no table of this benchmark.
    """
    done = RowTable(table, Row)
    for number, setting in enumerate(cases):
        left = [system for system in systems if (system.name, *_key(setting)) not in done]
        if not left:
            continue
        try:
            case = setting.case()
        except InputError:
            # Too short for this overlap: no system gets the case.
            continue
        for system in left:
            progress(number / len(cases), f"{system.name}: {setting.patient}, {setting.overlap_mm:g} mm")
            done.add(solve(system, setting, case))
    progress(1.0, "Done")
    return done.rows


def solve(system: System | Landmarks, setting: Setting, case: Case) -> Row:
    """Run one system on one case; whatever it raises makes it a failure with that message."""
    solver = system.knowing(case, setting.seed) if isinstance(system, Landmarks) else system
    tried = attempt(solver, case.fixed, case.moving, setting.start)
    errors = [np.nan] * 3
    if tried.answer is not None:
        errors = [case.error_mm(tried.answer.transform, points) for points in (None, case.junction, case.far_end)]
    return Row(
        system.name,
        *_key(setting),
        round(case.start_error_mm, 3),
        *(round(float(error), 3) for error in errors),
        **tried.columns(),
    )


def _key(setting: Setting) -> tuple[str, float, str, str, str]:
    return setting.patient, setting.overlap_mm, setting.start, setting.variant, setting.scan
