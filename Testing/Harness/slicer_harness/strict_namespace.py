"""Modules such as `qt`, `ctk` or `slicer.modules`: a name that is not there is an error that says so."""

from __future__ import annotations

from types import ModuleType
from typing import Any


class StrictNamespace(ModuleType):
    def __init__(self, name: str, missingHint: str, **members: Any) -> None:
        super().__init__(name)
        self.__dict__["_missingHint"] = missingHint
        self.__dict__.update(members)

    def __getattr__(self, name: str) -> Any:
        message = f"module '{self.__name__}' has no attribute '{name}'"
        if name.startswith("__"):
            raise AttributeError(message)
        raise AttributeError(f"{message}: {self.__dict__['_missingHint']}")
