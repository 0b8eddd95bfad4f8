"""`sspe batch`, which joins `sspe` where this package is installed."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from SSPELib.cli.console import needs_extra, progress_bar
from SSPELib.progress import Progress

if TYPE_CHECKING:
    from .cluster import Workers
    from .plan import Plan
    from .store import Store

SOME_FAILED = 1
LINE_EVERY_SECONDS = 30.0


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this package to `sspe`."""
    app.command()(batch)


def batch(
    manifest: Annotated[
        Path,
        typer.Argument(
            metavar="MANIFEST.csv",
            help="A row a pair (columns fixed, moving), a volume to expand (column volume) or a body to stitch (column "
            "parts, semicolons between them); name and any option by its name (as distance_mm, start, transform_type) "
            "are further columns. Paths are relative to the manifest.",
        ),
    ],
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder for all results; it is made.")],
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="A Dask scheduler that runs already, as tcp://node1:8786; its workers must see the same folders. "
            "Anyone who reaches a scheduler can run programs on its workers: keep it in a network that you trust.",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Workers on this computer. [as many as its cores and memory allow]"),
    ] = None,
    gpus: Annotated[
        bool,
        typer.Option(
            "--gpus", help="One worker a GPU; with --scheduler, workers begun with 'dask worker --resources GPU=1'."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only check every row by its headers, and estimate memory and time.")
    ] = False,
) -> None:
    """Register, expand or stitch a whole table of CTs, on all cores, GPUs or a cluster.

    A row that is no good is reported and stops no other. Run the same command again after an interruption of any kind,
    and it goes on where it was: rows that are done are passed over, rows that failed are tried again. DIR gets a folder
    a row, results.csv, results.parquet and index.html, which shows the doubtful results first. Exit code 1: rows
    failed.

    Example: sspe batch pairs.csv --output results --workers 4
    """
    with needs_extra("cohort", "sspe batch"):
        from .cluster import Workers
        from .manifest import read_manifest
        from .plan import make_plan
        from .store import Store

    wanted = Workers(scheduler, workers, gpus)
    wanted.check()
    read = read_manifest(manifest)
    with progress_bar("Checking") as progress:
        plan = make_plan(read, progress)
    failures = _checked(plan, wanted, Store(output)) if dry_run else _done(plan, wanted, Store(output))
    if failures:
        raise typer.Exit(SOME_FAILED)


def _checked(plan: Plan, workers: Workers, store: Store) -> int:
    """Print what a dry run finds, and return the number of bad rows."""
    from .plan import described_seconds, seconds_left

    for bad in plan.bad:
        print(f"{bad.name}: {bad.reason}")
    done = [record for record in map(store.found, plan.rows.values()) if record is not None]
    left = plan.rows.keys() - {record.name for record in done}
    print(f"{len(plan.rows)} rows can be done, {len(plan.bad)} cannot, {len(done)} are done already.")
    if not left:
        return len(plan.bad)
    print(f"The largest needs about {plan.memory_mib / 1024:.1f} GiB of memory.")
    count = 1 if workers.scheduler else workers.number(plan.memory_mib)
    time_needed = described_seconds(seconds_left(plan, left, done, count))
    print(f"With {count} worker{'s' if count > 1 else ''} of one core {len(left)} rows take {time_needed}.")
    return len(plan.bad)


def _done(plan: Plan, workers: Workers, store: Store) -> int:
    """Do the rows, and return the number of those that failed."""
    from .batch import run_batch
    from .results import OVERVIEW_FILE, doubtful_first

    with _progress() as progress:
        records = run_batch(plan, store, workers, progress=progress, announce=_announce)
    failures = [record for record in records if record.status == "failed"]
    for record in failures:
        print(f"{record.name}: {record.reason}", file=sys.stderr)
    doubtful = [record.name for record in sorted(records, key=doubtful_first) if record.outcome.reliable is False]
    print(
        f"{len(records)} rows: {len(records) - len(failures)} done, {len(doubtful)} of them not reliable, "
        f"{len(failures)} failed. Results in {store.folder}, first {store.folder / OVERVIEW_FILE}."
    )
    return len(failures)


def _announce(sentence: str) -> None:
    print(sentence, file=sys.stderr)


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar on a terminal; in a log, a line now and then."""
    if sys.stderr.isatty():
        with progress_bar("Batch") as bar:
            yield bar
        return
    last = time.monotonic()

    def log(fraction: float, message: str) -> None:
        nonlocal last
        if time.monotonic() - last >= LINE_EVERY_SECONDS:
            last = time.monotonic()
            print(f"{fraction:.0%}: {message}", file=sys.stderr, flush=True)

    yield log
