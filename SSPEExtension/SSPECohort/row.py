"""What is asked for: one row of a manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from SSPELib.options import ExpandOptions, Options, RegisterOptions

Kind = Literal["register", "expand"]

# The columns that name the inputs of each kind of work.
ROLES: Mapping[Kind, tuple[str, ...]] = {"register": ("fixed", "moving"), "expand": ("volume",)}
OPTIONS: Mapping[Kind, type[Options]] = {"register": RegisterOptions, "expand": ExpandOptions}


@dataclass(frozen=True)
class Row:
    """One piece of work.

    Attributes:
        name: unlike all others of its manifest; its results lie in a folder of that name.
        kind: what is to be done.
        inputs: absolute paths by their roles.
        options: the options that the manifest gives; the others have their defaults.
    """

    name: str
    kind: Kind
    inputs: Mapping[str, str]
    options: Mapping[str, Any]

    @property
    def paths(self) -> list[Path]:
        """All files and folders that are read."""
        return [Path(path) for path in self.inputs.values()]
