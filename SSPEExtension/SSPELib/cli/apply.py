"""`sspe apply`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ..options import VOLUME_FILES
from .console import needs_extra, say, warn
from .options import (
    AssumeLpsOption,
    RegistrationOption,
    SeveralSeriesOption,
    TransformOption,
    check_outputs,
    read_options,
)


def apply(
    input_path: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT",
            help=f"What belongs to the moving scan: an image or label map ({VOLUME_FILES}), a dose, "
            "structures or segmentation (.dcm), points (.mrk.json, .fcsv), a surface (.vtp, .stl).",
        ),
    ],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="The same in the frame of the fixed scan.")],
    transform: TransformOption,
    reference: Annotated[
        Path,
        typer.Option(
            metavar="VOLUME", help="The fixed scan, or the merged volume: its grid for images, its frame for all."
        ),
    ],
    registration: RegistrationOption = None,
    kind: Annotated[
        Literal["auto", "image", "labels", "dose"],
        typer.Option("--as", help="How an image is resampled: sharp, by nearest neighbors, or linearly."),
    ] = "auto",
    inverse: Annotated[
        bool, typer.Option("--inverse", help="Carry the other way: from the fixed scan to the moving one.")
    ] = False,
    extend: Annotated[
        bool, typer.Option("--extend", help="Make the reference's grid as large as needed, so that nothing is cut off.")
    ] = False,
    series: SeveralSeriesOption = None,
    assume_lps: AssumeLpsOption = False,
) -> None:
    """Carry what belongs to the moving scan to the fixed one.

    Images are resampled once by a sharp kernel, label maps and segmentations by nearest neighbors, doses linearly with
    their unit and scaling; points, contours and surfaces are moved.

    Example: sspe apply labels.nii.gz carried.nii.gz --transform found.tfm --reference chest.nii.gz
    """
    from ..alignment import read_alignment
    from ..carrying import carry
    from ..carrying.carry import KINDS, SURFACE_SUFFIXES, Target
    from ..io import read_volume
    from ..io.writing import Outputs

    check_outputs([(output, ())], [input_path, transform, reference])
    extra = "surfaces" if input_path.name.lower().endswith(SURFACE_SUFFIXES) else "dicom"
    with needs_extra(extra, f"Carrying {input_path.name} along"):
        alignment = read_alignment(transform, registration)
        alignment = alignment.inverse if inverse else alignment
        read_input, read_reference = read_options(series, assume_lps, ("INPUT", "VOLUME"))
        target = Target(read_volume(reference, read_reference), reference, extend, read_reference.series)
        wanted = next((one for one in KINDS if one == kind), None)
        carried = carry(input_path, output, alignment, target, wanted, read_input)
        with Outputs() as outputs:
            carried.save(outputs, output)
    warn(carried.warnings)
    if alignment.reliable is False:
        warn(
            [f"The registration behind {transform} is not reliable ({'; '.join(alignment.reasons)}); check the result."]
        )
    say(f"{output}: {input_path} carried along as {carried.kind}.")
