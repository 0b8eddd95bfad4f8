"""What is asked for: one row of a manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

from SSPELib.options import ExpandOptions, MergeOptions, Options, RegisterOptions

Kind = Literal["register", "expand", "stitch"]

# The columns that name the inputs of each kind of work.
COLUMNS_OF: Mapping[Kind, tuple[str, ...]] = {
    "register": ("fixed", "moving"),
    "expand": ("volume",),
    "stitch": ("parts",),
}
OPTIONS_OF: Mapping[Kind, tuple[type[Options], ...]] = {
    "register": (RegisterOptions,),
    "expand": (ExpandOptions,),
    "stitch": (RegisterOptions, MergeOptions),
}

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

    def chosen(self, kind: type[Chosen]) -> Chosen:
        """Return its options of one kind.

        Raises:
            InputError: a value is not allowed.
        """
        names = [one.name for one in fields(kind)]  # type: ignore[arg-type]
        return kind.from_dict({name: value for name, value in self.options.items() if name in names})
