"""`sspe bundle`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from SSPELib.cli.console import needs_extra, progress_bar


def bundle(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a training run: last.ckpt, config.json.")],
    folder: Annotated[Path, typer.Argument(metavar="MODEL_DIR", help="Folder to write model.json and weights.pt to.")],
    measure: Annotated[
        bool, typer.Option(help="Measure it for the model card; without, only for a comparison that measures it.")
    ] = True,
) -> None:
    """Measure a trained generator on its validation volumes and write it as a model bundle.

    Needs the extra packages of pip install 'sspe[train]'.

    Example: sspe bundle runs/lambda-ResGAN SSPEExtension/Resources/Models/lambda-ResGAN
    """
    with needs_extra("train", "Bundling a trained generator"):
        from ..training.bundling import bundle_run

    with progress_bar("Measuring") as progress:
        made = bundle_run(run, folder, progress, measure)
    for name, figures in made.card.held_out.items():
        print(name, figures)
