"""What a report is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..volume import Volume

if TYPE_CHECKING:
    from ..expansion.expander import Expansion
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
    """

    fixed: Volume | Expansion
    moving: Volume | Expansion
    registration: Registration
    files: Mapping[str, str]
    model: str | None
    warnings: Sequence[str]


def whole(side: Volume | Expansion) -> Volume:
    """The voxels that were registered, synthetic ones included."""
    return side if isinstance(side, Volume) else side.volume


def real(side: Volume | Expansion) -> Volume:
    """The real voxels alone."""
    return side if isinstance(side, Volume) else side.original
