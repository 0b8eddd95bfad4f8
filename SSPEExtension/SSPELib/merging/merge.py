"""Merge two aligned volumes: each where it stands alone, a soft seam between, and no data never overwrite data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..errors import InputError
from ..progress import Progress, silent
from ..verdict import Verdict
from ..volume import AIR_HU, Provenance, Volume
from ..volume.body import BODY_THRESHOLD_HU
from ..volume.resampling import covering
from .placing import Placed, Worth, place
from .seam import share_of_first
from .sources import sources_image

# Two CTs: 0.51 or more where a pose was off by up to 10 mm, 0.17 or less where it was off by 22 mm or the CT another.
FITS_FROM = 0.4
BLUR_MM, THINNED_MM = 10.0, 3.0
FIT_VOXELS = 2000
LARGEST_VOXELS = 2_000_000_000
DISAGREEMENT = (
    "Where both volumes show the body they do not agree (correlation {:.2f}); the transform is perhaps that of another "
    "pair, or wrong."
)


class MergedFrom(IntEnum):
    """Where a voxel of a merged volume comes from; the values stand in the map that is written to a file."""

    NO_DATA = 0
    """Neither volume covers it."""
    FIXED = 1
    MOVING = 2
    BOTH = 3
    """The soft seam: a mean of both."""
    SYNTHETIC = 4
    """Made by the network, of one side or both."""


LEGEND = {int(one): one.name.lower().replace("_", " ") for one in MergedFrom}


@dataclass(frozen=True, eq=False)
class Merged:
    """A merged volume.

    Attributes:
        volume: the voxels, in the frame of the fixed volume; its provenance marks synthetic voxels and no data.
        sources: (z, y, x) uint8, values of `MergedFrom`.
        warnings: what a clinician should know.
        fit: correlation of both, blurred, where both show the body, -1 to 1; None where they hardly do.
        verdict: how far the registration may be trusted, and who accepted it; None where nobody said.
    """

    volume: Volume
    sources: NDArray[np.uint8]
    warnings: tuple[str, ...] = ()
    fit: float | None = None
    verdict: Verdict | None = None

    def sources_image(self) -> sitk.Image:
        """The map of sources as an image with the volume's geometry, which says what is known of the registration."""
        return sources_image(self.volume, self.sources, LEGEND, self.verdict)


def merge_volumes(
    fixed: Volume,
    moving: Volume,
    transform: sitk.Transform,
    seam_mm: float = 10.0,
    spacing: str = "fixed",
    progress: Progress = silent,
) -> Merged:
    """Merge two aligned volumes on the fixed volume's grid, made as large as both bodies need.

    Real voxels go before padding (where a scan has values but measured nothing), this before synthetic voxels. Where
    one volume stands alone its voxels are taken: the fixed one's bit by bit, the moving one's resampled once. Where
    both hold real voxels, a soft seam by distance joins them in the middle of the overlap; synthetic voxels of both are
    mixed by their distance from real ones.

    Args:
        fixed, moving: volumes in HU, expanded or not.
        transform: maps fixed points to moving points, LPS mm.
        seam_mm: width of the seam.
        spacing: "fixed", or "finer" for the finer spacing of both along each axis, for which the fixed volume is
            resampled too unless its spacing is the finer one already.
        progress: told of every step; may raise `Cancelled`.

    Raises:
        InputError: the volumes lie so far apart that no memory holds both.
    """
    grid = common_grid(fixed, moving, transform, spacing)
    progress(0.05, "Placing the fixed volume")
    one = place(fixed, grid, None)
    progress(0.2, "Resampling the moving volume")
    other = place(moving, grid, transform)
    progress(0.6, "Joining both")
    dtype = _data_type(fixed, moving)
    array = np.full(one.hu.shape, AIR_HU, dtype=dtype)
    sources = np.zeros(array.shape, dtype=np.uint8)
    _fill(array, sources, one, (one.worth > 0) & (one.worth >= other.worth), _source(one, MergedFrom.FIXED))
    _fill(array, sources, other, other.worth > one.worth, _source(other, MergedFrom.MOVING))
    for worth in (Worth.REAL, Worth.SYNTHETIC):
        _blend(array, sources, one, other, worth, grid.GetSpacing(), seam_mm)
    provenance = np.zeros(array.shape, dtype=np.uint8)
    provenance[sources == MergedFrom.SYNTHETIC] = Provenance.SYNTHETIC
    provenance[sources == MergedFrom.NO_DATA] = Provenance.NO_DATA
    volume = Volume(
        array,
        grid.GetSpacing(),
        grid.GetOrigin(),
        np.array(grid.GetDirection()),
        name=f"{fixed.name} and {moving.name}, merged",
        frame_of_reference=fixed.frame_of_reference,
        provenance=provenance if provenance.any() else None,
    )
    progress(1.0, "Merged")
    fit = _fit(one, other, grid.GetSpacing())
    doubts = (DISAGREEMENT.format(fit),) if fit is not None and fit < FITS_FROM else ()
    return Merged(volume, sources, doubts, fit)


