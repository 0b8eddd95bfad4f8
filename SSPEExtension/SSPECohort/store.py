"""The folder of results. It alone says which rows are done: whatever dies meanwhile, what is in it is whole.

OUTPUT/rows/NAME/           a row that is done; the folder appears complete, by a rename
OUTPUT/.sspe-batch/NAME/    a row that is worked on
OUTPUT/.sspe-batch/*.lock   held by whoever works; the system lets go of them when that process ends in any way
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from SSPELib.errors import InputError
from SSPELib.io.writing import make_folder

from .record import Record, failed
from .row import Row

RECORD_FILE = "result.json"


class Store:
    """A folder of results, seen by the client and by all workers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._work = folder / ".sspe-batch"

    @property
    def rows(self) -> Path:
        """The folder with a folder for every row that is done."""
        return self.folder / "rows"

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Make the folder where it is missing, and keep it from other clients.

        Raises:
            InputError: it cannot be written, or another client works on it.
        """
        for folder in (self.folder, self.rows, self._work):
            make_folder(folder)
        lock = FileLock(self._work / "client.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise InputError(
                f"Another sspe batch is writing to {self.folder}; wait for its end or choose another folder."
            ) from error
        try:
            yield
        finally:
            lock.release()

    def record(self, row: Row) -> Record | None:
        """Return what is known of a row that is done, None where it is not.

        Raises:
            InputError: results of another row have its name.
        """
        file = self.rows / row.name / RECORD_FILE
        try:
            found = Record.from_json(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{file} is damaged; remove the folder {file.parent} to have the row done again."
            ) from error
        if found.row != row:
            raise InputError(
                f"{file.parent} holds results of other inputs or options; remove it to have the row done again, or "
                "choose another name."
            )
        return found

    def found(self, row: Row) -> Record | None:
        """Return what is known of a row beforehand: failed where its name is taken, None where it is to do."""
        try:
            return self.record(row)
        except InputError as error:
            return failed(row, str(error))

    @contextmanager
    def claimed(self, row: Row) -> Iterator[Path]:
        """Yield an empty folder to work in, once no other process works on the row; what is left in it is removed."""
        place = self._work / row.name
        # A worker that was given up as lost may still be at work; its row is waited for, so that none is done twice.
        with FileLock(self._work / f"{row.name}.lock"):
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            try:
                yield place
            finally:
                shutil.rmtree(place, ignore_errors=True)

    def publish(self, record: Record, place: Path) -> None:
        """Make the folder that was worked in the folder of the row, at once."""
        (place / RECORD_FILE).write_text(record.to_json(), encoding="utf-8")
        place.rename(self.rows / record.name)

    def clear(self) -> None:
        """Remove what dead workers left behind; for the end, when no row is worked on any more."""
        for left in self._work.iterdir():
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            elif left.name != "client.lock":
                left.unlink(missing_ok=True)
