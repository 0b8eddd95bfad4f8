"""The global search: where it looks, and the evidence of every translation on a grid of rotations there."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import SimpleITK as sitk
import torch
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from torch import Tensor
from torch.nn import functional

from ..options import TransformType
from ..poses import Matrix, about, apply, matrix_of, mean_distance, rotation_angle, rotation_matrix
from ..progress import Progress
from ..side_by_side import side_by_side
from .evidence import (
    BINS,
    SYNTHETIC_DEPTH_MM,
    SYNTHETIC_OUTLINE_MATCH,
    SYNTHETIC_OUTLINE_MISMATCH,
    SYNTHETIC_SHARE,
    Density,
    factors,
    independent_share,
    pair_table,
)
from .images import GridImage

Start = Literal["header", "unknown"] | sitk.Transform

# Climbing finds what lies half a step away, so that these look at angles up to 11 degrees about each axis.
ROTATION_STEP_DEGREES = 7.5
ROTATION_LIMIT_DEGREES = 7.5
ROTATION_SIGMA_DEGREES = 8.0
# No result that starts from the headers lies farther from them than this, along each axis and in all.
HEADER_REACH_MM = 45.0
LARGEST_ROTATION_DEGREES = 25.0
HEADER_SIGMA_MM = 20.0
ACROSS_REACH_MM = 90.0
ACROSS_SIGMA_MM = 40.0
GIVEN_REACH_MM = 24.0
GIVEN_SIGMA_MM = 10.0
GIVEN_ROTATION_STEP_DEGREES = 5.0
ANYWHERE_MM = 1e5
# CTs far apart cost nothing, as nothing of them overlaps: where the truth looks worse than chance, the search would
# leave them there. Whoever scans a body in parts leaves no large gap.
GAP_SIGMA_MM = 30.0

# The search lives with half a step of rotation and half a voxel of shift: it forgives more than the refinement.
REAL_SCALE_HU, REAL_TRUST = 90.0, 0.7
REAL_OUTLINE_MATCH, REAL_OUTLINE_MISMATCH = -0.1, -0.6
SYNTHETIC_SCALE_HU, SYNTHETIC_TRUST = 100.0, 0.5
# What a generous reading adds to each pair of real voxels inside both bodies.
GENEROSITY = 0.3
# Share with which a synthetic voxel counts by its distance in mm from the last real slice (SYNTHETIC_DEPTH_MM).
SYNTHETIC_WEIGHT = (1.0, 0.95, 0.7, 0.4, 0.2, 0.05, 0.01)
# Features that stand for the table of all pairs of HU.
SYNTHETIC_FEATURES, REAL_FEATURES = 5, 6

PEAKS_PER_ROTATION = 4
DISTINCT_MM = 12.0


@dataclass(frozen=True, eq=False)
class SearchRange:
    """Where to look, around a start pose, and what is preferred there.

    Attributes:
        start: (4, 4) pose, fixed to moving, from which rotations and shifts count.
        center: (3,) point of the moving body, LPS mm, whose shift is limited.
        low, high: (3,) limits of its shift in the fixed frame, LPS mm.
        rotations: (n, 3) rotation vectors that the search tries, radians.
        shift_sigma_mm: (3,) widths of a soft preference for the start pose; infinite for none.
        rotation_sigma: the same of rotations, radians.
        meeting: shifts along z (lowest, highest) at which the real slices meet; beyond is a gap.
        gap_sigma_mm: width of a soft preference for small gaps; infinite for none.
    """

    start: Matrix
    center: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    rotations: NDArray[np.float64]
    shift_sigma_mm: NDArray[np.float64]
    rotation_sigma: float
    meeting: tuple[float, float] = (0.0, 0.0)
    gap_sigma_mm: float = np.inf

    def log_prior(self, shift: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
        """Log preference of shifts (..., 3) in mm and a rotation by an angle in radians."""
        along = -0.5 * ((shift / self.shift_sigma_mm) ** 2).sum(axis=-1)
        gap = np.maximum(np.maximum(self.meeting[0] - shift[..., 2], shift[..., 2] - self.meeting[1]), 0.0)
        result: NDArray[np.float64] = along - 0.5 * (gap / self.gap_sigma_mm) ** 2
        return result - 0.5 * (angle / self.rotation_sigma) ** 2

    def from_start(self, pose: Matrix) -> tuple[NDArray[np.float64], float]:
        """Shift (3,) of the center in the fixed frame, mm, and angle in radians, by which a pose leaves the start."""
        back = np.linalg.inv(self.start)
        shift = apply(np.linalg.inv(pose), self.center[None])[0] - apply(back, self.center[None])[0]
        return shift, float(np.radians(rotation_angle(back @ pose)))

    def log_prior_of(self, pose: Matrix) -> float:
        """Log preference of a pose (4, 4); minus infinity beyond the limits."""
        shift, angle = self.from_start(pose)
        if (shift < self.low).any() or (shift > self.high).any() or angle > np.radians(LARGEST_ROTATION_DEGREES):
            return -np.inf
        return float(self.log_prior(shift, angle))


def search_range(start: Start, fixed: GridImage, moving: GridImage) -> SearchRange:
    """The poses to search for a start.

    "header" looks around the headers' pose. "unknown" trusts the headers for which way is up, and nothing else: it
    lays the bodies' centers on one line along the body and looks along the whole of it, in both orders, preferring
    CTs that meet or nearly do. A transform is searched around closely.

    Raises:
        RegistrationError: the transform is not linear.
    """
    rotations = rotation_grid(ROTATION_LIMIT_DEGREES, ROTATION_STEP_DEGREES)
    sigma = np.radians(ROTATION_SIGMA_DEGREES)
    moving_points = moving.real_body_points()
    center = (moving_points.min(axis=0) + moving_points.max(axis=0)) / 2
    if isinstance(start, sitk.Transform):
        reach = np.full(3, GIVEN_REACH_MM)
        near = rotation_grid(GIVEN_ROTATION_STEP_DEGREES, GIVEN_ROTATION_STEP_DEGREES)
        return SearchRange(matrix_of(start), center, -reach, reach, near, np.full(3, GIVEN_SIGMA_MM), sigma)
    if start == "header":
        reach = np.full(3, HEADER_REACH_MM)
        return SearchRange(np.eye(4), center, -reach, reach, rotations, np.full(3, HEADER_SIGMA_MM), sigma)
    far = np.array([ACROSS_REACH_MM, ACROSS_REACH_MM, ANYWHERE_MM])
    spread = np.array([ACROSS_SIGMA_MM, ACROSS_SIGMA_MM, np.inf])
    centered = np.eye(4)
    fixed_points = fixed.real_body_points()
    centered[:3, 3] = moving_points.mean(axis=0) - fixed_points.mean(axis=0)
    upward, laid = fixed_points[:, 2], moving_points[:, 2] - centered[2, 3]
    meeting = float(upward.min() - laid.max()), float(upward.max() - laid.min())
    return SearchRange(centered, center, -far, far, rotations, spread, sigma, meeting, GAP_SIGMA_MM)


def rotation_grid(limit_degrees: float, step_degrees: float) -> NDArray[np.float64]:
    """Rotation vectors (n, 3) in radians on a cube grid of at most limit_degrees an axis."""
    count = int(limit_degrees / step_degrees + 1e-6)
    steps = np.arange(-count, count + 1) * step_degrees
    return np.radians(np.array(list(itertools.product(steps, repeat=3)), dtype=np.float64))


@dataclass(frozen=True, eq=False)
class Peak:
    """A pose worth refining.

    Attributes:
        pose: (4, 4), fixed to moving.
        score: evidence and prior, nats.
        kind: of the transform.
    """

    pose: Matrix
    score: float
    kind: TransformType = "rigid"


def search(
    fixed: GridImage,
    moving: GridImage,
    where: SearchRange,
    counts: tuple[int, int],
    device: torch.device,
    progress: Progress,
) -> list[Peak]:
    """Find the most telling poses.

    Between the rotations that are tried, a long true overlap can lose so much that it looks worse than none, while a
    generous reading prefers wrong long overlaps to right short ones: both propose poses.

    Args:
        fixed, moving: on grids of the same voxel size.
        where: to look.
        counts: how many distinct poses of the strict and of the generous reading to return at most.
        device: where to compute.
        progress: told of every rotation; may raise `Cancelled`.

    Returns:
        Poses at least DISTINCT_MM apart, those of the strict reading first, best first in each.
    """
    correlator = Correlator(fixed, moving, layers(fixed, moving, Density.of([fixed, moving])), where, device)

    def look(rotation: NDArray[np.float64], tick: Progress) -> list[list[Peak]]:
        return correlator.peaks(rotation)

    found = side_by_side(look, where.rotations, progress, "Searching over all positions", device)
    points = moving.points(moving.body > 0.5)[::97]
    chosen: list[Peak] = []
    for reading, count in enumerate(counts):
        own = sorted((peak for peaks in found for peak in peaks[reading]), key=lambda peak: -peak.score)
        chosen = distinct(chosen + own, points, len(chosen) + count)
    return chosen


def distinct(peaks: Sequence[Peak], moving_points: NDArray[np.float64], count: int) -> list[Peak]:
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


@dataclass(frozen=True, eq=False)
class Layer:
    """Evidence of pairs of voxels as a short sum of products, which Fourier transforms can correlate.

    Attributes:
        features: (rank, bins + 1) value of each feature by bin; bin 0 is 'outside the body', the others are HU ranges.
        signs: (rank,) +1 or -1; evidence(a, b) = sum of signs * features[:, a] * features[:, b].
        fixed_weight, moving_weight: (z, y, x) share with which each voxel counts.
    """

    features: NDArray[np.float64]
    signs: NDArray[np.float64]
    fixed_weight: NDArray[np.float32]
    moving_weight: NDArray[np.float32]


def layers(fixed: GridImage, moving: GridImage, density: Density) -> list[list[Layer]]:
    """What the strict reading sums, and what the generous one adds to it."""
    real = (fixed.depth == 0).astype(np.float32), (moving.depth == 0).astype(np.float32)
    strict = pair_table(density, REAL_SCALE_HU, REAL_TRUST, REAL_OUTLINE_MATCH, REAL_OUTLINE_MISMATCH)
    bonus = np.where(np.arange(BINS + 1) > 0, np.sqrt(GENEROSITY), 0.0)[None]
    generous = [Layer(bonus, np.ones(1), *real)]
    if not (fixed.depth.any() or moving.depth.any()):
        return [[Layer(*factors(strict, REAL_FEATURES), *real)], generous]
    forgiving = pair_table(
        density, SYNTHETIC_SCALE_HU, SYNTHETIC_TRUST, SYNTHETIC_OUTLINE_MATCH, SYNTHETIC_OUTLINE_MISMATCH
    )
    weights = _weight(fixed.depth), _weight(moving.depth)
    # The forgiving table counts for all pairs, the second layer makes up the difference where both are real.
    both = [
        Layer(*factors(forgiving, SYNTHETIC_FEATURES), *weights),
        Layer(*factors(strict - forgiving, REAL_FEATURES), *real),
    ]
    return [both, generous]


def _weight(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Share, 0 to 1, with which voxels (z, y, x) at a synthetic depth in mm count; 1 where real."""
    weight = np.interp(depth, SYNTHETIC_DEPTH_MM, SYNTHETIC_WEIGHT) * np.where(depth > 0, SYNTHETIC_SHARE, 1.0)
    return weight.astype(np.float32)


