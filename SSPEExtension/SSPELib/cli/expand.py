"""`sspe expand`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from .console import progress_bar, say, warn
from .options import DeviceOption, ModelOption, check_outputs

DISTANCE_MM = 64.0


def expand(
    input_path: Annotated[
        Path, typer.Argument(metavar="INPUT", help="CT in HU: .nii, .nii.gz, .nrrd, .mha, .mhd or a DICOM folder.")
    ],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="The longer volume, on the grid of INPUT.")],
    direction: Annotated[
        Literal["inferior", "superior", "both"],
        typer.Option(help="Which end grows: toward the feet, toward the head, or both."),
    ] = "inferior",
    distance: Annotated[
        float, typer.Option(metavar="MM", help="How far each end grows, above 0 and at most 400 mm.")
    ] = DISTANCE_MM,
    mask: Annotated[
        Path | None, typer.Option(help="Also write an image that is 1 in synthetic slices and 0 in real ones.")
    ] = None,
    model: ModelOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Continue a CT beyond its first or last slice.

    The voxels of INPUT stay as they are, bit by bit; synthetic slices are added at one end or both. They show anatomy
    that was never measured: for research only, never for diagnosis.

    Example: sspe expand chest.nii.gz longer.nii.gz --direction inferior --distance 64 --mask synthetic.nii.gz
    """
    from ..expansion.expander import check_distance
    from ..io import read_volume
    from ..io.writing import IMAGE_SUFFIXES, Outputs
    from ..volume import check_ct

    check_outputs([(output, IMAGE_SUFFIXES), (mask, IMAGE_SUFFIXES)], [input_path])
    check_distance(distance)
    volume = read_volume(input_path)
    warnings = check_ct(volume)

    from ..expansion.expander import Expander
    from ..model.bundle import load_bundle

    expander = Expander(load_bundle(model), device)
    with progress_bar("Expanding") as progress:
        expansion = expander.expand(volume, direction, distance, progress)
    with Outputs() as outputs:
        outputs.image(expansion.volume.to_image(), output)
        if mask is not None:
            outputs.image(expansion.mask_image(), mask)
    warn([*warnings, *expansion.warnings])
    added = ", ".join(f"{mm:.1f} mm {end}" for end, mm in expansion.synthetic_mm.items() if mm > 0)
    say(f"{output}: {added} of synthetic slices added to {input_path}.")
