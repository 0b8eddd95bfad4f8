"""Work that takes no time to speak of, in place of the registration of a pair; workers import it by its name."""

from __future__ import annotations

import hashlib
import os
import random
import time
from pathlib import Path

from SSPECohort.record import Outcome
from SSPECohort.row import Row
from SSPELib.errors import RegistrationError

JOURNAL = "journal.txt"
VOXELS = "voxels.bin"
CHECKSUM = "checksum.txt"
LONGEST_SECONDS = 0.2


def quick(row: Row, folder: Path) -> Outcome:
    """Write two files that belong together, and into a journal how the work went.

    Rows named bad-... fail, and those named endless-... never end.
    """
    output = folder.parents[1]
    if (output / "rows" / row.name).exists():
        _note(output, "twice", row)
    _note(output, "begun", row)
    chance = random.Random(row.name)
    if row.name.startswith("bad"):
        raise RegistrationError("No transform could be found.")
    while row.name.startswith("endless"):
        sum(range(100_000))
    data = chance.randbytes(20_000)
    with (folder / VOXELS).open("wb") as file:
        file.write(data[:10_000])
        file.flush()
        time.sleep(chance.uniform(0.0, LONGEST_SECONDS))
        file.write(data[10_000:])
    (folder / CHECKSUM).write_text(hashlib.sha256(data).hexdigest())
    _note(output, "ended", row)
    error = chance.uniform(1.0, 30.0)
    return Outcome(reliable=error < 10.0, expected_error_mm=error)


def instant(row: Row, folder: Path) -> Outcome:
    """Do nothing at all."""
    return Outcome()


def passing(row: Row, folder: Path) -> Outcome:
    """Fail at the first try as a disk does that is full for a moment."""
    output = folder.parents[1]
    tries = journal(output).count(("begun", row.name))
    _note(output, "begun", row)
    if tries == 0:
        raise OSError(28, "No space left on device")
    return Outcome()


def deadly(row: Row, folder: Path) -> Outcome:
    """End the worker, as the system does when memory runs out, at rows named large-..."""
    if row.name.startswith("large"):
        os.kill(os.getpid(), 9)
    return Outcome()


def whole(folder: Path) -> bool:
    """Whether the files of a row belong together."""
    return hashlib.sha256((folder / VOXELS).read_bytes()).hexdigest() == (folder / CHECKSUM).read_text()


def journal(output: Path) -> list[tuple[str, str]]:
    """What happened, with the name of the row, in the order of time."""
    file = output / JOURNAL
    lines = file.read_text().splitlines() if file.exists() else []
    return [(event, name) for event, name in (line.split() for line in lines)]


def _note(output: Path, event: str, row: Row) -> None:
    # One short write in append mode is whole, whoever else writes.
    with (output / JOURNAL).open("a") as file:
        file.write(f"{event} {row.name}\n")
