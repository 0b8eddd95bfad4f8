"""One system on one pair: what it answered, how long it took, or why it failed."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass, fields
from typing import Any

from SSPELib.errors import Cancelled
from SSPELib.poses import matrix_of
from SSPELib.registration.confidence import Findings
from SSPELib.volume import Volume

from .systems import Answer, System

NAN = float("nan")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The columns that the rows of all benchmarks have in common; NaN and empty where a system says nothing."""

    seconds: float
    expected_error_mm: float
    error_bound_mm: float
    junction_bound_mm: float
    far_bound_mm: float
    reliable: str
    found_overlap_mm: float
    findings: str
    pose: str
    failure: str

    def outcome(self) -> dict[str, Any]:
        """These columns alone, by name."""
        return {column.name: getattr(self, column.name) for column in fields(Outcome)}

    def known_findings(self) -> Findings | None:
        """The findings that were written down; None where a system has none."""
        return _read(self.findings)


@dataclass(frozen=True)
class Attempt:
    """Either an answer or the reason why there is none."""

    answer: Answer | None
    seconds: float
    failure: str

    def columns(self) -> dict[str, Any]:
        """The values of `Outcome`, rounded."""
        said = None if self.answer is None else self.answer.said
        pose = [] if self.answer is None else matrix_of(self.answer.transform)[:3].ravel().tolist()
        return {
            "seconds": round(self.seconds, 2),
            "expected_error_mm": NAN if said is None else round(said.expected_error_mm, 3),
            "error_bound_mm": NAN if said is None else round(said.error_bound_mm, 3),
            "junction_bound_mm": NAN if said is None else round(said.junction.bound_mm, 3),
            "far_bound_mm": NAN if said is None else round(said.far_end.bound_mm, 3),
            "reliable": "" if said is None else str(said.reliable).lower(),
            "found_overlap_mm": NAN if said is None else round(said.overlap_mm, 2),
            "findings": "" if said is None else _written(said.findings),
            "pose": " ".join(f"{value:.6f}" for value in pose),
            "failure": self.failure,
        }


def _written(findings: Findings) -> str:
    """Findings as name=value, apart by spaces."""
    values = vars(findings).items()
    return " ".join(f"{name}={value:.5g}" if isinstance(value, float) else f"{name}={value}" for name, value in values)


@functools.cache
def _read(findings: str) -> Findings | None:
    """What `_written` wrote; None where that is nothing."""
    if not findings:
        return None
    names = {column.name for column in fields(Findings)}
    written = (pair.split("=") for pair in findings.split())
    texts = {name: text for name, text in written if name in names}
    agrees = {"True": True, "False": False}.get(texts.pop("order_agrees", ""))
    synthetic = texts.pop("synthetic") == "True"
    return Findings(**{name: float(text) for name, text in texts.items()}, order_agrees=agrees, synthetic=synthetic)


def attempt(system: System, fixed: Volume, moving: Volume, start: str) -> Attempt:
    """Run a system; whatever it raises but a cancel makes it a failure with the last line of that message."""
    started = time.monotonic()
    answer, failure = None, ""
    try:
        answer = system.solve(fixed, moving, start)
    except Cancelled:
        raise
    except Exception as problem:
        failure = (str(problem).strip().splitlines() or [type(problem).__name__])[-1][:200]
    return Attempt(answer, time.monotonic() - started, failure)
