"""`sspe train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from .console import say


def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A training configuration (.toml).")],
) -> None:
    """Train a generator as a configuration file describes; an interrupted training resumes.

    Needs the extra packages of pip install 'sspe[train]'.

    Example: sspe train lambda-resgan.toml
    """
    if not config.is_file():
        raise InputError(f"{config} is not a file; give the path of a training configuration (.toml).")
    try:
        from ..training.run import train_from_file
    except ModuleNotFoundError as error:
        raise InputError(
            f"Training needs the package {error.name}, which is not installed; run pip install 'sspe[train]' first."
        ) from error
    say(f"{train_from_file(config)}: training finished.")
