"""The global search: the evidence of every translation on a grid of rotations, by Fourier transforms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from ..options import TransformType
from ..progress import Progress
from .evidence import Layer, MatchTable
from .layout import lay_out
from .parts import Part
from .poses import Matrix, about, mean_distance, rotation_matrix
from .side_by_side import side_by_side
from .window import Window

PEAKS_PER_ROTATION = 3
DISTINCT_MM = 12.0


@dataclass(frozen=True, eq=False)
class Peak:
    """A pose worth refining."""

    pose: Matrix
    score: float
    kind: TransformType = "rigid"


def search(
    fixed: Part,
    moving: Part,
    readings: Sequence[Sequence[Layer]],
    window: Window,
    temper: float,
    counts: Sequence[int],
    progress: Progress,
) -> list[Peak]:
    """Find the most telling poses.

    Args:
        fixed, moving: parts on grids of the same voxel size.
        readings: layers of evidence of voxel pairs; the first reading sums the first layers, each further one adds its
            own to all before it.
        window: where to look.
        temper: effective independent observations a voxel, by which the evidence is multiplied before the prior counts.
        counts: how many distinct peaks of each reading to return at most.

    Returns:
        Peaks at least DISTINCT_MM apart, those of the first reading first, best first in each.
    """
    engine = _Engine(fixed, moving, readings, window)
    peaks: list[list[Peak]] = [[] for _ in readings]

    def look(rotation: NDArray[np.float64], tick: Progress) -> list[list[Peak]]:
        return engine.peaks(rotation, temper)

    for found in side_by_side(look, window.rotations, progress, "Searching over all positions"):
        for own, new in zip(peaks, found, strict=True):
            own += new
    points = moving.points(moving.body > 0.5)[::97]
    chosen: list[Peak] = []
    for own, count in zip(peaks, counts, strict=True):
        own.sort(key=lambda peak: -peak.score)
        chosen = distinct(chosen + own, points, len(chosen) + count)
    return chosen


def distinct(peaks: list[Peak], moving_points: NDArray[np.float64], count: int) -> list[Peak]:
    """The first peaks (sorted already) that take the moving body to places at least DISTINCT_MM apart."""
    kept: list[Peak] = []
    inverses: list[Matrix] = []
    for peak in peaks:
        inverse = np.linalg.inv(peak.pose)
        if all(mean_distance(inverse, other, moving_points) >= DISTINCT_MM for other in inverses):
            kept.append(peak)
            inverses.append(inverse)
        if len(kept) == count:
            break
    return kept


class _Engine:
    """Fourier transforms of the fixed part, kept while the moving part is rotated."""

    def __init__(self, fixed: Part, moving: Part, readings: Sequence[Sequence[Layer]], window: Window) -> None:
        self.window = window
        self.layout = lay_out(fixed, moving, window)
        # The shift in mm of every score (z, y, x).
        self.shifts = np.stack(np.meshgrid(*self.layout.shifts_mm()[::-1], indexing="ij")[::-1], axis=-1)
        layers = [layer for reading in readings for layer in reading]
        self.features_of = [sum(len(layer.table.signs) for layer in reading) for reading in readings]
        self.moving = moving
        self.moving_features = torch.cat([_features(moving, layer.table, layer.moving_weight) for layer in layers])
        fixed_features = torch.cat([_features(fixed, layer.table, layer.fixed_weight) for layer in layers])
        signs = torch.cat([torch.from_numpy(layer.table.signs.astype(np.float32)) for layer in layers])
        used = (slice(None), *self.layout.used)
        spectrum = self._spectrum(fixed_features[used])
        self.fixed_conjugate = (signs[:, None, None, None] * spectrum).conj().resolve_conj()

    def peaks(self, rotation: NDArray[np.float64], temper: float) -> list[list[Peak]]:
        """The best translations at one rotation, by each reading."""
        pose_in = self.window.start @ about(rotation_matrix(rotation), self.layout.center, np.zeros(3))
        products = (self.fixed_conjugate * self._spectrum(self._rotated(pose_in))).split(self.features_of)
        total = torch.from_numpy(self.window.log_prior(self.shifts, rotation).astype(np.float32))
        found = []
        for product in products:
            correlation = torch.fft.irfftn(product.sum(dim=0).conj(), s=self.layout.shape, dim=(0, 1, 2))
            total = total + self._in_window(correlation) * temper
            found.append(self._local_maxima(total, rotation))
        return found

    def _spectrum(self, features: torch.Tensor) -> torch.Tensor:
        return torch.fft.rfftn(features, s=self.layout.shape, dim=(1, 2, 3))

    def _in_window(self, scores: torch.Tensor) -> torch.Tensor:
        """The part of a cyclic correlation (z, y, x) that belongs to the shifts looked at."""
        for dim, axis in enumerate((2, 1, 0)):
            indices = torch.arange(int(self.layout.lowest[axis]), int(self.layout.highest[axis]) + 1)
            scores = scores.index_select(dim, indices % self.layout.shape[dim])
        return scores

    def _rotated(self, pose: Matrix) -> torch.Tensor:
        """Features of the moving part, resampled (feature, z, y, x) on the grid of the layout."""
        part = self.moving
        to_index = np.eye(4)
        to_index[:3, :3] /= part.spacing
        to_index[:3, 3] = -part.origin / part.spacing
        from_grid = np.eye(4)
        from_grid[:3, :3] *= self.layout.spacing
        from_grid[:3, 3] = self.layout.origin
        matrix = to_index @ pose @ from_grid
        grid = sample_grid(matrix, tuple(self.layout.count[::-1]), part.hu.shape)
        return functional.grid_sample(self.moving_features[None], grid[None], align_corners=True)[0]

    def _local_maxima(self, total: torch.Tensor, rotation: NDArray[np.float64]) -> list[Peak]:
        highest = functional.max_pool3d(total[None, None], 3, 1, 1)[0, 0]
        maxima = torch.where(total >= highest, total, torch.full_like(total, -torch.inf)).ravel()
        best = torch.topk(maxima, min(PEAKS_PER_ROTATION, maxima.numel()))
        found = []
        for score, place in zip(best.values.tolist(), best.indices.tolist(), strict=True):
            if not np.isfinite(score):
                continue
            shift = self.shifts[np.unravel_index(place, tuple(total.shape))]
            # The rotated image shifted by s shows at x what lay at x - s.
            back = about(rotation_matrix(rotation), self.layout.center, np.zeros(3))
            undo = np.eye(4)
            undo[:3, 3] = -shift
            found.append(Peak(self.window.start @ back @ undo, score))
        return found


def sample_grid(matrix: Matrix, shape: tuple[int, ...], source_shape: tuple[int, ...]) -> torch.Tensor:
    """Sampling positions (z, y, x, 3) in the -1 to 1 of grid_sample for a map of indices (x, y, z) to indices."""
    size = np.array(source_shape[::-1], dtype=np.float64)
    scale = 2.0 / np.maximum(size - 1, 1)
    linear = torch.from_numpy((matrix[:3, :3] * scale[:, None]).astype(np.float32))
    shift = torch.from_numpy((matrix[:3, 3] * scale - 1).astype(np.float32))
    z, y, x = (torch.arange(n, dtype=torch.float32) for n in shape)
    return (
        x[None, None, :, None] * linear[:, 0]
        + y[None, :, None, None] * linear[:, 1]
        + z[:, None, None, None] * linear[:, 2]
        + shift
    )


def _features(part: Part, table: MatchTable, weight: NDArray[np.float32]) -> torch.Tensor:
    values = table.features[:, table.bins_of(part)] * (weight * part.valid)
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
