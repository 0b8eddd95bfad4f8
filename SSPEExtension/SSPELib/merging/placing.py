"""Each side on the common grid: its values, and what they are worth."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..volume import AIR_HU, Provenance, Volume, body_axis
from ..volume.kernel import resample_sharp
from ..volume.points import indices_at

ON_LATTICE = 1e-3


class Worth(IntEnum):
    """What a voxel of one side is worth; one of more worth is never overwritten by one of less."""

    NOTHING = 0
    SYNTHETIC = 1
    PADDING = 2
    REAL = 3


@dataclass(frozen=True, eq=False)
class Placed:
    """One side on the common grid.

    Attributes:
        hu: (z, y, x) values, in the side's own data type where it lies on the grid's voxels, else float32.
        worth: (z, y, x) uint8, values of `Worth`.
    """

    hu: NDArray[Any]
    worth: NDArray[np.uint8]


def place(volume: Volume, grid: sitk.Image, transform: sitk.Transform | None) -> Placed:
    """Bring a volume to a grid; without a transform, where its voxels lie on the grid's, bit by bit.

    Args:
        volume: one side.
        grid: carries the geometry.
        transform: maps points of the grid to points of the volume, LPS mm; None for the identity.
    """
    worth = worth_of(volume)
    if transform is None:
        window = window_in(volume, grid)
        if window is not None:
            hu = np.zeros(grid.GetSize()[::-1], dtype=volume.array.dtype)
            placed = np.zeros(hu.shape, dtype=np.uint8)
            hu[window], placed[window] = volume.array, worth
            return Placed(hu, placed)
        transform = sitk.Transform(3, sitk.sitkIdentity)
    kinds = volume.like(worth).to_image()
    if (worth == Worth.NOTHING).any():
        # A kernel reaches into the voxels beside it, so that those next to voxels without data are not to be trusted.
        whole = sitk.GetArrayFromImage(sitk.BinaryErode(kinds > 0, [1, 1, 1], sitk.sitkBox, 0, 1, False))
        kinds = volume.like(np.where(whole > 0, worth, 0).astype(np.uint8)).to_image()
    placed = sitk.GetArrayFromImage(sitk.Resample(kinds, grid, transform, sitk.sitkNearestNeighbor, 0.0))
    return Placed(sitk.GetArrayFromImage(resample_sharp(volume.to_image(), grid, transform, float(AIR_HU))), placed)


def worth_of(volume: Volume) -> NDArray[np.uint8]:
    """Worth (z, y, x) of the voxels of a volume.

    Where every slice holds the lowest value of all, at or below air, nothing was ever measured: outside the circle of
    the reconstruction, or outside a mask.
    """
    worth = np.full(volume.array.shape, Worth.REAL, dtype=np.uint8)
    lowest = volume.array.min()
    if lowest <= AIR_HU:
        axis = body_axis(volume).numpy_axis
        never = (volume.array == lowest).all(axis=axis, keepdims=True)
        worth[np.broadcast_to(never, worth.shape)] = Worth.PADDING
    if volume.provenance is not None:
        worth[volume.provenance == Provenance.SYNTHETIC] = Worth.SYNTHETIC
        worth[volume.provenance == Provenance.NO_DATA] = Worth.NOTHING
    return worth


def window_in(volume: Volume, grid: sitk.Image) -> tuple[slice, slice, slice] | None:
    """Where a volume lies in a grid whose voxels are its own; None where they are not."""
    like = Volume(
        np.zeros((1, 1, 1), np.uint8), grid.GetSpacing(), grid.GetOrigin(), np.array(grid.GetDirection()), name="grid"
    )
    if not np.allclose(like.spacing, volume.spacing, atol=1e-6) or not np.allclose(like.direction, volume.direction):
        return None
    first = indices_at(like, np.array([volume.origin]))[0]
    start = np.rint(first).astype(int)
    stop = start + np.array(volume.size)
    if np.abs(first - start).max() > ON_LATTICE or (start < 0).any() or (stop > np.array(grid.GetSize())).any():
        return None
    x, y, z = (slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
    return z, y, x
