"""What a report is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from ..volume import Volume, real_part

if TYPE_CHECKING:
    from ..registration import Registration


@dataclass(frozen=True, eq=False)
class Subject:
    """One registration with what went into it.

    Attributes:
        fixed, moving: as they were registered, expanded or not.
        registration: the result.
        files: paths by role: fixed, moving, transform, output.
        model: name of the generator, None without expansion.
        warnings: all warnings that the user was given.
        who: the patient, as the header of the scan says: "patient", "ID", "study"; empty where it does not.
    """

    fixed: Volume
    moving: Volume
    registration: Registration
    files: Mapping[str, str]
    model: str | None
    warnings: Sequence[str]
    who: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def real(self) -> tuple[Volume, Volume]:
        """Fixed and moving as they were scanned."""
        return real_part(self.fixed), real_part(self.moving)
