"""Small analytic bodies in HU, made by code, with any size, spacing and direction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from SSPELib.volume import Volume

AIR, FAT, MUSCLE, LUNG, BONE, TABLE = -1000.0, -100.0, 45.0, -820.0, 650.0, -120.0


def torso(
    size: tuple[int, int, int] = (48, 40, 40),
    spacing: tuple[float, float, float] = (8.0, 8.0, 5.0),
    direction: NDArray[np.float64] | None = None,
    center: tuple[float, float, float] = (0.0, 0.0, 0.0),
    noise_hu: float = 10.0,
    seed: int = 0,
    table: bool = False,
    name: str = "torso",
) -> Volume:
    """A body with skin fat, muscle, lungs in its middle, a spine with vertebrae, ribs, and shoulders toward the head.

    The anatomy is fixed in LPS around (0, 0, 0): the lungs span z = -80 to 80 mm and the vertebrae repeat every 25 mm,
    so volumes with different grids show the same person.

    Args:
        size, spacing: x, y, z.
        direction: (3, 3), columns are the index axes in LPS; upright where none is given.
        center: LPS mm of the middle of the grid.
        noise_hu: standard deviation of seeded noise.
        table: with a patient table behind the body.
    """
    axes = np.eye(3) if direction is None else np.asarray(direction, dtype=np.float64)
    steps = axes * np.array(spacing)
    origin = np.array(center) - steps @ ((np.array(size) - 1) / 2)
    index = np.stack(np.meshgrid(*(np.arange(n) for n in size), indexing="ij"), axis=-1)
    x, y, z = np.moveaxis(index @ steps.T + origin, -1, 0)
    hu = _body(x, y, z)
    if table:
        hu = np.where((np.abs(y - 135) < 8) & (np.abs(x) < 180), TABLE, hu)
    hu = hu + np.random.default_rng(seed).normal(0, noise_hu, hu.shape) if noise_hu else hu
    array = np.clip(np.rint(hu), -1024, 3071).astype(np.int16).transpose(2, 1, 0)
    return Volume(np.ascontiguousarray(array), spacing, tuple(origin), axes, name=name)


def _body(x: NDArray[np.float64], y: NDArray[np.float64], z: NDArray[np.float64]) -> NDArray[np.float64]:
    toward_head = np.clip((z - 60) / 60, 0, 1)
    half_width, half_depth = 150 - 70 * toward_head, 105 - 35 * toward_head
    outline = np.hypot(x / half_width, y / half_depth)
    hu = np.where(outline < 1, FAT, AIR)
    hu = np.where(outline < 0.9, MUSCLE, hu)
    for side in (-1, 1):
        lung = ((x - side * 65) / 48) ** 2 + ((y + 8) / 62) ** 2 + (z / 80) ** 2 < 1
        hu = np.where(lung & (outline < 0.85), LUNG, hu)
    ribs = (np.abs(outline - 0.86) < 0.035) & (np.cos(2 * np.pi * (z + 0.4 * y) / 28) > 0.5) & (z < 80)
    hu = np.where(ribs, BONE, hu)
    vertebra = np.hypot(x, y - 62) < 17 + 2 * np.sin(z / 40)
    disc = np.cos(2 * np.pi * z / 25) > 0.8
    hu = np.where(vertebra, np.where(disc, 90.0, BONE), hu)
    liver = ((x + 50) / 70) ** 2 + ((y + 15) / 60) ** 2 + ((z + 110) / 55) ** 2 < 1
    return np.where(liver & (outline < 0.85), 110.0, hu)


def write(volume: Volume, path: Path) -> Path:
    """Write a volume with SimpleITK, for tests that read files."""
    sitk.WriteImage(volume.to_image(), str(path))
    return path
