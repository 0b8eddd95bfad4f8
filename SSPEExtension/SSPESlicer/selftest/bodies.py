"""A body made by code, in one or two parts, as a volume or as nodes of the scene."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
from numpy.typing import NDArray

from SSPELib.volume import Volume, slices

from ..scene.geometry import RAS_TO_LPS

AIR, FAT, MUSCLE, LUNG, BONE = -1000, -100, 50, -800, 700
SEED = 20240501


def body(lengthMm: float = 240.0, spacing: tuple[float, float, float] = (5.0, 5.0, 5.0)) -> Volume:
    """A body in HU with fat, muscle, lungs, spine, ribs and seeded organs, so that no two heights look alike."""
    size = [round(extent / step) for extent, step in zip((360.0, 280.0, lengthMm), spacing, strict=True)]
    x, y, z = (
        (np.arange(count) - (count - 1) / 2) * step for count, step in zip(size, spacing, strict=True)
    )  # fmt: skip
    z, y, x = np.meshgrid(z, y, x, indexing="ij")
    outline = np.hypot(x / (145 + 12 * np.sin(z / 40)), y / 100)
    array = np.where(outline < 1, FAT, AIR)
    array[outline < 0.88] = MUSCLE
    for side in (-1, 1):
        array[((x - 62 * side) / 45) ** 2 + ((y + 10) / 60) ** 2 + ((z - 20) / 75) ** 2 < 1] = LUNG
    array[(np.abs(outline - 0.85) < 0.04) & (np.cos((z + 0.5 * y) / 5) > 0.4)] = BONE
    array[np.hypot(x, y - 58) < 17] = BONE
    generator = np.random.default_rng(SEED)
    for _organ in range(40):
        center = generator.uniform((-80, -50, -lengthMm / 2), (80, 40, lengthMm / 2))
        radius = generator.uniform(8, 22)
        value = generator.integers(-60, 250)
        array[(x - center[0]) ** 2 + (y - center[1]) ** 2 + (z - center[2]) ** 2 < radius**2] = value
    noise = generator.normal(0, 12, array.shape)
    origin = [-(count - 1) / 2 * step for count, step in zip(size, spacing, strict=True)]
    return Volume((array + noise).astype(np.int16), spacing, (origin[0], origin[1], origin[2]), np.eye(3), "body")


def halves(
    overlapMm: float, lengthMm: float = 240.0, spacing: tuple[float, float, float] = (5.0, 5.0, 5.0)
) -> tuple[Volume, Volume]:
    """An upper and a lower part of one body that share `overlapMm` along the body."""
    whole = body(lengthMm, spacing)
    count, step = whole.size[2], whole.spacing[2]
    shared = round(overlapMm / step)
    cut = (count + shared) // 2
    return slices(whole, count - cut, count), slices(whole, 0, cut)


def addNode(volume: Volume, name: str, parentToWorld: NDArray[np.float64] | None = None) -> Any:
    """Add a volume to the scene; with a matrix (RAS), under a transform, its own geometry undoing that transform."""
    ijkToRas = RAS_TO_LPS @ volume.index_to_lps
    if parentToWorld is not None:
        ijkToRas = np.linalg.inv(parentToWorld) @ ijkToRas
    node = slicer.util.addVolumeFromArray(volume.array.copy(), ijkToRas, name)
    if parentToWorld is not None:
        transformNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", f"{name} table")
        transformNode.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(parentToWorld))
        node.SetAndObserveTransformNodeID(transformNode.GetID())
    return node
