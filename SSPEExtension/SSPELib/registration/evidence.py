"""How much a pose speaks for itself: log-likelihood ratios of 'aligned' against 'unrelated', summed over the overlap.

A mean similarity can always be raised by pulling the images apart until only a lucky rest overlaps. A sum of
log-likelihood ratios cannot: no overlap is worth nothing, chance overlap costs, true overlap pays by the voxel. The
model of an aligned pair is a heavy-tailed (Student t) difference in HU, wider where one of the voxels is synthetic;
the model of an unrelated pair is the two parts' own HU distribution inside the body, so that soft tissue on soft
tissue, which happens anywhere, counts little, and bone on bone much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .parts import Part

DEGREES_OF_FREEDOM = 3.0
OUTLIERS = 0.1
OUTLINE_PENALTY = 1.0
HU_RANGE = (-1000.0, 1600.0)
DENSITY_BINS = 130
DENSITY_WIDTH_HU = 30.0
# Scale of the difference of two real voxels in HU at a given voxel size: noise, interpolation and, on coarse grids,
# the misalignment that a coarse search has to live with.
REAL_SCALE_HU = 35.0
OUTSIDE_WEIGHT = 100.0


@dataclass(frozen=True, eq=False)
class Density:
    """The HU distribution inside the bodies of two parts."""

    centers: NDArray[np.float64]
    log_density: NDArray[np.float64]

    @classmethod
    def of(cls, parts: Sequence[Part]) -> Density:
        """Estimate from the real voxels (all voxels where none is real)."""
        values = np.concatenate([part.hu[(part.body > 0.9) & (part.depth == 0)] for part in parts])
        counts, edges = np.histogram(np.clip(values, *HU_RANGE), bins=DENSITY_BINS, range=HU_RANGE)
        width = edges[1] - edges[0]
        centers = (edges[1:] + edges[:-1]) / 2
        kernel = np.exp(-0.5 * ((centers[:, None] - centers) / DENSITY_WIDTH_HU) ** 2)
        smooth = kernel @ (counts / max(counts.sum(), 1)) / kernel.sum(axis=0)
        # A floor keeps rare values from being worth any sum.
        density = (smooth + 0.1 / DENSITY_BINS) / 1.1 / width
        return cls(centers, np.log(density))

    def log_at(self, hu: NDArray[np.floating]) -> NDArray[np.float64]:
        """Log density per HU."""
        return np.interp(hu, self.centers, self.log_density)

    def quantiles(self, count: int) -> NDArray[np.float64]:
        """count - 1 inner edges of bins of equal probability, HU."""
        mass = np.exp(self.log_density)
        cumulative = np.cumsum(mass) / mass.sum()
        return np.interp(np.arange(1, count) / count, cumulative, self.centers)


def student_log_density(difference: NDArray[np.float64], scale: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Log density of Student's t with DEGREES_OF_FREEDOM = 3 at a difference in HU."""
    constant = np.log(2.0 / (np.pi * np.sqrt(3.0)))
    ratio = difference / scale
    result: NDArray[np.float64] = constant - np.log(scale) - 2.0 * np.log1p(ratio * ratio / DEGREES_OF_FREEDOM)
    return result


@dataclass(frozen=True, eq=False)
class MatchTable:
    """The evidence of a pair of voxels as a short sum of products, which Fourier transforms can correlate.

    Attributes:
        edges: (bins - 1,) HU edges; bin 0 of the table is 'outside the body', further bins are HU ranges.
        features: (rank, bins + 1) value of each feature in each bin.
        signs: (rank,) +1 or -1; evidence(a, b) = sum of signs * features[:, a] * features[:, b].
    """

    edges: NDArray[np.float64]
    features: NDArray[np.float64]
    signs: NDArray[np.float64]

    @classmethod
    def of(cls, density: Density, scale_hu: float, bins: int = 40, rank: int = 6) -> MatchTable:
        """Build the table for one scale of differences and keep its strongest features."""
        edges = density.quantiles(bins)
        middles = density.quantiles(2 * bins)[::2]
        half = student_log_density(middles[:, None] - middles, scale_hu)
        ratio = half - 0.5 * (density.log_at(middles)[:, None] + density.log_at(middles))
        table = np.full((bins + 1, bins + 1), -OUTLINE_PENALTY)
        table[0, 0] = 0.0
        table[1:, 1:] = np.log((1 - OUTLIERS) * np.exp(ratio) + OUTLIERS)
        # Weighted low rank: the outside is met far more often than any one bin of the body and must be near exact.
        weight = np.ones(bins + 1)
        weight[0] = OUTSIDE_WEIGHT
        values, vectors = np.linalg.eigh(table * np.sqrt(np.outer(weight, weight)))
        kept = np.argsort(-np.abs(values))[:rank]
        features = vectors[:, kept].T * np.sqrt(np.abs(values[kept]))[:, None] / np.sqrt(weight)
        return cls(edges, features, np.sign(values[kept]))

    def bins_of(self, part: Part) -> NDArray[np.int_]:
        """Bin of every voxel (z, y, x)."""
        inner = np.searchsorted(self.edges, part.hu) + 1
        return np.where(part.body > 0.5, inner, 0)


# Expected difference in HU (scale of Student's t) between a synthetic voxel and the truth, by the distance in mm from
# the last real slice, and the share with which such a voxel counts in the search.
SYNTHETIC_DEPTH_MM = (0.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
SYNTHETIC_SCALE_HU = (0.0, 60.0, 90.0, 130.0, 170.0, 220.0, 280.0)
SYNTHETIC_WEIGHT = (1.0, 0.7, 0.55, 0.4, 0.25, 0.12, 0.05)


def scale_by_depth(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Expected error in HU of voxels (z, y, x) at a synthetic depth in mm; 0 where real."""
    return np.interp(depth, SYNTHETIC_DEPTH_MM, SYNTHETIC_SCALE_HU).astype(np.float32)


def weight_by_depth(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Share, 0 to 1, with which voxels (z, y, x) at a synthetic depth in mm count in the search; 1 where real."""
    return np.interp(depth, SYNTHETIC_DEPTH_MM, SYNTHETIC_WEIGHT).astype(np.float32)
