"""How long work reports on itself, and how it is cancelled: the callback may raise `Cancelled`."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[float, str], None]
"""Called with the fraction done, 0 to 1, and a few words on the step at hand."""


def silent(fraction: float, message: str) -> None:
    """Report nothing."""


def part(progress: Progress, start: float, stop: float) -> Progress:
    """Map the 0 to 1 of a sub-task into start to stop of the whole."""

    def report(fraction: float, message: str) -> None:
        progress(start + (stop - start) * min(max(fraction, 0.0), 1.0), message)

    return report
