"""What became of a row, and the columns of the table that tell it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from .row import Row

FORMAT = 1
# The types of the columns of the table, in their order.
COLUMNS: Mapping[str, type] = {
    "name": str,
    "kind": str,
    "status": str,
    "reason": str,
    "reliable": bool,
    "expected_error_mm": float,
    "error_bound_mm": float,
    "overlap_mm": float,
    "transform_type": str,
    "synthetic_mm": float,
    "model": str,
    "notes": str,
    "seconds": float,
    "memory_mib": float,
    "worker": str,
    "finished": str,
    "inputs": str,
    "options": str,
}


@dataclass(frozen=True)
class Outcome:
    """What the work on a row found; None where it does not apply.

    Attributes:
        reliable: whether a registration, or all that a stitched volume rests on, may be used without a closer look.
        expected_error_mm, error_bound_mm: mean distance of the moving body from where it belongs, mm: half of such
            registrations keep the first, 9 of 10 the second; None also where something contradicts the result.
        overlap_mm: real overlap along the body axis, negative for a gap.
        transform_type: rigid or affine.
        synthetic_mm: length that the network made, all ends together.
        model: its name.
        notes: reasons and warnings for a clinician.
    """

    reliable: bool | None = None
    expected_error_mm: float | None = None
    error_bound_mm: float | None = None
    overlap_mm: float | None = None
    transform_type: str | None = None
    synthetic_mm: float | None = None
    model: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Record:
    """What became of a row.

    Attributes:
        name: of the row.
        status: done, or failed for a reason.
        row: None where the row of the manifest was no good.
        outcome: what a row that is done found.
        reason: why it failed.
        seconds: time taken.
        memory_mib: memory of the worker afterwards.
        worker: its host and process.
        finished: when, UTC, ISO 8601.
    """

    name: str
    status: Literal["done", "failed"]
    row: Row | None
    outcome: Outcome = Outcome()
    reason: str = ""
    seconds: float | None = None
    memory_mib: float | None = None
    worker: str | None = None
    finished: str | None = None

    def to_json(self) -> str:
        """Return the record as JSON text."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Record:
        """Take a record from JSON text."""
        values: dict[str, Any] = json.loads(text)
        del values["format"]
        outcome = values.pop("outcome")
        outcome["notes"] = tuple(outcome["notes"])
        return cls(**{**values, "row": Row(**values["row"]), "outcome": Outcome(**outcome)})

    def as_columns(self) -> dict[str, Any]:
        """Return the value of every column, None where there is none."""
        row = {} if self.row is None else {"kind": self.row.kind, "inputs": "; ".join(map(str, self.row.paths))}
        values = {**asdict(self), **asdict(self.outcome), **row}
        values["notes"] = " ".join(self.outcome.notes)
        values["options"] = json.dumps(self.row.options) if self.row is not None else None
        return {column: values.get(column) for column in COLUMNS}


def failed(row: Row, reason: str) -> Record:
    """Return the record of a row that failed."""
    return Record(row.name, "failed", row, reason=reason)
