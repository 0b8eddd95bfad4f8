"""Training scopes: volumes on the working grid, kept in a cache, cut and changed at random.

Every scope is a function of the seed and its number alone, so that a resumed run sees what an uninterrupted one sees.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from SSPELib.errors import InputError
from SSPELib.expansion.expander import HU_SCALE
from SSPELib.expansion.working_grid import body_window, to_working
from SSPELib.io import read_volume
from SSPELib.volume import AIR_HU

from .config import AugmentationConfig, DataSource, ScopeConfig

GRID_VERSION = 1
BODY_ABOVE_HU = -500
WARP_KNOTS = (4, 4, 6)


def data_root() -> Path:
    """The folder with the training volumes: SSPE_DATA, or ../shared/data beside the repository."""
    default = Path(__file__).resolve().parents[4] / "shared" / "data"
    return Path(os.environ.get("SSPE_DATA", default))


def find_volumes(source: DataSource, root: Path) -> list[Path]:
    """List the volumes of a source in a fixed order.

    Raises:
        InputError: there is none.
    """
    matching = sorted(root.glob(source.pattern))
    paths = [path for path in matching if not any(name in path.name for name in source.exclude)]
    if not paths:
        raise InputError(f"No volume matches {source.pattern} in {root}. Set SSPE_DATA to the folder with the data.")
    return paths


def working_array(path: Path, spacing_mm: float, cache: Path) -> NDArray[np.int16]:
    """Return a volume on the working grid, (z, y, x) HU toward the head, from the cache where it is there.

    Raises:
        InputError: the file is no volume that can be used.
    """
    key = hashlib.sha256(f"{path.resolve()} {path.stat().st_mtime_ns} {spacing_mm} {GRID_VERSION}".encode()).hexdigest()
    cached = cache / f"{path.name.split('.')[0]}-{key[:12]}.npy"
    if not cached.exists():
        working = to_working(read_volume(path), spacing_mm, "inferior")
        cache.mkdir(parents=True, exist_ok=True)
        partial = cached.with_suffix(f".{os.getpid()}.part.npy")
        np.save(partial, np.rint(working.array).astype(np.int16))
        partial.replace(cached)
    # Mapped instead of loaded: whole bodies at a fine spacing are more than fits into memory.
    return np.load(cached, mmap_mode="r")


class ScopeDataset(Dataset[tuple[Tensor, Tensor]]):
    """Scopes X[t] and the slices that follow them, each (1, z, y, x) in HU / 1000, z in the direction of growth.

    As many slices follow as a step has, or twice as many, by which the generator learns to continue its own output.

    Args:
        groups: for every source its weight and its volumes (z, y, x) HU toward the head.
        scope: sizes on the working grid.
        augmentation: random changes; None for none (validation).
        seed: seed of everything random.
        length: number of scopes; number i is always the same pair.
        multiple: number that the in-plane sizes of a scope must be multiples of.
    """

    def __init__(
        self,
        groups: Sequence[tuple[float, Sequence[NDArray[np.int16]]]],
        scope: ScopeConfig,
        augmentation: AugmentationConfig | None,
        seed: int,
        length: int,
        multiple: int = 16,
    ) -> None:
        self.groups = groups
        self.weights = np.array([weight for weight, _ in groups], dtype=float)
        self.weights /= self.weights.sum()
        self.scope = scope
        self.augmentation = augmentation
        self.seed = seed
        self.length = length
        self.multiple = multiple

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        random = np.random.default_rng([self.seed, number])
        _, volumes = self.groups[random.choice(len(self.groups), p=self.weights)]
        array = volumes[int(random.integers(len(volumes)))]
        if random.random() < 0.5:
            array = array[::-1]
        depth, step = self.scope.size[0], self.scope.step
        ahead = step
        if self.augmentation is not None and random.random() < self.scope.second_steps:
            ahead = min(2, (array.shape[0] - self.scope.shortest_context) // step) * step
        low, high = min(self.scope.shortest_context, array.shape[0] - ahead), array.shape[0] - ahead
        edge = int(random.integers(low, high + 1))
        slab = self._slab(array, edge - depth, depth + ahead, random)
        slab = slab.clamp(*self.scope.window_hu) / HU_SCALE
        scope, following = slab[:, :depth], slab[:, depth:]
        if self.augmentation is not None and self.augmentation.noise_hu > 0:
            sigma = random.uniform(0, self.augmentation.noise_hu) / HU_SCALE
            noise = torch.from_numpy(random.normal(0, sigma, scope.shape).astype(np.float32))
            scope = torch.where(scope > AIR_HU / HU_SCALE + 0.01, scope + noise, scope)
        return scope.contiguous(), following.contiguous()

    def _slab(self, array: NDArray[np.int16], start: int, depth: int, random: np.random.Generator) -> Tensor:
        """Sample (1, depth, y, x) voxels from slice start on; slices before the volume's first are air."""
        first, last = max(0, start - 4), min(array.shape[0], start + depth + 4)
        block = torch.from_numpy(np.ascontiguousarray(array[first:last]).astype(np.float32))
        known = array[max(0, start) : start + self.scope.size[0]] > BODY_ABOVE_HU
        rows, columns = body_window(known, self.scope.size[1:], self.multiple)
        height, width = rows.stop - rows.start, columns.stop - columns.start
        if not self.scope.fits_body:
            height, width = self.scope.size[1:]
        center = [
            start - first + (depth - 1) / 2,
            (rows.start + rows.stop - 1) / 2,
            (columns.start + columns.stop - 1) / 2,
        ]
        matrix = np.eye(3)
        if self.augmentation is not None:
            matrix, shift = self._random_affine(self.augmentation, random)
            center = [value + offset for value, offset in zip(center, shift, strict=True)]
        # Row i of the output coordinates (z, y, x), centered, maps to matrix @ out + center in the block.
        axes = [torch.arange(n, dtype=torch.float32) - (n - 1) / 2 for n in (depth, height, width)]
        z, y, x = torch.meshgrid(*axes, indexing="ij")
        points = torch.stack([z, y, x], dim=-1) @ torch.from_numpy(matrix.T.astype(np.float32))
        points = points + torch.tensor(center, dtype=torch.float32)
        if self.augmentation is not None and self.augmentation.warp_mm > 0:
            points = points + self._random_warp(self.augmentation.warp_mm, (depth, height, width), random)
        # In z the last real slice is held (a tilted slab must not see air past the end); in plane it is air.
        points[..., 0].clamp_(0, block.shape[0] - 1)
        size = torch.tensor(block.shape, dtype=torch.float32)
        normalized = (2 * points + 1) / size - 1
        sampled = functional.grid_sample(
            block[None, None] - AIR_HU, normalized.flip(-1)[None], mode="bilinear", align_corners=False
        )[0]
        sampled += AIR_HU
        if start < 0:
            sampled[:, :-start] = AIR_HU
        return sampled

    def _random_affine(
        self, limits: AugmentationConfig, random: np.random.Generator
    ) -> tuple[NDArray[np.float64], list[float]]:
        largest = np.array([limits.rotation_degrees, limits.tilt_degrees, limits.tilt_degrees])
        angles = np.radians(random.uniform(-1, 1, 3) * largest)
        matrix = np.eye(3)
        for angle, (a, b) in zip(angles, [(1, 2), (0, 1), (0, 2)], strict=True):
            rotation = np.eye(3)
            rotation[[a, a, b, b], [a, b, a, b]] = [np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)]
            matrix = matrix @ rotation
        matrix = matrix @ np.diag(1 + random.uniform(-limits.scale, limits.scale, 3))
        if limits.flip_left_right and random.random() < 0.5:
            matrix[:, 2] *= -1
        shift = random.uniform(-1, 1, 2) * limits.shift_mm / self.scope.spacing_mm
        return matrix, [0.0, *shift.tolist()]

    def _random_warp(self, largest_mm: float, size: tuple[int, int, int], random: np.random.Generator) -> Tensor:
        """A smooth displacement field (z, y, x, 3) in voxels, as bodies differ from each other."""
        strength = random.uniform(0, largest_mm) / self.scope.spacing_mm
        knots = torch.from_numpy(random.uniform(-1, 1, (1, 3, *WARP_KNOTS)).astype(np.float32)) * strength
        field = functional.interpolate(knots, size=size, mode="trilinear", align_corners=True)
        return field[0].permute(1, 2, 3, 0)