def common_grid(fixed: Volume, moving: Volume, transform: sitk.Transform, spacing: str) -> sitk.Image:
    """An empty image on the fixed volume's lattice (or a finer one) that holds both bodies."""
    low, high = covering(fixed, moving, transform)
    size = (high - low).astype(np.int64)
    steps = np.array(fixed.spacing)
    if spacing == "finer":
        steps = np.minimum(steps, _spacing_along(fixed, moving, transform))
        size = np.maximum(1, np.ceil(size * np.array(fixed.spacing) / steps - 1e-6)).astype(np.int64)
    if float(np.prod(size.astype(np.float64))) > LARGEST_VOXELS:
        raise InputError(
            f"{fixed.name} and {moving.name} would need a volume of {' x '.join(map(str, size))} voxels: they lie "
            "far apart under this transform, which is perhaps that of another pair."
        )
    grid = sitk.Image([int(count) for count in size], sitk.sitkUInt8)
    grid.SetSpacing(steps.tolist())
    grid.SetDirection(fixed.direction.ravel().tolist())
    grid.SetOrigin((fixed.index_to_lps @ [*low, 1.0])[:3].tolist())
    return grid


def _spacing_along(fixed: Volume, moving: Volume, transform: sitk.Transform) -> NDArray[np.float64]:
    """The moving volume's spacing along the fixed volume's axes, by the nearest of its own axes."""
    from ..poses import matrix_of

    turned = np.linalg.inv(matrix_of(transform)[:3, :3]) @ moving.direction
    nearest = np.argmax(np.abs(fixed.direction.T @ turned), axis=1)
    return np.array(moving.spacing)[nearest]


def _data_type(fixed: Volume, moving: Volume) -> Any:
    """The fixed volume's data type, or a wider one where air or the moving volume's values do not fit into it."""
    dtype = fixed.array.dtype
    if np.issubdtype(dtype, np.floating):
        return dtype
    limits = np.iinfo(dtype)
    lowest, highest = min(float(moving.array.min()), AIR_HU), float(moving.array.max())
    if limits.min <= lowest and highest <= limits.max:
        return dtype
    return np.promote_types(np.promote_types(dtype, moving.array.dtype), np.int16)


def _source(side: Placed, real: MergedFrom) -> NDArray[np.uint8]:
    return np.where(side.worth == Worth.SYNTHETIC, MergedFrom.SYNTHETIC, real).astype(np.uint8)


def _fill(
    array: NDArray[Any], sources: NDArray[np.uint8], side: Placed, where: NDArray[np.bool_], source: NDArray[np.uint8]
) -> None:
    array[where] = _as_type(side.hu[where], array.dtype)
    sources[where] = source[where]


def _blend(
    array: NDArray[Any],
    sources: NDArray[np.uint8],
    one: Placed,
    other: Placed,
    worth: Worth,
    spacing: tuple[float, float, float],
    seam_mm: float,
) -> None:
    """Mix both sides where both hold voxels of one worth."""
    both = (one.worth == worth) & (other.worth == worth)
    box = _box(both)
    if box is None:
        return
    shared, first, second = both[box], one.worth[box], other.worth[box]
    only_first, only_second = (first >= worth) & (second < worth), (second >= worth) & (first < worth)
    if worth == Worth.SYNTHETIC:
        only_first, only_second = first == Worth.REAL, second == Worth.REAL
        seam_mm = np.inf
    share = share_of_first(only_first, only_second, spacing, seam_mm)[shared]
    mixed = share * one.hu[box][shared].astype(np.float32) + (1 - share) * other.hu[box][shared].astype(np.float32)
    values, origins = array[box], sources[box]
    values[shared] = np.where(share >= 1, values[shared], _as_type(mixed, array.dtype))
    if worth == Worth.REAL:
        origins[shared] = np.select([share >= 1, share <= 0], [MergedFrom.FIXED, MergedFrom.MOVING], MergedFrom.BOTH)


def _as_type(values: NDArray[Any], dtype: Any) -> NDArray[Any]:
    if not np.issubdtype(dtype, np.integer) or np.issubdtype(values.dtype, np.integer):
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    return np.clip(np.rint(values), limits.min, limits.max).astype(dtype)


def _box(mask: NDArray[np.bool_]) -> tuple[slice, ...] | None:
    """The smallest box around a mask, one voxel wider on each side; None where it is empty."""
    box = []
    for axis in range(3):
        hit = np.flatnonzero(mask.any(axis=tuple(i for i in range(3) if i != axis)))
        if not hit.size:
            return None
        box.append(slice(max(0, int(hit[0]) - 1), int(hit[-1]) + 2))
    return tuple(box)


def _fit(one: Placed, other: Placed, spacing: tuple[float, float, float]) -> float | None:
    """Correlation of what both show of the body, blurred; None where that is too little.

    Sharp outlines would not correlate any more when they are off by half a centimeter, which may be tolerated.
    """
    from scipy.ndimage import gaussian_filter

    both = (one.worth == Worth.REAL) & (other.worth == Worth.REAL)
    box = _box(both)
    if box is None:
        return None
    # Blurred values are alike from voxel to voxel, so that some are enough.
    steps = [max(1, int(THINNED_MM / step)) for step in spacing[::-1]]
    box = tuple(slice(one.start, one.stop, step) for one, step in zip(box, steps, strict=True))
    real = both[box]
    sigma = [BLUR_MM / (step * count) for step, count in zip(spacing[::-1], steps, strict=True)]
    weight = np.maximum(gaussian_filter(real.astype(np.float32), sigma, mode="constant"), 1e-3)
    first, second = (
        gaussian_filter(np.where(real, side.hu[box], 0).astype(np.float32), sigma, mode="constant") / weight
        for side in (one, other)
    )
    body = real & ((first > BODY_THRESHOLD_HU) | (second > BODY_THRESHOLD_HU))
    if np.count_nonzero(body) < FIT_VOXELS:
        return None
    values = first[body].astype(np.float64), second[body].astype(np.float64)
    if values[0].std() == 0 or values[1].std() == 0:
        return None
    return float(np.corrcoef(*values)[0, 1])
