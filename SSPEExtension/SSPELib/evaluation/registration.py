"""The registration benchmark: cases with a known answer, systems, a row per case, interruptions survived."""

from __future__ import annotations

import csv
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import Cancelled, InputError
from ..progress import Progress, silent
from ..volume import read_volume
from .cases import Case, Start, make_case
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

    @property
    def seed(self) -> int:
        """Depends on the case alone, so that every system and every run sees the same one."""
        return zlib.crc32(f"{self.patient} {self.overlap_mm:g} {self.start}".encode())

    def case(self) -> Case:
        """Make the case.

        Raises:
            InputError: the volume is unusable or too short.
        """
        case = make_case(read_volume(self.path), self.overlap_mm, self.seed, self.start, self.variant == AFFINE)
        return vary(case, self.variant, self.seed)


@dataclass(frozen=True)
class Row:
    """How one system solved one case; error_mm is NaN and failure says why where it gave no transform."""

    system: str
    patient: str
    overlap_mm: float
    start: str
    variant: str
    start_error_mm: float
    error_mm: float
    seconds: float
    confidence: float
    reliable: str
    found_overlap_mm: float
    real_evidence: float
    margin: float
    mean_evidence: float
    failure: str

    @property
    def key(self) -> tuple[str, str, float, str, str]:
        """What makes a row the only one of its kind."""
        return self.system, self.patient, self.overlap_mm, self.start, self.variant


def settings(
    paths: Sequence[Path],
    overlaps_mm: Sequence[float] = OVERLAPS_MM,
    starts: Sequence[Start] = ("near", "unknown"),
    variants: Sequence[str] = ("plain",),
) -> list[Setting]:
    """All cases of a benchmark, patients in the outer order so that an early stop leaves whole patients."""
    return [
        Setting(path.name.removesuffix(".gz").removesuffix(".nii"), path, overlap, start, variant)
        for path in paths
        for variant in variants
        for start in starts
        for overlap in overlaps_mm
    ]


def run(cases: Sequence[Setting], systems: Sequence[System], table: Path, progress: Progress = silent) -> list[Row]:
    """Solve all cases with all systems; rows are appended to a CSV at once, rows already in it are not done again.

    Returns:
        All rows in the table.

    Raises:
        InputError: the table is no table of this benchmark.
    """
    rows = read_rows(table) if table.exists() else []
    done = {row.key for row in rows}
    for number, setting in enumerate(cases):
        left = [s for s in systems if (s.name, *_key(setting)) not in done]
        if not left:
            continue
        try:
            case = setting.case()
        except InputError:
            # Too short for this overlap: no system gets the case.
            continue
        for system in left:
            progress(number / len(cases), f"{system.name}: {setting.patient}, {setting.overlap_mm:g} mm")
            row = solve(system, setting, case)
            _append(table, row)
            rows.append(row)
    progress(1.0, "Done")
    return rows


def solve(system: System, setting: Setting, case: Case) -> Row:
    """Run one system on one case; whatever it raises makes it a failure with that message."""
    started = time.monotonic()
    error, confidence, overlap, reliable, failure = np.nan, np.nan, np.nan, "", ""
    real_evidence, margin, mean_evidence = np.nan, np.nan, np.nan
    try:
        answer = system.solve(case.fixed, case.moving, setting.start)
        error = case.error_mm(answer.transform)
        confidence = np.nan if answer.confidence is None else answer.confidence
        overlap = np.nan if answer.overlap_mm is None else answer.overlap_mm
        reliable = "" if answer.reliable is None else str(answer.reliable).lower()
        if answer.findings is not None:
            real_evidence, margin = answer.findings.real_evidence, answer.findings.margin
            mean_evidence = answer.findings.mean_evidence
    except Cancelled:
        raise
    except Exception as problem:
        failure = (str(problem).strip().splitlines() or [type(problem).__name__])[-1][:200]
    seconds = time.monotonic() - started
    return Row(
        system.name,
        *_key(setting),
        round(case.start_error_mm, 3),
        round(float(error), 3),
        round(seconds, 2),
        round(float(confidence), 4),
        reliable,
        round(float(overlap), 2),
        round(float(real_evidence), 4),
        round(float(margin), 4),
        round(float(mean_evidence), 4),
        failure,
    )


def read_rows(table: Path) -> list[Row]:
    """Read the rows of an earlier run.

    Raises:
        InputError: the columns are not those of this benchmark.
    """
    return list(_rows(table))


def _rows(table: Path) -> Iterator[Row]:
    names = [field.name for field in fields(Row)]
    numbers = {field.name for field in fields(Row) if field.type == "float"}
    with table.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames != names:
            raise InputError(f"{table} is no table of this benchmark. Give another file for the rows.")
        for record in reader:
            values: dict[str, Any] = {n: float(record[n]) if n in numbers else record[n] for n in names}
            yield Row(**values)


def _append(table: Path, row: Row) -> None:
    new = not table.exists()
    with table.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)])
        if new:
            writer.writeheader()
        writer.writerow(asdict(row))


def _key(setting: Setting) -> tuple[str, float, str, str]:
    return setting.patient, setting.overlap_mm, setting.start, setting.variant
