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
REAL_TRUST = 0.9
# Evidence of a pair of which both voxels lie in the body, and of which only one does. Two real parts overlap in soft
# tissue anywhere, so that content alone must speak for them; of synthetic voxels the outline is the most reliable part.
REAL_MISMATCH = -1.0
SYNTHETIC_OUTLINE = (0.6, -1.6)
HU_RANGE = (-1000.0, 1600.0)
DENSITY_BINS = 130
DENSITY_WIDTH_HU = 30.0
BINS = 40
OUTSIDE_WEIGHT = 100.0
# The coarse search lives with half a step of rotation and half a voxel of shift: it forgives more.
SEARCH_SCALE_HU = 90.0
SEARCH_TRUST = 0.7
SEARCH_OUTLINE = (-0.1, -0.6)
# What a generous reading of the search adds to each pair of real voxels inside both bodies.
SEARCH_GENEROSITY = 0.3
SEARCH_SYNTHETIC_SCALE_HU = 100.0
SEARCH_SYNTHETIC_TRUST = 0.5

# Errors of synthetic voxels go together over whole organs, those of real ones over little more than a voxel: this is
# what a synthetic voxel counts of a real one, however well it is predicted. Two synthetic voxels count it squared, so
# that parts do not drift apart until only their inventions agree.
SYNTHETIC_SHARE = 0.15

# Of a synthetic voxel by its distance in mm from the last real slice: the expected difference in HU from the truth
# (scale of Student's t), the share of voxels that say anything at all, and the share with which it counts in searches.
SYNTHETIC_DEPTH_MM = (0.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
SYNTHETIC_SCALE_HU = (0.0, 30.0, 40.0, 60.0, 80.0, 100.0, 120.0)
SYNTHETIC_TRUST = (1.0, 0.95, 0.85, 0.55, 0.3, 0.1, 0.02)
SYNTHETIC_WEIGHT = (1.0, 0.95, 0.7, 0.4, 0.2, 0.05, 0.01)


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


def pair_table(
    density: Density, scale_hu: float, trust: float, outline: tuple[float, float], bins: int = BINS
) -> NDArray[np.float64]:
    """Evidence (bins + 1, bins + 1) of pairs of voxels; bin 0 is 'outside the body', further bins are HU ranges.

    Args:
        density: HU distribution inside the bodies.
        scale_hu: expected difference of an aligned pair.
        trust: share of pairs that follow the model; the rest says nothing either way.
        outline: what it is worth that both voxels lie in the body, and that only one does.
    """
    middles = density.quantiles(2 * bins)[::2]
    log_density = density.log_at(middles)
    ratio = student_log_density(middles[:, None] - middles, scale_hu) - 0.5 * (log_density[:, None] + log_density)
    table = np.full((bins + 1, bins + 1), outline[1])
    table[0, 0] = 0.0
    table[1:, 1:] = np.log(trust * np.exp(ratio) + 1 - trust) + outline[0]
    return table


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
    def of(cls, density: Density, table: NDArray[np.float64], rank: int = 8) -> MatchTable:
        """Keep the strongest features of a symmetric table (bins + 1, bins + 1)."""
        bins = table.shape[0] - 1
        # Weighted low rank: the outside is met far more often than any one bin of the body and must be near exact.
        weight = np.ones(bins + 1)
        weight[0] = OUTSIDE_WEIGHT
        values, vectors = np.linalg.eigh(table * np.sqrt(np.outer(weight, weight)))
        kept = np.argsort(-np.abs(values))[:rank]
        features = vectors[:, kept].T * np.sqrt(np.abs(values[kept]))[:, None] / np.sqrt(weight)
        return cls(density.quantiles(bins), features, np.sign(values[kept]))

    def bins_of(self, part: Part) -> NDArray[np.int_]:
        """Bin of every voxel (z, y, x)."""
        inner = np.searchsorted(self.edges, part.hu) + 1
        return np.where(part.body > 0.5, inner, 0)


@dataclass(frozen=True, eq=False)
class Layer:
    """A table with the share (z, y, x) with which each voxel of the fixed and the moving part counts in it."""

    table: MatchTable
    fixed_weight: NDArray[np.float32]
    moving_weight: NDArray[np.float32]


def search_layers(fixed: Part, moving: Part, density: Density) -> list[Layer]:
    """What the search sums: pairs of real voxels by the strict table, pairs with a synthetic one by a forgiving one."""
    strict = pair_table(density, SEARCH_SCALE_HU, SEARCH_TRUST, SEARCH_OUTLINE)
    if not (fixed.depth.any() or moving.depth.any()):
        ones = np.ones(fixed.hu.shape, np.float32), np.ones(moving.hu.shape, np.float32)
        return [Layer(MatchTable.of(density, strict), *ones)]
    forgiving = pair_table(density, SEARCH_SYNTHETIC_SCALE_HU, SEARCH_SYNTHETIC_TRUST, SYNTHETIC_OUTLINE)
    real = (fixed.depth == 0).astype(np.float32), (moving.depth == 0).astype(np.float32)
    # The forgiving table counts for all pairs, the second layer makes up the difference where both are real.
    return [
        Layer(MatchTable.of(density, forgiving), weight_by_depth(fixed.depth), weight_by_depth(moving.depth)),
        Layer(MatchTable.of(density, strict - forgiving), *real),
    ]


def generosity_layer(fixed: Part, moving: Part, density: Density) -> Layer:
    """SEARCH_GENEROSITY for each pair of real voxels inside both bodies."""
    inside = np.full((1, BINS + 1), np.sqrt(SEARCH_GENEROSITY))
    inside[:, 0] = 0.0
    table = MatchTable(density.quantiles(BINS), inside, np.ones(1))
    return Layer(table, (fixed.depth == 0).astype(np.float32), (moving.depth == 0).astype(np.float32))


def scale_by_depth(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Expected error in HU of voxels (z, y, x) at a synthetic depth in mm; 0 where real."""
    return np.interp(depth, SYNTHETIC_DEPTH_MM, SYNTHETIC_SCALE_HU).astype(np.float32)


def trust_by_depth(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Share, 0 to 1, of voxels (z, y, x) at a synthetic depth in mm that say anything; 1 where real."""
    return np.interp(depth, SYNTHETIC_DEPTH_MM, SYNTHETIC_TRUST).astype(np.float32)


def weight_by_depth(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Share, 0 to 1, with which voxels (z, y, x) at a synthetic depth in mm count in the search; 1 where real."""
    weight = np.interp(depth, SYNTHETIC_DEPTH_MM, SYNTHETIC_WEIGHT) * share_by_depth(depth)
    return weight.astype(np.float32)


def share_by_depth(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Independent observations a voxel (z, y, x), relative to a real one."""
    return np.where(depth > 0, SYNTHETIC_SHARE, 1.0).astype(np.float32)
