"""Arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from ..options import DEVICE, DISTANCE, MODEL, DeviceName, ReadOptions

DeviceOption = Annotated[DeviceName, typer.Option(help=DEVICE.sentence)]
ModelOption = Annotated[str | None, typer.Option(help=MODEL.sentence, metavar="NAME_OR_DIR")]
DistanceOption = Annotated[
    float, typer.Option(metavar="MM", help=f"{DISTANCE.sentence} {DISTANCE.low:g} to {DISTANCE.high:g} mm.")
]
SeriesOption = Annotated[str | None, typer.Option(metavar="UID_OR_NUMBER", help=ReadOptions.option("series").sentence)]
AssumeLpsOption = Annotated[bool, typer.Option("--assume-lps", help=ReadOptions.option("assume_lps").sentence)]
DicomOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Also write DICOM into a new folder: volumes as a CT series with a segmentation of synthetic slices, a "
        "transform as a spatial registration.",
    ),
]


def check_outputs(outputs: list[tuple[Path | None, tuple[str, ...]]], inputs: list[Path]) -> None:
    """Make sure before the work that every output can be written and none is an input or another output.

    Args:
        outputs: paths with the suffixes they may have (none: any); a path of None is passed over.
        inputs: files and folders that must stay as they are.

    Raises:
        InputError: names the first output that cannot be.
    """
    from ..io.writing import check_suffix, check_writable

    taken = {path.resolve(): "the input" for path in inputs}
    for path, suffixes in outputs:
        if path is None:
            continue
        if suffixes:
            check_suffix(path, suffixes)
        if path.resolve() in taken:
            raise InputError(f"{path} is {taken[path.resolve()]} as well; give it a name of its own.")
        taken[path.resolve()] = "another output"
        check_writable(path)
