"""The manifest: a CSV file with a row for every pair to register, volume to expand, or body to stitch."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from SSPELib.errors import InputError

from .row import COLUMNS_OF, OPTIONS_OF, SEPARATOR, Kind, Row

NAME_COLUMN = "name"
# A name becomes a folder on any system, and part of the address of a page.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}(?<!\.)")
YES_OR_NO = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be worked on, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Manifest:
    """The rows of a file, in its order."""

    rows: tuple[Row, ...]
    bad: tuple[BadRow, ...]


def read_manifest(path: Path) -> Manifest:
    """Read a manifest; a bad row is set apart with its reason and stops no other.

    The columns are `fixed` and `moving` for a pair, `volume` for a volume to expand, `parts` for parts of one body to
    stitch (with semicolons between them), `name` (row-0001 and so on where it is empty), and any option by its name. An
    empty cell means the default. Paths are relative to the manifest. `series` may name one for each volume, with
    semicolons between them.

    Raises:
        InputError: the file cannot be read, has no rows, or a column that is unknown.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, restkey="", strict=True)
            columns = [column.strip() for column in reader.fieldnames or ()]
            _check_columns(path, columns)
            reader.fieldnames = columns
            # A line of nothing but commas is what spreadsheets leave behind.
            lines = [line for line in reader if any(line.values())]
    except OSError as error:
        raise InputError(f"The manifest {path} cannot be read ({error.strerror}); check the path.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"The manifest {path} is no CSV file in UTF-8 ({error}); save it again as one.") from error
    if not lines:
        raise InputError(f"The manifest {path} has no rows below its column names; add one a pair.")
    found = list(_judged(lines, path.absolute().parent))
    return Manifest(
        tuple(one for one in found if isinstance(one, Row)), tuple(one for one in found if isinstance(one, BadRow))
    )


def _check_columns(path: Path, columns: list[str]) -> None:
    inputs = [column for columns in COLUMNS_OF.values() for column in columns]
    options = {name for kind in OPTIONS_OF for name in _defaults(kind)}
    known = [NAME_COLUMN, *inputs, *sorted(options)]
    for column in columns:
        if column not in known:
            raise InputError(f"The manifest {path} has the unknown column {column!r}; known are {', '.join(known)}.")
        if columns.count(column) > 1:
            raise InputError(f"The manifest {path} has the column {column!r} twice; keep one of them.")


def _judged(lines: list[dict[str, Any]], folder: Path) -> Iterator[Row | BadRow]:
    taken: set[str] = set()
    for number, line in enumerate(lines, start=1):
        cells = {column: (cell or "").strip() for column, cell in line.items() if column}
        name = cells.pop(NAME_COLUMN, "") or f"row-{number:04d}"
        # A bad row goes by its number until its name is known to be its own.
        called = f"row {number}"
        try:
            if "" in line:
                raise InputError("It has more cells than there are columns; put quotes around a cell with a comma.")
            if not NAME.fullmatch(name):
                raise InputError(
                    f"The name {name!r} cannot be that of a folder; use at most 100 letters, digits, _, - and dots."
                )
            # Not every file system tells capital from small letters.
            if name.lower() in taken:
                raise InputError(f"The name {name!r} is taken by a row above; give each row a name of its own.")
            taken.add(name.lower())
            called = name
            yield _row(name, {column: cell for column, cell in cells.items() if cell}, folder)
        except InputError as error:
            yield BadRow(called, str(error))


def _row(name: str, cells: Mapping[str, str], folder: Path) -> Row:
    kind = _kind(cells)
    inputs = {column: _paths(column, cells[column], folder) for column in COLUMNS_OF[kind]}
    paths = [path for paths in inputs.values() for path in paths]
    defaults = _defaults(kind)
    options: dict[str, Any] = {}
    for option, cell in cells.items():
        if option not in inputs:
            if option not in defaults:
                raise InputError(f"The option {option!r} is not one of {kind}; leave its cell empty.")
            options[option] = _value(option, cell, defaults[option])
    if Path(str(options.get("model", ""))).parts[1:]:
        options["model"] = str((folder / options["model"]).resolve())
    row = Row(name, kind, inputs, options)
    for options_kind in OPTIONS_OF[kind]:
        row.chosen(options_kind)
    wanted = [(path, how.series) for path, how in zip(paths, row.reading, strict=True)]
    if len(set(wanted)) < len(wanted):
        twice = next(path for number, (path, series) in enumerate(wanted) if (path, series) in wanted[:number])
        raise InputError(f"{' and '.join(inputs)} name {twice} twice; choose different volumes.")
    return row


def _paths(column: str, cell: str, folder: Path) -> list[str]:
    parts = [part.strip() for part in cell.split(SEPARATOR)] if column == "parts" else [cell]
    return [str((folder / part).resolve()) for part in parts if part]


def _defaults(kind: Kind) -> dict[str, Any]:
    """The defaults of all options of a kind of work, by their names."""
    return {one.name: one.default for options in OPTIONS_OF[kind] for one in fields(options)}  # type: ignore[arg-type]


def _kind(cells: Mapping[str, str]) -> Kind:
    present = {column for columns in COLUMNS_OF.values() for column in columns if column in cells}
    for kind, columns in COLUMNS_OF.items():
        if present == set(columns):
            return kind
    choices = " or ".join(" and ".join(columns) for columns in COLUMNS_OF.values())
    raise InputError(f"It names {' and '.join(sorted(present)) or 'no volume'}; a row names {choices}.")


def _value(name: str, cell: str, default: Any) -> Any:
    """The value in a cell, of the type that the option has."""
    if isinstance(default, bool):
        if cell.lower() not in YES_OR_NO:
            raise InputError(f"The option {name} is {cell!r}, but must be true or false.")
        return YES_OR_NO[cell.lower()]
    if isinstance(default, (int, float)):
        try:
            return type(default)(cell)
        except ValueError as error:
            raise InputError(f"The option {name} is {cell!r}, which is no number.") from error
    return cell
