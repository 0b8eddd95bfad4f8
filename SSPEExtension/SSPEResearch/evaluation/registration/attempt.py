"""One system on one pair: what it answered, how long it took, or why it failed."""

from __future__ import annotations

import time
from dataclasses import dataclass, fields
from typing import Any

from SSPELib.errors import Cancelled
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
            "failure": self.failure,
        }


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
