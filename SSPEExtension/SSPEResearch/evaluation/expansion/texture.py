"""How sharp new slices are, and how far the statistics of their patches are from those of the truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

PATCH_VOXELS = 7
PATCHES = 1500
DIRECTIONS = 64
WINDOW_HU = (-1000.0, 1000.0)
SEED = 0


def gradient_magnitude(slices: NDArray[Any], spacing_mm: Sequence[float]) -> NDArray[np.float32]:
    """Gradient magnitude of two or more slices (z, y, x) in HU, HU/mm.

    Args:
        slices: HU.
        spacing_mm: of the three axes.
    """
    parts = np.gradient(slices.astype(np.float32), *spacing_mm)
    return np.asarray(np.sqrt(sum(part**2 for part in parts)), dtype=np.float32)


def patch_distance(one: NDArray[Any], other: NDArray[Any], body: NDArray[np.bool_]) -> float:
    """Sliced Wasserstein distance of the patches of two volumes (z, y, x), HU per voxel of a patch.

    Patches of 7 x 7 voxels in all three planes, about the same voxels of the body in both, each without its mean, so
    that texture counts and not level; where fewer than 7 slices are there, only patches within slices. Zero means that
    the patches of one are distributed as those of the other, wherever they lie; blur and repeated slices are far from
    the truth. It is no Frechet inception distance: no network has learned what counts.
    """
    random = np.random.default_rng(SEED)
    found = []
    for axis in range(3):
        shape = tuple(1 if axis == place else PATCH_VOXELS for place in range(3))
        if any(size < wanted for size, wanted in zip(one.shape, shape, strict=True)):
            continue
        middles = body[tuple(slice(side // 2, size - side // 2) for side, size in zip(shape, body.shape, strict=True))]
        places = np.argwhere(middles)
        if not len(places):
            continue
        places = places[random.integers(len(places), size=PATCHES)]
        directions = random.normal(size=(PATCH_VOXELS**2, DIRECTIONS))
        directions /= np.linalg.norm(directions, axis=0)
        sorted_projections = [np.sort(_patches(volume, places, shape) @ directions, axis=0) for volume in (one, other)]
        found.append(float(np.abs(sorted_projections[0] - sorted_projections[1]).mean()))
    return float(np.mean(found)) if found else float("nan")


def _patches(volume: NDArray[Any], places: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Patches (n, voxels) whose first voxels are given, without their means."""
    windows = np.lib.stride_tricks.sliding_window_view(volume, shape)
    patches = windows[tuple(places.T)].reshape(len(places), -1).astype(np.float64).clip(*WINDOW_HU)
    return np.asarray(patches - patches.mean(axis=1, keepdims=True))
