"""What the tests of the command line share: the type of the fixture run, and what lies in a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

Run = Callable[..., SimpleNamespace]
"""Takes the arguments of `sspe`; returns its exit code, standard output and standard error as code, out and err."""


def files_in(folder: Path) -> set[str]:
    """Names in a folder."""
    return {file.name for file in folder.iterdir()}
