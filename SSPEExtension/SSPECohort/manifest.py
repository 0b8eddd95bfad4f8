"""The manifest: a CSV file with a row for every pair to register and every volume to expand."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from SSPELib.errors import InputError
from SSPELib.options import Options

from .row import OPTIONS, ROLES, Kind, Row

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

    The columns are `fixed` and `moving` for a pair, `volume` for a volume to expand, `name` (row-0001 and so on where
    it is empty), and any option by its name. An empty cell means the default. Paths are relative to the manifest.

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
    options = {one.name for kind in OPTIONS.values() for one in fields(kind)}  # type: ignore[arg-type]
    known = [NAME_COLUMN, *dict.fromkeys(role for roles in ROLES.values() for role in roles), *sorted(options)]
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
    inputs = {role: str((folder / cells[role]).resolve()) for role in ROLES[kind]}
    if len(set(inputs.values())) < len(inputs):
        raise InputError(f"{' and '.join(inputs)} are the same, {cells[ROLES[kind][0]]}; choose different ones.")
    given = {column: cell for column, cell in cells.items() if column not in inputs}
    options = {option: _value(OPTIONS[kind], option, cell) for option, cell in given.items()}
    OPTIONS[kind].from_dict(options)
    if Path(str(options.get("model", ""))).parts[1:]:
        options["model"] = str((folder / options["model"]).resolve())
    return Row(name, kind, inputs, options)


def _kind(cells: Mapping[str, str]) -> Kind:
    present = {role for roles in ROLES.values() for role in roles if role in cells}
    for kind, roles in ROLES.items():
        if present == set(roles):
            return kind
    choices = " or ".join(" and ".join(roles) for roles in ROLES.values())
    raise InputError(f"It names {' and '.join(sorted(present)) or 'no volume'}; a row names {choices}.")


def _value(options: type[Options], name: str, cell: str) -> Any:
    """The value in a cell, of the type that the option has."""
    default = next((one.default for one in fields(options) if one.name == name), MISSING)  # type: ignore[arg-type]
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
