"""Where the time goes: the work says by `stage` what it is at, and whoever measures listens. Nothing else times it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, get_args

Stage = Literal[
    "start and imports",
    "model",
    "reading",
    "preparation",
    "expansion",
    "network",
    "search",
    "refinement",
    "final refinement",
    "judging",
    "report",
    "writing",
]
STAGES: tuple[Stage, ...] = get_args(Stage)


class Stopwatch:
    """Seconds by stage of the thread that made it; a stage within another one is taken off that.

    Attributes:
        seconds: by stage, in the order in which they ended first.
        answered: when the result was there (`time.time`); None where the work did not say.
    """

    def __init__(self) -> None:
        self.seconds: dict[Stage, float] = {}
        self.answered: float | None = None
        self._thread = threading.get_ident()
        self._inner: list[float] = []

    @contextmanager
    def timed(self, name: Stage) -> Iterator[None]:
        """Add the seconds that the context lasts to a stage."""
        if threading.get_ident() != self._thread:
            yield
            return
        started = time.perf_counter()
        self._inner.append(0.0)
        try:
            yield
        finally:
            lasted = time.perf_counter() - started
            self.seconds[name] = self.seconds.get(name, 0.0) + lasted - self._inner.pop()
            if self._inner:
                self._inner[-1] += lasted


_stopwatch: Stopwatch | None = None


@contextmanager
def stage(name: Stage) -> Iterator[None]:
    """Say that the work within the context, or the function that this decorates, is a stage."""
    if _stopwatch is None:
        yield
        return
    with _stopwatch.timed(name):
        yield


def answered() -> None:
    """Say that the result is written and told; what follows is drawn from it."""
    if _stopwatch is not None:
        _stopwatch.answered = time.time()


@contextmanager
def measured() -> Iterator[Stopwatch]:
    """While the context lasts, the stages of this thread are timed."""
    global _stopwatch
    before, _stopwatch = _stopwatch, Stopwatch()
    try:
        yield _stopwatch
    finally:
        _stopwatch = before
