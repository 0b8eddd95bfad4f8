"""`sspe import-dicom`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from SSPELib.cli.console import progress_bar, warn


def import_dicom(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="Folder of a download: person / study / series.")],
    destination: Annotated[Path, typer.Argument(metavar="DEST", help="A new folder for the volumes and index.tsv.")],
    spacing: Annotated[
        float, typer.Option(metavar="MM", help="Finer voxels are averaged to this size; coarser ones stay.", min=0.1)
    ] = 2.0,
    validation: Annotated[float, typer.Option(help="Share of the persons to choose on.")] = 0.1,
    test: Annotated[float, typer.Option(help="Share of the persons to report on.")] = 0.2,
    seed: Annotated[int, typer.Option(help="Decides which persons.", min=0)] = 1,
    whole_studies: Annotated[
        bool, typer.Option("--whole-studies", help="Take every long series of a study, not the longest alone.")
    ] = False,
) -> None:
    """Make training volumes of a DICOM tree, as one downloads it from TCIA.

    Of every study the CT series that covers most of the body is checked, resampled in HU and written to train/,
    validation/ or test/ in DEST; index.tsv names person and time point, rejected.tsv the other series and why. Persons
    are split, not scans: the paper's 120 training "subjects" are scans of 30 people, of whom some would be on both
    sides.

    Example: sspe import-dicom manifest/Healthy-Total-Body-CTs data/healthy-total-body
    """
    from ..training.importing import import_dicom as run

    with progress_bar("Importing") as progress:
        imported, rejected = run(
            source,
            destination,
            spacing_mm=spacing,
            validation=validation,
            test=test,
            seed=seed,
            whole_studies=whole_studies,
            progress=progress,
        )
    warn(f"{row.source} ({row.series}) was left out: {row.reason}" for row in rejected)
    for part in ("train", "validation", "test"):
        rows = [row for row in imported if row.split == part]
        print(f"{part}: {len(rows)} volumes of {len({row.person for row in rows})} persons")
