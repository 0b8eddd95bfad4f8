"""`sspe expand`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..options import VOLUME_FILES, Direction, ExpandOptions, ReadOptions
from .console import needs_extra, progress_bar, say, warn
from .options import (
    AssumeLpsOption,
    DeviceOption,
    DicomOption,
    DistanceOption,
    ModelOption,
    SeriesOption,
    check_outputs,
)

DEFAULTS = ExpandOptions()


def expand(
    input_path: Annotated[Path, typer.Argument(metavar="INPUT", help=f"CT in HU: {VOLUME_FILES}.")],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="The longer volume, on the grid of INPUT.")],
    direction: Annotated[Direction, typer.Option(help=ExpandOptions.option("direction").sentence)] = DEFAULTS.direction,
    distance: DistanceOption = DEFAULTS.distance_mm,
    mask: Annotated[
        Path | None,
        typer.Option(
            help="Also write where each voxel comes from: 0 real, 1 synthetic, 2 no data (padding in the input)."
        ),
    ] = None,
    dicom: DicomOption = None,
    model: ModelOption = DEFAULTS.model,
    device: DeviceOption = DEFAULTS.device,
    series: SeriesOption = None,
    assume_lps: AssumeLpsOption = False,
) -> None:
    """Continue a CT beyond its first or last slice.

    The real voxels of INPUT stay as they are, bit by bit; synthetic slices are added at one end or both. They show
    anatomy that was never measured: for research only, never for diagnosis.

    Example: sspe expand chest.nii.gz longer.nii.gz --direction inferior --distance 64 --mask synthetic.nii.gz
    """
    from ..io import Outputs, read_volume
    from ..io.writing import IMAGE_SUFFIXES
    from ..model.device import load_ahead

    options = ExpandOptions(direction=direction, distance_mm=distance, model=model, device=device)
    options.check()
    check_outputs([(output, IMAGE_SUFFIXES), (mask, IMAGE_SUFFIXES)], [input_path])
    if dicom is not None:
        from ..dicom_objects.export import check_folder

        with needs_extra("dicom", "--dicom"):
            check_folder(dicom)

    from .. import tasks
    from ..volume import synthetic_mm

    load_ahead()
    volume = read_volume(input_path, ReadOptions(series=series, assume_lps=assume_lps))
    with progress_bar("Expanding") as progress:
        done = tasks.expand(volume, options, progress)
    # The longer one holds all of it, and writing takes memory too.
    del volume
    with Outputs() as outputs:
        outputs.image(done.volume.to_image(), output)
        if mask is not None:
            outputs.image(done.volume.provenance_image(), mask)
        if dicom is not None:
            from ..dicom_objects.export import export_volume
            from ..dicom_objects.source import source_of

            export_volume(
                outputs.folder(dicom),
                done.volume,
                [source_of(input_path, done.volume, series)],
                "SSPE expanded, research use",
                f"CT continued beyond its end by the generative network {done.model} (SSPE).",
            )
    warn(done.warnings)
    added = ", ".join(f"{mm:.1f} mm {end}" for end, mm in synthetic_mm(done.volume).items() if mm > 0)
    say(f"{output}: {added} of synthetic slices added to {input_path}.")
