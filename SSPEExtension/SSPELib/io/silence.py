"""Image libraries print their troubles to standard error by themselves; the user is told in a sentence instead."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def libraries_silenced() -> Iterator[None]:
    """While the context lasts, nothing reaches standard error, of no thread of the process."""
    try:
        kept = os.dup(2)
    except OSError:
        # A windowed application on Windows has no standard error.
        yield
        return
    if sys.stderr is not None:
        sys.stderr.flush()
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nothing)
        os.close(kept)
