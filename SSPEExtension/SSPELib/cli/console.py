"""What the command line shows: progress on a terminal, warnings and errors as single sentences."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from ..errors import InputError
from ..progress import Progress, silent


@contextmanager
def progress_bar(title: str) -> Iterator[Progress]:
    """A progress bar on standard error where that is a terminal, else nothing."""
    if not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[message]}", markup=False),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(title, total=1.0, message="")

        def report(fraction: float, message: str) -> None:
            bars.update(task, completed=fraction, message=message)

        yield report


@contextmanager
def needs_extra(extra: str, work: str) -> Iterator[None]:
    """Turn the lack of a package that an extra of SSPE brings into a sentence that says how to get it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise InputError(
            f"{work} needs the package {error.name}, which is not installed; run pip install 'sspe[{extra}]' first."
        ) from error


def warn(warnings: Iterable[str]) -> None:
    """Print warnings to standard error, each once."""
    for warning in dict.fromkeys(warnings):
        print(f"Warning: {warning}", file=sys.stderr)


def say(*lines: str) -> None:
    """Print results to standard output where that is a terminal."""
    if sys.stdout.isatty():
        for line in lines:
            print(line)
