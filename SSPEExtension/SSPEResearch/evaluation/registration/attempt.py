"""One system on one pair: what it answered, how long it took, or why it failed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from SSPELib.errors import Cancelled
from SSPELib.registration.poses import from_transform
from SSPELib.registration.verdict import Findings
from SSPELib.volume import Volume

from .systems import Answer, System


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The columns that the rows of all benchmarks have in common; NaN and empty where a system says nothing."""

    seconds: float
    confidence: float
    reliable: str
    found_overlap_mm: float
    real_evidence: float
    margin: float
    mean_evidence: float
    findings: str
    pose: str
    failure: str

    def outcome(self) -> dict[str, Any]:
        """These columns alone, by name."""
        return {column.name: getattr(self, column.name) for column in fields(Outcome)}


@dataclass(frozen=True)
class Attempt:
    """Either an answer or the reason why there is none."""

    answer: Answer | None
    seconds: float
    failure: str

    def columns(self) -> dict[str, Any]:
        """The values of `Outcome`, rounded."""
        nan = float("nan")
        answer = self.answer
        findings = None if answer is None else answer.findings
        return {
            "seconds": round(self.seconds, 2),
            "confidence": nan if answer is None or answer.confidence is None else round(float(answer.confidence), 4),
            "reliable": "" if answer is None or answer.reliable is None else str(answer.reliable).lower(),
            "found_overlap_mm": nan if answer is None or answer.overlap_mm is None else round(answer.overlap_mm, 2),
            "real_evidence": nan if findings is None else round(float(findings.real_evidence), 4),
            "margin": nan if findings is None else round(float(findings.margin), 4),
            "mean_evidence": nan if findings is None else round(float(findings.mean_evidence), 4),
            "findings": "" if findings is None else " ".join(f"{n}={float(v):.5g}" for n, v in _numbers(findings)),
            "pose": ""
            if answer is None
            else " ".join(f"{v:.6f}" for v in from_transform(answer.transform)[:3].ravel()),
            "failure": self.failure,
        }


def _numbers(findings: Findings) -> Iterator[tuple[str, float]]:
    """The findings that are known, by name."""
    return ((name, value) for name, value in vars(findings).items() if value is not None)


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
