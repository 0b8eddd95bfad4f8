"""`sspe train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from SSPELib.cli.console import needs_extra, say, warn


def train(
    config: Annotated[
        str,
        typer.Argument(
            metavar="CONFIG", help="A training configuration (.toml), or the name of a shipped one, as lambda-ResGAN."
        ),
    ],
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the results, instead of the configuration's own.")
    ] = None,
) -> None:
    """Train a generator as a configuration describes; an interrupted training resumes.

    Shipped are ResGAN, TransGAN, TransResGAN and lambda-ResGAN, lambda-TransGAN, lambda-TransResGAN; with paper/ before
    the name in the paper's own setting. Needs the extra packages of pip install 'sspe[train]'.

    Example: sspe train lambda-ResGAN --output runs/first
    """
    with needs_extra("train", "Training"):
        from ..training.config import find_config
        from ..training.run import train_from_file
    try:
        folder = train_from_file(find_config(config), output)
    except KeyboardInterrupt:
        warn(["The training was stopped; the same command goes on from its last checkpoint."])
        raise
    say(f"{folder}: training finished.")
