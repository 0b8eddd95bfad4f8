"""Settings in frozen dataclasses from the tables of a TOML or JSON file, checked by their annotations.

Standard library only, so that a training runs where PyTorch and NumPy are all there is.
"""

from __future__ import annotations

import json
import sys
from dataclasses import MISSING, field, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from SSPELib.errors import InputError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Section = TypeVar("Section")


def setting(default: Any = MISSING, *, above: float | None = None, least: float | None = None, most: Any = None) -> Any:
    """A field of a section with its default and its range: above a value, at least one, at most one."""
    limits = {"above": above, "least": least, "most": most}
    return field(default=default, metadata={name: limit for name, limit in limits.items() if limit is not None})


def read_section(kind: type[Section], settings: Any, place: str = "") -> Section:
    """Make a section of what a file says.

    Args:
        kind: a frozen dataclass; sections may hold sections, tuples, literals, paths and None.
        settings: the table of the file.
        place: where the table stands, for messages.

    Raises:
        InputError: a setting is unknown, missing, of the wrong type or out of its range.
    """
    if not isinstance(settings, dict):
        raise InputError(f"{place or 'the file'} must be a table of settings")
    known = {one.name: one for one in fields(kind)}  # type: ignore[arg-type]
    for name in settings:
        if name not in known:
            raise InputError(f"{_join(place, name)} is no setting; known are {', '.join(known)}")
    types = get_type_hints(kind)
    values = {}
    for name, one in known.items():
        where = _join(place, name)
        if name in settings:
            values[name] = _checked(_value(types[name], settings[name], where), one.metadata, where)
        elif one.default is MISSING and one.default_factory is MISSING:
            raise InputError(f"{where} is missing")
    try:
        return kind(**values)
    except ValueError as error:
        raise InputError(_join(place, str(error))) from error


def read_file(path: Path) -> dict[str, Any]:
    """The tables of a TOML or JSON file.

    Raises:
        InputError: it cannot be read or is neither.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"The configuration {path} cannot be read: {error.strerror}. Check the path.") from error
    kind = "JSON" if path.suffix == ".json" else "TOML"
    try:
        return dict(json.loads(text) if kind == "JSON" else tomllib.loads(text))
    except ValueError as error:
        raise InputError(f"The configuration {path} is no valid {kind}: {error}. Correct that line.") from error


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Settings with changes, section by section."""
    result = dict(base)
    for name, value in changes.items():
        both_sections = isinstance(value, dict) and isinstance(base.get(name), dict)
        result[name] = merged(base[name], value) if both_sections else value
    return result


def _join(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _checked(value: Any, limits: Any, place: str) -> Any:
    if "above" in limits and not value > limits["above"]:
        raise InputError(f"{place} is {value}, but must be above {limits['above']}")
    if "least" in limits and not (len(value) if isinstance(value, tuple) else value) >= limits["least"]:
        raise InputError(f"{place} is {value}, but must be at least {limits['least']}")
    if "most" in limits and not value <= limits["most"]:
        raise InputError(f"{place} is {value}, but must be at most {limits['most']}")
    return value


def _value(kind: Any, value: Any, place: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return _one_of(arguments, value, place)
    if is_dataclass(kind):
        return read_section(kind, value, place)  # type: ignore[arg-type]
    if origin is Literal:
        if value in arguments:
            return value
        raise InputError(f"{place} is {value!r}, but must be one of {', '.join(map(str, arguments))}")
    if origin is tuple:
        kinds = arguments[:1] * len(value) if arguments[-1] is Ellipsis and isinstance(value, list) else arguments
        if isinstance(value, list | tuple) and len(value) == len(kinds):
            return tuple(
                _value(one, item, f"{place}.{number}")
                for number, (one, item) in enumerate(zip(kinds, value, strict=True))
            )
        raise InputError(
            f"{place} is {value!r}, but must be a list{'' if arguments[-1] is ... else f' of {len(kinds)}'}"
        )
    if origin is dict:
        if isinstance(value, dict):
            return value
        raise InputError(f"{place} must be a table")
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise InputError(f"{place} is {value!r}, but must be of type {getattr(kind, '__name__', kind)}")


def _one_of(kinds: tuple[Any, ...], value: Any, place: str) -> Any:
    if value is None and NoneType in kinds:
        return None
    sections = [kind for kind in kinds if isinstance(kind, type) and is_dataclass(kind)]
    if sections and isinstance(value, dict):
        # Sections that exclude each other are told apart by the literal of their first field.
        for kind in sections:
            first = fields(kind)[0]
            named = value.get(first.name, first.default)
            if named in get_args(get_type_hints(kind)[first.name]):
                return read_section(kind, value, place)
    problems = []
    for kind in kinds:
        if kind is not NoneType and not is_dataclass(kind):
            try:
                return _value(kind, value, place)
            except InputError as error:
                problems.append(str(error))
    raise InputError(problems[0] if problems else f"{place} is {value!r}, which is none of its kinds")