@dataclass(frozen=True, eq=False)
class CorrelationGrid:
    """Grids, x, y, z, of the fixed and of the rotated moving image in the fixed frame, and shifts between them.

    They are as small as the search range allows, as Fourier transforms of them are the whole cost of the search. A
    shift of index s puts voxel j of the rotated moving image onto voxel j + s of the used fixed image.

    Attributes:
        spacing: voxel size, mm.
        center: (3,) point about which the moving image is rotated, LPS mm.
        origin: (3,) middle of the first voxel of the rotated moving image, LPS mm.
        count: (3,) its number of voxels.
        used: slices (z, y, x) of the fixed image that any shift of the range brings onto it.
        base: (3,) the shift, not always whole, that leaves the moving body where the start puts it.
        lowest, highest: (3,) first and last shift of the range.
        shape: (z, y, x) of transforms in which no shift of the range wraps around.
    """

    spacing: float
    center: NDArray[np.float64]
    origin: NDArray[np.float64]
    count: NDArray[np.int_]
    used: tuple[slice, ...]
    base: NDArray[np.float64]
    lowest: NDArray[np.int_]
    highest: NDArray[np.int_]
    shape: tuple[int, ...]

    @classmethod
    def of(cls, fixed: GridImage, moving: GridImage, where: SearchRange) -> CorrelationGrid:
        """The grids for two images of the same voxel size and all poses of a range."""
        spacing = fixed.spacing
        placed = apply(np.linalg.inv(where.start), moving.points(moving.body > 0.5))
        middle = (placed.min(axis=0) + placed.max(axis=0)) / 2
        # On a voxel of the moving image, so that without a rotation nothing is interpolated.
        center = placed[np.argmin(((placed - middle) ** 2).sum(axis=1))]
        limit = float(np.abs(where.rotations).max()) if where.rotations.size else 0.0
        half = np.maximum(placed.max(axis=0) - center, center - placed.min(axis=0)) + 2 * spacing
        # Corners of the box hardly ever hold body, hence the factor.
        half = half + 0.8 * np.sin(limit) * (half.sum() - half)
        count = (2 * np.ceil(half / spacing)).astype(int) + 1
        fixed_count = np.array(fixed.hu.shape[::-1])
        origin = center - (count - 1) / 2 * spacing
        base = (origin - fixed.origin) / spacing
        lowest = np.maximum(np.floor(where.low / spacing + base).astype(int), 1 - count)
        highest = np.ceil(where.high / spacing + base).astype(int)
        highest = np.maximum(np.minimum(highest, fixed_count - 1), lowest)
        # What no shift of the range brings together needs no transform; a voxel is kept where nothing meets.
        first, fixed_first = np.clip(-highest, 0, count - 1), np.clip(lowest, 0, fixed_count - 1)
        used_count = np.maximum(1, np.minimum(fixed_count, count + highest) - fixed_first)
        count = np.maximum(1, np.minimum(count, fixed_count - lowest) - first)
        offset = first - fixed_first
        base, lowest, highest = base + offset, lowest + offset, highest + offset
        least = np.maximum.reduce([used_count, count, used_count - lowest, count + highest])
        return cls(
            spacing=spacing,
            center=center,
            origin=origin + first * spacing,
            count=count,
            used=tuple(slice(f, f + n) for f, n in zip(fixed_first[::-1], used_count[::-1], strict=True)),
            base=base,
            lowest=lowest,
            highest=highest,
            shape=tuple(next_fast_len(int(n), real=True) for n in least[::-1]),
        )

    def shifts_mm(self) -> NDArray[np.float64]:
        """The shifts (z, y, x, 3) of the range, mm."""
        spans = zip(self.lowest, self.highest, self.base, strict=True)
        x, y, z = ((np.arange(low, high + 1) - base) * self.spacing for low, high, base in spans)
        return np.stack(np.meshgrid(z, y, x, indexing="ij")[::-1], axis=-1)


