"""How far a registration may be trusted, as it goes on into what is made with it."""

from __future__ import annotations

import getpass
import math
from dataclasses import asdict, dataclass, replace
from typing import Any

NOTE_LENGTH = 79


@dataclass(frozen=True)
class Verdict:
    """What is known of a registration, or of several that one result rests on.

    Attributes:
        reliable: whether all may be relied on, None where that is not known.
        expected_error_mm, error_bound_mm: half and 9 of 10 such registrations are nearer, mm; the largest of several;
            None where nothing can be said.
        reasons: why, in words.
        accepted_by: who used it although it is not reliable.
    """

    reliable: bool | None = None
    expected_error_mm: float | None = None
    error_bound_mm: float | None = None
    reasons: tuple[str, ...] = ()
    accepted_by: str | None = None

    def accepted(self) -> Verdict:
        """The same, accepted by the user of this computer."""
        return replace(self, accepted_by=_user())

    @property
    def headline(self) -> str:
        """A few words."""
        words = {True: "Reliable", False: "Not reliable", None: "Not known whether reliable"}[self.reliable]
        return f"{words}, accepted by {self.accepted_by}" if self.accepted_by else words

    @property
    def errors(self) -> str:
        """A sentence on the errors."""
        return f"{error_sentence(self.expected_error_mm, self.error_bound_mm)}."

    @property
    def sentence(self) -> str:
        """The verdict with the errors, as reports and DICOM objects tell it."""
        return f"{self.headline}. {self.errors}"

    @property
    def note(self) -> str:
        """The verdict in the 79 characters that a NIfTI header has room for."""
        bound = "unknown" if self.error_bound_mm is None else f"{self.error_bound_mm:.1f} mm"
        room = NOTE_LENGTH - len(f"SSPE: ; 9 of 10 within {bound}")
        return f"SSPE: {self.headline[:room]}; 9 of 10 within {bound}"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def error_sentence(expected_mm: float | None, bound_mm: float | None) -> str:
    """The error of a result in one sentence, for console, report and panel; lengths in mm, None where not known."""
    if expected_mm is None or bound_mm is None or not math.isfinite(bound_mm):
        return "How far off this result is cannot be said"
    return f"Expected error {_rounded(expected_mm)} mm; 9 of 10 such results are within {_rounded(bound_mm)} mm"


def finite(mm: float) -> float | None:
    """A length, or None where it is not finite."""
    return float(mm) if math.isfinite(mm) else None


def _rounded(mm: float) -> str:
    """Whole mm, below 2 mm tenths."""
    return f"{mm:.1f}" if mm < 2 else f"{mm:.0f}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        # An account without a name, as containers have.
        return "the user"
