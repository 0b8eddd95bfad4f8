"""All parts that belong together as one volume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..merging.merge import MergedFrom, merge_volumes
from ..merging.placing import window_in
from ..merging.sources import sources_image
from ..options import MergeOptions
from ..poses import Matrix, to_transform
from ..progress import Progress, part, silent
from ..verdict import Verdict
from ..volume import Volume

SEVERAL = 11
SYNTHETIC = 12


@dataclass(frozen=True, eq=False)
class Joined:
    """The parts as one volume.

    Attributes:
        volume: in the frame of the part that stays.
        sources: (z, y, x) uint8: 0 no data, 1 to 10 the parts as they were given, 11 a mean of several, 12 synthetic.
        warnings: what a clinician should know.
        legend: what the values of the map mean.
        verdict: how far the registrations may be trusted, and who accepted them; None where nobody said.
    """

    volume: Volume
    sources: NDArray[np.uint8]
    warnings: tuple[str, ...]
    legend: Mapping[int, str] = field(default_factory=dict)
    verdict: Verdict | None = None

    def sources_image(self) -> sitk.Image:
        """The map of sources as an image with the volume's geometry, which says what is known of the registrations."""
        return sources_image(self.volume, self.sources, self.legend, self.verdict)


def join(
    parts: Sequence[Volume],
    poses: Mapping[int, Matrix],
    options: MergeOptions,
    progress: Progress = silent,
) -> Joined:
    """Merge parts one after the other into the first of the poses, whose voxels stay as they are.

    Args:
        parts: all volumes, expanded or not; where only synthetic voxels are, these are taken.
        poses: of the parts that belong, (4, 4) from points of the first to their points, LPS mm.
        options: the seam and the spacing.
        progress: told of every part; may raise `Cancelled`.
    """
    root, *others = poses
    whole = parts[root]
    sources = np.full(whole.array.shape, root + 1, dtype=np.uint8)
    warnings: list[str] = []
    for number, index in enumerate(others):
        share = part(progress, number / len(others), (number + 1) / len(others))
        spacing = options.spacing if number == 0 else "fixed"
        merged = merge_volumes(whole, parts[index], to_transform(poses[index]), options.seam_mm, spacing, share)
        earlier = np.full(merged.sources.shape, root + 1, dtype=np.uint8)
        window = window_in(whole, merged.volume.to_image())
        if window is not None:
            earlier[window] = sources
        # In the order of `MergedFrom`: no data, fixed, moving, both, synthetic.
        codes = np.array([0, 0, index + 1, SEVERAL, SYNTHETIC], dtype=np.uint8)
        sources = np.where(merged.sources == MergedFrom.FIXED, earlier, codes[merged.sources])
        whole = merged.volume
        warnings += merged.warnings
    named = {index + 1: Path(parts[index].name).name for index in sorted(poses)}
    legend = {0: "no data", **named, SEVERAL: "several", SYNTHETIC: "synthetic"}
    return Joined(replace(whole, name="stitched volume"), sources, tuple(dict.fromkeys(warnings)), legend)
