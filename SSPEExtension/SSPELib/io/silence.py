"""Image libraries print their troubles to standard error by themselves; the user is told in a sentence instead."""

from __future__ import annotations

import locale
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_one_at_a_time = threading.RLock()


@contextmanager
def libraries_silenced() -> Iterator[None]:
    """While the context lasts, nothing reaches standard error, of no thread of the process; others wait to enter it.

    Behind it the locale is what it was: ITK's reader of VTK files leaves the whole process in the C locale.
    """
    with _one_at_a_time:
        before = locale.setlocale(locale.LC_ALL)
        try:
            with _no_standard_error():
                yield
        finally:
            if locale.setlocale(locale.LC_ALL) != before:
                locale.setlocale(locale.LC_ALL, before)


@contextmanager
def _no_standard_error() -> Iterator[None]:
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
