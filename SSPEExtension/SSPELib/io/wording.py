"""Lists in sentences."""

from __future__ import annotations

NAMED_AT_MOST = 4


def listed(names: list[str], separator: str = ", ", at_most: int = NAMED_AT_MOST) -> str:
    """The first few names and the number of the others."""
    shown = separator.join(names[:at_most])
    return shown if len(names) <= at_most else f"{shown}{separator}and {len(names) - at_most} more"
