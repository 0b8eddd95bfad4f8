"""The table of a benchmark: a CSV line per row, written at once, so that a run goes on where an earlier one ended."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import Field, asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from SSPELib.errors import InputError


class Keyed(Protocol):
    """A dataclass of strings and floats that says what makes a row the only one of its kind."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def key(self) -> tuple[object, ...]:
        """Rows of one case have the same key."""


R = TypeVar("R", bound=Keyed)


class RowTable(Generic[R]):
    """Rows of one kind and the file they are in.

    Attributes:
        rows: those of earlier runs and those added.

    Raises:
        InputError: the file is there and is no table of such rows.
    """

    def __init__(self, path: Path, kind: type[R]) -> None:
        self.path = path
        self.kind = kind
        self.rows = read_rows(path, kind) if path.exists() else []
        self._keys = {row.key for row in self.rows}

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def add(self, row: R) -> None:
        """Append a row to the file at once."""
        new = not self.path.exists()
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [column.name for column in _columns(self.kind)])
            if new:
                writer.writeheader()
            writer.writerow(asdict(row))
        self.rows.append(row)
        self._keys.add(row.key)


def read_rows(path: Path, kind: type[R]) -> list[R]:
    """Read the rows of an earlier run.

    Raises:
        InputError: the columns are not those of such rows, or a line is damaged.
    """
    return list(_rows(path, kind))


def changed_rows(path: Path, target: Path, kind: type[R], change: Callable[[R], R]) -> None:
    """Write the rows of a table, each changed, as another one."""
    table = RowTable(target, kind)
    for row in read_rows(path, kind):
        table.add(change(row))


def _columns(kind: type[Keyed]) -> list[Field[Any]]:
    """The fields of a kind of rows, inherited ones last."""
    inherited = {column.name for base in kind.__mro__[1:] if is_dataclass(base) for column in fields(base)}
    return sorted(fields(kind), key=lambda column: column.name in inherited)


def _rows(path: Path, kind: type[R]) -> Iterator[R]:
    names = [column.name for column in _columns(kind)]
    numbers = {column.name for column in _columns(kind) if column.type == "float"}
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames != names:
            raise InputError(f"{path} is no table of this benchmark. Give another file for the rows.")
        for record in reader:
            try:
                values: dict[str, Any] = {n: float(record[n]) if n in numbers else record[n] for n in names}
            except (TypeError, ValueError) as error:
                raise InputError(f"Line {reader.line_num} of {path} is damaged; remove it to go on.") from error
            yield kind(**values)
