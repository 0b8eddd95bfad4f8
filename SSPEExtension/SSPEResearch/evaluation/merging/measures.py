"""How near a merged volume comes to the uncut one, and labels that were carried to where they were."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from SSPELib.carrying.images import carried_labels, extended
from SSPELib.poses import Matrix, to_transform
from SSPELib.volume import Volume, body_mask
from SSPELib.volume.points import indices_at

TISSUE_FROM_HU, AIR_BELOW_HU = -200.0, -600.0
ALL = "all"


@dataclass(frozen=True)
class Difference:
    """A merged volume against the uncut one in a region of the body.

    Attributes:
        body_ml: how much of the body it is.
        mean_hu, percentile_95_hu: of the absolute difference, HU.
        bias_hu: mean difference, merged less uncut.
        air_share: share of tissue (-200 HU or more) that became air (below -600 HU), 0 to 1.
    """

    body_ml: float
    mean_hu: float
    percentile_95_hu: float
    bias_hu: float
    air_share: float


def differences(whole: Volume, merged: Volume, regions: Mapping[str, NDArray[np.bool_]]) -> dict[str, Difference]:
    """Compare a merged volume with the uncut one on whose lattice it lies, body voxels alone.

    Args:
        whole: the uncut volume.
        merged: the merged one, in the frame of the uncut one.
        regions: by name, voxels (z, y, x) of the merged volume.
    """
    own, other = _shared_windows(whole, merged)
    body = body_mask(whole)[own]
    expected, found = whole.array[own].astype(np.float64), merged.array[other].astype(np.float64)
    voxel_ml = float(np.prod(whole.spacing)) / 1000.0
    told = {}
    for name, voxels in regions.items():
        chosen = body & voxels[other]
        if chosen.any():
            off = found[chosen] - expected[chosen]
            tissue = chosen & (expected >= TISSUE_FROM_HU)
            lost = float((found[tissue] < AIR_BELOW_HU).mean()) if tissue.any() else 0.0
            told[name] = Difference(
                np.count_nonzero(chosen) * voxel_ml,
                float(np.abs(off).mean()),
                float(np.percentile(np.abs(off), 95)),
                float(off.mean()),
                lost,
            )
    return told


def covered_share(whole: Volume, merged: Volume, voxels: NDArray[np.bool_]) -> float:
    """Share of the body of the uncut volume that some voxels (z, y, x) of the merged one show, 0 to 1."""
    own, other = _shared_windows(whole, merged)
    body = body_mask(whole)
    return float(np.count_nonzero(body[own] & voxels[other]) / max(1, np.count_nonzero(body)))


def dice_there_and_back(
    labels: Volume, fixed: Volume, moving: Volume, truth: Matrix, found: Matrix
) -> dict[int, tuple[float, float]]:
    """Dice of each label of the moving part, carried to the fixed part and back as `sspe apply` does.

    Labels that reach into both parts count where both parts are.

    Args:
        labels: of the uncut volume.
        fixed: the part that has the uncut volume's place.
        moving: the other part, for its grid.
        truth: (4, 4) uncut points to points of the moving part, LPS mm.
        found: the same as it was registered.

    Returns:
        By label: Dice of the carried with the uncut volume's own, and of those that came back with those that left.
    """
    left = sitk.Resample(
        labels.to_image(),
        moving.like(np.zeros(moving.array.shape, np.uint8)).to_image(),
        to_transform(np.linalg.inv(truth)),
        sitk.sitkNearestNeighbor,
        0.0,
    )
    start = sitk.GetArrayFromImage(left)
    if not start.any():
        return {}
    transform = to_transform(found)
    grid = extended(start > 0, left, fixed, transform)
    carried = carried_labels(left, grid, transform)
    back = sitk.GetArrayFromImage(carried_labels(carried, left, transform.GetInverse()))
    still = sitk.Transform(3, sitk.sitkIdentity)
    own = sitk.GetArrayFromImage(sitk.Resample(labels.to_image(), grid, still, sitk.sitkNearestNeighbor, 0.0))
    there = sitk.GetArrayFromImage(carried)
    ones = moving.like(np.ones(moving.array.shape, np.uint8)).to_image()
    # Only where the moving part is are there labels of it.
    covered = sitk.GetArrayFromImage(sitk.Resample(ones, grid, to_transform(truth), sitk.sitkNearestNeighbor, 0.0)) > 0
    return {
        int(label): (_dice(there == label, (own == label) & covered), _dice(back == label, start == label))
        for label in np.unique(start[start > 0])
    }


def _dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float(2 * np.count_nonzero(one & other) / max(1, np.count_nonzero(one) + np.count_nonzero(other)))


def _shared_windows(whole: Volume, merged: Volume) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """The voxels that two volumes of one lattice share, in each of them."""
    shift = np.rint(indices_at(whole, np.array([merged.origin]))[0]).astype(int)
    low, high = np.maximum(shift, 0), np.minimum(shift + merged.size, whole.size)
    own = tuple(slice(int(a), int(b)) for a, b in zip(low[::-1], high[::-1], strict=True))
    other = tuple(slice(int(a), int(b)) for a, b in zip((low - shift)[::-1], (high - shift)[::-1], strict=True))
    return own, other
