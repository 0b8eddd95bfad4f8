"""What is asked for: one row of a manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

from SSPELib.errors import InputError
from SSPELib.options import ExpandOptions, MergeOptions, Options, ReadOptions, RegisterOptions

Kind = Literal["register", "expand", "stitch"]

# The columns that name the inputs of each kind of work.
COLUMNS_OF: Mapping[Kind, tuple[str, ...]] = {
    "register": ("fixed", "moving"),
    "expand": ("volume",),
    "stitch": ("parts",),
}
OPTIONS_OF: Mapping[Kind, tuple[type[Options], ...]] = {
    "register": (ReadOptions, RegisterOptions),
    "expand": (ReadOptions, ExpandOptions),
    "stitch": (ReadOptions, RegisterOptions, MergeOptions),
}

# Between parts of a body, and between the series of several inputs.
SEPARATOR = ";"

Chosen = TypeVar("Chosen", bound=Options)


@dataclass(frozen=True)
class Row:
    """One piece of work.

    Attributes:
        name: unlike all others of its manifest; its results lie in a folder of that name.
        kind: what is to be done.
        inputs: absolute paths by their columns; one each, but for the parts of a body.
        options: the options that the manifest gives; the others have their defaults.
    """

    name: str
    kind: Kind
    inputs: Mapping[str, list[str]]
    options: Mapping[str, Any]

    @property
    def paths(self) -> list[Path]:
        """All files and folders that are read."""
        return [Path(path) for paths in self.inputs.values() for path in paths]

    @property
    def reading(self) -> list[ReadOptions]:
        """How each of the paths is read; one series is that of all.

        Raises:
            InputError: another number of series than one, or one for each path.
        """
        given = self.chosen(ReadOptions)
        series = [one.strip() or None for one in given.series.split(SEPARATOR)] if given.series else [None]
        if len(series) not in (1, len(self.paths)):
            raise InputError(
                f"It names {len(series)} series for {len(self.paths)} volumes; name one for all, or one for each with "
                "semicolons between them."
            )
        each = series if len(series) == len(self.paths) else series * len(self.paths)
        return [ReadOptions(series=one, assume_lps=given.assume_lps) for one in each]

    def chosen(self, kind: type[Chosen]) -> Chosen:
        """Return its options of one kind.

        Raises:
            InputError: a value is not allowed.
        """
        names = [one.name for one in fields(kind)]  # type: ignore[arg-type]
        return kind.from_dict({name: value for name, value in self.options.items() if name in names})
