"""`slicer.packaging` and PythonSlicer's pip: nothing is ever installed; what would be is recorded."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata
from typing import Any

from packaging.requirements import Requirement

requested: list[str] = []


def _asList(requirements: str | Sequence[str]) -> list[str]:
    return [requirements] if isinstance(requirements, str) else list(requirements)


def pip_check(requirement: str) -> bool:
    """Tells whether the environment meets the requirement."""
    wanted = Requirement(requirement)
    try:
        return wanted.specifier.contains(metadata.version(wanted.name), prereleases=True)
    except metadata.PackageNotFoundError:
        return False


def pip_install(requirements: str | Sequence[str], **_options: Any) -> None:
    names = _asList(requirements)
    requested.extend(names)
    raise RuntimeError(f"The harness installs no packages: {', '.join(names)}")


def pip_uninstall(requirements: str | Sequence[str], **_options: Any) -> None:
    raise RuntimeError(f"The harness removes no packages: {', '.join(_asList(requirements))}")


def pip_ensure(requirements: str | Sequence[str], **options: Any) -> None:
    missing = [requirement for requirement in _asList(requirements) if not pip_check(requirement)]
    if missing:
        pip_install(missing, **options)
