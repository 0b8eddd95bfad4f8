"""What is measured: a real CT of 512 x 512 x 133 voxels, or a made-up one of that size, and others made of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from SSPELib.errors import InputError
from SSPELib.io import read_volume
from SSPELib.io.writing import write_image
from SSPELib.volume import AIR_HU, Volume

from ..registration.cases import Start, make_case

SIZE = (512, 512, 133)
SPACING_MM = (0.7, 0.7, 2.5)
QUICK_STEP = 8
SEED = 4


@dataclass(frozen=True)
class Body:
    """The CT that all inputs come from.

    Attributes:
        volume: itself.
        source: where it comes from.
    """

    volume: Volume
    source: str


def body(quick: bool) -> Body:
    """The demo's CT, a phantom where it cannot be fetched; with quick one of few voxels."""
    if quick:
        step = QUICK_STEP
        size = (SIZE[0] // step, SIZE[1] // step, SIZE[2] // 2)
        return Body(phantom(size, (SPACING_MM[0] * step, SPACING_MM[1] * step, SPACING_MM[2] * 2)), "phantom")
    from SSPELib.sample_data import PACKAGE, demo_ct

    try:
        return Body(read_volume(demo_ct()), f"CT of {PACKAGE}")
    except InputError:
        return Body(phantom(SIZE, SPACING_MM), "phantom")


def phantom(size: tuple[int, int, int], spacing: tuple[float, float, float]) -> Volume:
    """A noisy trunk with fat, lungs, a spine and ribs on a grid (x, y, z)."""
    x, y, z = (
        (np.arange(count, dtype=np.float32) - (count - 1) / 2) * step for count, step in zip(size, spacing, strict=True)
    )
    z, y, x = z[:, None, None], y[None, :, None], x[None, None, :]
    wide = 1 - 0.4 * np.clip(z / z.max() - 0.4, 0, 1)
    outline = np.hypot(x / (150 * wide), y / (105 * wide))
    hu = np.where(outline < 1, np.where(outline < 0.9, 45.0, -100.0), float(AIR_HU)).astype(np.float32)
    for side in (-1, 1):
        hu[((x - side * 65) / 48) ** 2 + ((y + 8) / 62) ** 2 + (z / 110) ** 2 < 1] = -820.0
    hu[(np.abs(outline - 0.86) < 0.035) & (np.cos(2 * np.pi * (z + 0.4 * y) / 28) > 0.5)] = 500.0
    hu[(np.hypot(x, y - 70) < 18) & (np.cos(2 * np.pi * z / 25) > -0.7)] = 400.0
    hu += np.random.default_rng(SEED).normal(0, 15, hu.shape).astype(np.float32)
    middle = [-(count - 1) / 2 * step for count, step in zip(size, spacing, strict=True)]
    array = np.clip(np.rint(hu), -1024, 3071).astype(np.int16)
    return Volume(array, spacing, (middle[0], middle[1], middle[2]), np.eye(3), name="phantom")


def resized(volume: Volume, in_plane: int | None = None, slices: int | None = None) -> Volume:
    """The same body with another number of voxels: rows and columns finer or coarser, slices mirrored at the ends."""
    array, spacing = volume.array, volume.spacing
    if slices is not None:
        count = array.shape[0]
        there = np.arange(slices) % (2 * count)
        array = array[np.where(there < count, there, 2 * count - 1 - there)]
    if in_plane is not None:
        step = array.shape[1] / in_plane
        index = np.minimum((np.arange(in_plane) * step).astype(int), array.shape[1] - 1)
        array = array[:, index[:, None], index[None, :]]
        spacing = (spacing[0] * step, spacing[1] * step, spacing[2])
    return replace(volume, array=np.ascontiguousarray(array), spacing=spacing)


def write_pair(volume: Volume, folder: Path, overlap_mm: float, start: Start) -> tuple[Path, Path]:
    """Two parts of a body as in the demo, the lower one moved, as files; returns fixed and moving."""
    case = make_case(volume, overlap_mm, SEED, start=start, scan="cut")
    paths = folder / f"{start}-{overlap_mm:g}-fixed.nii.gz", folder / f"{start}-{overlap_mm:g}-moving.nii.gz"
    for part, path in zip((case.fixed, case.moving), paths, strict=True):
        write_image(part.to_image(), path)
    return paths


def write_volume(volume: Volume, path: Path) -> Path:
    """Write a volume as a file."""
    write_image(sitk.Cast(volume.to_image(), sitk.sitkInt16), path)
    return path
