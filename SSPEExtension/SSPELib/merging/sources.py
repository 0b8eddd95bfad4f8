"""The map of where each voxel of a merged volume comes from, as a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..io.nifti import NOTE_KEY
from ..verdict import Verdict
from ..volume import Volume

LEGEND_KEY, VERDICT_KEY = "SSPE_sources", "SSPE_verdict"


def sources_image(
    volume: Volume, sources: NDArray[np.uint8], legend: Mapping[int, str], verdict: Verdict | None
) -> sitk.Image:
    """The map as an image that says what its values mean, and how far the registrations behind it may be trusted.

    NRRD and MetaImage files get the legend and the verdict with its errors; NIfTI has room for the verdict alone.

    Args:
        volume: the merged volume, for its geometry.
        sources: (z, y, x) uint8.
        legend: what each value means.
        verdict: on the registrations; None leaves it out.
    """
    image = replace(volume, array=sources, provenance=None).to_image()
    image.SetMetaData(LEGEND_KEY, legend_words(legend))
    if verdict is not None:
        image.SetMetaData(NOTE_KEY, verdict.note)
        image.SetMetaData(VERDICT_KEY, " ".join((verdict.sentence, *verdict.reasons)))
    return image


def legend_words(legend: Mapping[int, str]) -> str:
    """The legend in one line: 0 no data, 1 fixed and so on."""
    return ", ".join(f"{value} {words}" for value, words in legend.items())