class Correlator:
    """Fourier transforms of the fixed image, kept while the moving image is rotated."""

    def __init__(
        self,
        fixed: GridImage,
        moving: GridImage,
        readings: Sequence[Sequence[Layer]],
        where: SearchRange,
        device: torch.device,
    ) -> None:
        self.where, self.moving, self.device = where, moving, device
        self.grid = CorrelationGrid.of(fixed, moving, where)
        self.nats_per_voxel = independent_share(fixed.spacing)
        self.shifts = self.grid.shifts_mm()
        self.without_rotation = torch.from_numpy(where.log_prior(self.shifts, 0.0).astype(np.float32)).to(device)
        flat = [layer for reading in readings for layer in reading]
        self.features_of = [sum(len(layer.signs) for layer in reading) for reading in readings]
        density = Density.of([fixed, moving])
        self.moving_features = self._features(moving, density, [(one.features, one.moving_weight) for one in flat])
        fixed_features = self._features(fixed, density, [(one.features, one.fixed_weight) for one in flat])
        signs = torch.from_numpy(np.concatenate([layer.signs for layer in flat]).astype(np.float32)).to(device)
        used = (slice(None), *self.grid.used)
        spectrum = self._spectrum(fixed_features[used])
        self.fixed_conjugate = (signs[:, None, None, None] * spectrum).conj().resolve_conj()

    def peaks(self, rotation: NDArray[np.float64]) -> list[list[Peak]]:
        """The best translations at one rotation (3,), radians, by each reading."""
        turn = about(rotation_matrix(rotation), self.grid.center, np.zeros(3))
        spectrum = self._spectrum(self._rotated(self.where.start @ turn))
        products = torch.mul(self.fixed_conjugate, spectrum, out=spectrum).split(self.features_of)
        angle = float(np.linalg.norm(rotation))
        total = self.without_rotation - 0.5 * (angle / self.where.rotation_sigma) ** 2
        found = []
        for product in products:
            correlation = torch.fft.irfftn(product.sum(dim=0).conj(), s=self.grid.shape, dim=(0, 1, 2))
            total = total + self._in_range(correlation) * self.nats_per_voxel
            found.append(self._local_maxima(total, turn))
        return found

    def _features(
        self,
        image: GridImage,
        density: Density,
        layers_of_image: list[tuple[NDArray[np.float64], NDArray[np.float32]]],
    ) -> Tensor:
        """Features (feature, z, y, x) of all voxels."""
        bins = np.where(image.body > 0.5, np.searchsorted(density.quantiles(BINS), image.hu) + 1, 0)
        values = [features[:, bins] * (weight * image.valid) for features, weight in layers_of_image]
        return torch.from_numpy(np.concatenate(values).astype(np.float32)).to(self.device)

    def _spectrum(self, features: Tensor) -> Tensor:
        return torch.fft.rfftn(features, s=self.grid.shape, dim=(1, 2, 3))

    def _in_range(self, scores: Tensor) -> Tensor:
        """The part of a cyclic correlation (z, y, x) that belongs to the shifts looked at."""
        for dim, axis in enumerate((2, 1, 0)):
            indices = torch.arange(int(self.grid.lowest[axis]), int(self.grid.highest[axis]) + 1, device=self.device)
            scores = scores.index_select(dim, indices % self.grid.shape[dim])
        return scores

    def _rotated(self, pose: Matrix) -> Tensor:
        """Features of the moving image, resampled (feature, z, y, x) on the grid of the correlation."""
        to_index = np.eye(4)
        to_index[:3, :3] /= self.moving.spacing
        to_index[:3, 3] = -self.moving.origin / self.moving.spacing
        from_grid = np.eye(4)
        from_grid[:3, :3] *= self.grid.spacing
        from_grid[:3, 3] = self.grid.origin
        places = sampling_grid(to_index @ pose @ from_grid, tuple(self.grid.count[::-1]), self.moving.hu.shape)
        return functional.grid_sample(self.moving_features[None], places[None].to(self.device), align_corners=True)[0]

    def _local_maxima(self, total: Tensor, turn: Matrix) -> list[Peak]:
        highest = functional.max_pool3d(total[None, None], 3, 1, 1)[0, 0]
        maxima = torch.where(total >= highest, total, torch.full_like(total, -torch.inf)).ravel()
        best = torch.topk(maxima, min(PEAKS_PER_ROTATION, maxima.numel()))
        found = []
        for score, place in zip(best.values.tolist(), best.indices.tolist(), strict=True):
            if not np.isfinite(score):
                continue
            # The rotated image shifted by s shows at x what lay at x - s.
            undo = np.eye(4)
            undo[:3, 3] = -self.shifts[np.unravel_index(place, tuple(total.shape))]
            found.append(Peak(self.where.start @ turn @ undo, score))
        return found


def sampling_grid(matrix: Matrix, shape: tuple[int, ...], source_shape: tuple[int, ...]) -> Tensor:
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
