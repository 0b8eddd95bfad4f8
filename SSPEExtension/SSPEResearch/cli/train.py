"""`sspe prepare`, `sspe train` and `sspe campaign`."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Annotated

import typer

from SSPELib.cli.console import needs_extra, progress_bar, say, warn

ConfigArgument = Annotated[
    str,
    typer.Argument(
        metavar="CONFIG", help="A training configuration (.toml), or the name of a shipped one, as lambda-ResGAN."
    ),
]
VolumesOption = Annotated[
    Path | None, typer.Option(metavar="FILE.npz", help="Volumes from sspe prepare; made beside the results by default.")
]
STOPPED = "The training was stopped; the same command goes on from its last checkpoint."


def prepare(
    config: ConfigArgument,
    volumes: Annotated[Path, typer.Argument(metavar="FILE.npz", help="The file to write.")],
) -> None:
    """Bring the volumes of a configuration to its working grid and write them into one file.

    From that file a machine trains that has neither the volumes nor SimpleITK; see docs/training.md.

    Example: sspe prepare bundled volumes.npz
    """
    with needs_extra("train", "Training"):
        from ..training.config import find_config, read_config
        from ..training.preparing import prepare as run

    found = read_config(find_config(config))
    with progress_bar("Preparing") as progress:
        made = run(found.data, found.scope.spacing_mm, volumes, progress)
    print(f"{len(made.volumes)} volumes on a grid of {made.spacing_mm:g} mm, {volumes.stat().st_size / 2**20:.1f} MiB")


def train(
    config: ConfigArgument,
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the results, instead of the configuration's own.")
    ] = None,
    volumes: VolumesOption = None,
    minutes: Annotated[
        float | None, typer.Option(metavar="N", help="Stop after so long; the same command goes on.", min=0.01)
    ] = None,
) -> None:
    """Train a generator as a configuration describes; an interrupted training resumes.

    Shipped are ResGAN, TransGAN, TransResGAN and lambda-ResGAN, lambda-TransGAN, lambda-TransResGAN; with paper/ before
    the name in the paper's own setting. Needs the extra packages of pip install 'sspe[train]'.

    Example: sspe train lambda-ResGAN --output runs/first
    """
    deadline = math.inf if minutes is None else time.monotonic() + 60 * minutes
    with needs_extra("train", "Training"):
        from SSPELib.io.writing import make_folder

        from ..training.config import find_config, read_config
        from ..training.preparing import prepared_once
        from ..training.run import output_folder
        from ..training.run import train as run
        from ..training.volumes import load_volumes
    path = find_config(config)
    settings = read_config(path)
    folder = output or output_folder(path, settings)
    make_folder(folder)
    try:
        if volumes is None:
            with progress_bar("Preparing") as progress:
                prepared = prepared_once(settings.data, settings.scope.spacing_mm, folder.parent / "cache", progress)
        else:
            prepared = load_volumes(volumes)
        finished = run(settings, prepared, folder, deadline)
    except KeyboardInterrupt:
        warn([STOPPED])
        raise
    say(f"{folder}: training finished." if finished else f"{folder}: the same command goes on.")


def campaign(
    name: Annotated[
        str, typer.Argument(metavar="CAMPAIGN", help="A campaign (.toml), or the name of a shipped one, as bundled.")
    ],
    volumes: Annotated[Path, typer.Option(metavar="FILE.npz", help="Volumes from sspe prepare.")],
    minutes: Annotated[float, typer.Option(metavar="N", help="Stop after so long; the same command goes on.", min=0.1)],
    output: Annotated[Path, typer.Option(metavar="DIR", help="A folder a stage is made in it.")] = Path("runs"),
    export: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for the runs as an archive in parts of 15 MiB.")
    ] = None,
) -> None:
    """Go on with several trainings, each with a budget in minutes, and stop by itself.

    Shipped are prove (one minute that shows that all works), bundled and six-systems. The same without any package
    but PyTorch and NumPy: python -m SSPEResearch.training campaign.

    Example: sspe campaign six-systems --volumes volumes.npz --minutes 9
    """
    with needs_extra("train", "Training"):
        from ..training.__main__ import campaign as run
    try:
        run(name, volumes, minutes, output, export)
    except KeyboardInterrupt:
        warn([STOPPED])
        raise
