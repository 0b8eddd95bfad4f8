"""How much a pose speaks for itself: log-likelihood ratios of 'aligned' against 'unrelated', summed over the overlap.

A mean similarity can always be raised by pulling the images apart until only a lucky rest overlaps. A sum of
log-likelihood ratios cannot: no overlap is worth nothing, chance overlap costs, true overlap pays by the voxel. The
model of an aligned pair is a heavy-tailed (Student t) difference in HU, wider where one of the voxels is synthetic;
the model of an unrelated pair is the two CTs' own HU distribution inside the body, so that soft tissue on soft
tissue, which happens anywhere, counts little, and bone on bone much.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .images import GridImage

DEGREES_OF_FREEDOM = 3.0
STUDENT_CONSTANT = math.log(2.0 / (math.pi * math.sqrt(3.0)))
HU_RANGE = (-1000.0, 1600.0)
DENSITY_BINS = 130
DENSITY_WIDTH_HU = 30.0

# Share of pairs that follow the model of aligned voxels; the rest says nothing either way.
REAL_TRUST = 0.9
# Evidence of a pair of which only one voxel lies in the body, for two real voxels. Two real images overlap in soft
# tissue anywhere, so that content alone must speak for them; of synthetic voxels the outline is the most reliable part.
REAL_OUTLINE_MISMATCH = -1.0
# Evidence of a pair with a synthetic voxel of which both voxels lie in the body, and of which only one does.
SYNTHETIC_OUTLINE_MATCH = 0.6
SYNTHETIC_OUTLINE_MISMATCH = -1.6
# Errors of synthetic voxels go together over whole organs, those of real ones over little more than a voxel: this is
# what a synthetic voxel counts of a real one, however well it is predicted. Two synthetic voxels count it squared, so
# that images do not drift apart until only their inventions agree.
SYNTHETIC_SHARE = 0.15
# Of a synthetic voxel by its distance in mm from the last real slice: the expected difference in HU from the truth
# (scale of Student's t), and the share of voxels that say anything at all.
SYNTHETIC_DEPTH_MM = (0.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
SYNTHETIC_SCALE_HU = (0.0, 30.0, 40.0, 60.0, 80.0, 100.0, 120.0)
SYNTHETIC_TRUST = (1.0, 0.95, 0.85, 0.55, 0.3, 0.1, 0.02)
# Voxels are not independent witnesses: their errors go together over about this volume, mm^3.
INDEPENDENT_MM3 = 2500.0
# Noise and sharpness differ from scan to scan, so that a balance takes the scale of real differences that fits best:
# a near perfect match of a short overlap must beat a fair one of a long overlap.
SCALE_FACTORS = (0.35, 0.6, 1.6, 1.0)
# Bins of equal probability into which the tables of the search sort HU. What is outside the body is met far more often
# than any one of them and must be near exact where a table is made up of few features.
BINS = 40
OUTSIDE_WEIGHT = 100.0
# Voxels that tell how much the slices of a body resemble each other.
RESEMBLANCE_VOXELS = 20_000


def independent_share(spacing_mm: float) -> float:
    """Effective independent observations a voxel of a grid, by which its evidence is multiplied to give nats."""
    return spacing_mm**3 / INDEPENDENT_MM3


def log_match(difference: Tensor, scale_squared: Tensor, log_density: Tensor, trust: Tensor | float) -> Tensor:
    """Log-likelihood ratio of a pair of voxels: 'the same place' against 'any two places of these bodies', nats.

    Args:
        difference: of the two voxels, HU.
        scale_squared: expected square of it where they show the same place, HU^2.
        log_density: mean of the log densities of the two values inside the bodies.
        trust: share of pairs that follow the model.
    """
    ratio = difference * difference / (DEGREES_OF_FREEDOM * scale_squared)
    student = STUDENT_CONSTANT - 0.5 * torch.log(scale_squared) - 2.0 * torch.log1p(ratio)
    return torch.log1p(trust * torch.expm1((student - log_density).clamp(max=20.0)))


@dataclass(frozen=True, eq=False)
class Density:
    """The HU distribution inside the bodies of two images.

    Attributes:
        centers: (n,) HU.
        log_density: (n,) per HU.
    """

    centers: NDArray[np.float64]
    log_density: NDArray[np.float64]

    @classmethod
    def of(cls, images: Sequence[GridImage]) -> Density:
        """Estimate from the real voxels."""
        values = np.concatenate([image.hu[(image.body > 0.9) & (image.depth == 0)] for image in images])
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


@dataclass(frozen=True, eq=False)
class Voxels:
    """What the evidence needs to know of voxels; tensors (...) of one shape.

    Attributes:
        hu: HU.
        log_density: of that value inside the bodies.
        body: share inside the body.
        valid: share inside the field of view.
        real: 1 where real, 0 where synthetic.
        scale_squared: expected squared error of a synthetic voxel, HU^2; 0 where real.
        trust: share of voxels like this that say anything; 1 where real.
    """

    hu: Tensor
    log_density: Tensor
    body: Tensor
    valid: Tensor
    real: Tensor
    scale_squared: Tensor
    trust: Tensor

    def chosen(self, index: Tensor) -> Voxels:
        """Some of voxels in a row, by their indices."""
        return Voxels(*(getattr(self, name)[index] for name in FIELDS))

    @property
    def weight(self) -> Tensor:
        """Independent observations a voxel, relative to a real one."""
        return SYNTHETIC_SHARE + (1.0 - SYNTHETIC_SHARE) * self.real


# The fields of Voxels that carry a gradient over space; the others change slowly.
SLOPED = ("hu", "log_density", "body", "valid", "real")
FIELDS = (*SLOPED, "scale_squared", "trust")


def voxel_fields(image: GridImage, density: Density) -> NDArray[np.float32]:
    """The fields (field, z, y, x) of all voxels of an image, in the order of FIELDS."""
    depth = image.depth
    if depth.any():
        scale = np.interp(depth, SYNTHETIC_DEPTH_MM, SYNTHETIC_SCALE_HU) ** 2
        trust = np.interp(depth, SYNTHETIC_DEPTH_MM, SYNTHETIC_TRUST)
    else:
        scale, trust = np.zeros_like(depth), np.ones_like(depth)
    fields = np.empty((len(FIELDS), *depth.shape), dtype=np.float32)
    named = (image.hu, density.log_at(image.hu), image.body, image.valid, image.real, scale, trust)
    for field, values in zip(fields, named, strict=True):
        field[...] = values
    return fields


def spread(count: int, wanted: int) -> NDArray[np.int64]:
    """At most wanted indices spread evenly over count, but not regularly: a fixed step would follow rows of a grid."""
    if count <= wanted:
        return np.arange(count)
    jitter = np.random.default_rng(0).random(wanted)
    return ((np.arange(wanted) + jitter) * (count / wanted)).astype(np.int64)


@dataclass(frozen=True)
class Threshold:
    """What a pair of voxels inside both bodies must be worth before an overlap of such pairs pays, nats.

    Attributes:
        real: of two real voxels.
        synthetic: of two voxels of which at least one is synthetic, times the trust in them.
    """

    real: float = 0.0
    synthetic: float = 0.0


@dataclass(frozen=True, eq=False)
class PairEvidence:
    """The evidence of pairs of voxels.

    Attributes:
        worth: (...) nats of a pair, before voxels that depend on each other are allowed for.
        both: share inside both bodies.
        real: share of two real voxels.
    """

    worth: Tensor
    both: Tensor
    real: Tensor


@dataclass(frozen=True)
class EvidenceModel:
    """What a pair of voxels says for 'aligned'.

    Attributes:
        real_scale_hu: expected difference of two real voxels of the same place, HU.
        threshold: what pairs must be worth before their overlap pays.
    """

    real_scale_hu: float
    threshold: Threshold = Threshold()

    def of(self, fixed: Voxels, moving: Voxels) -> PairEvidence:
        """The evidence of pairs (...) of fixed and moving voxels."""
        return next(self.by_scale(fixed, moving, (1.0,)))

    def by_scale(self, fixed: Voxels, moving: Voxels, factors: Sequence[float]) -> Iterator[PairEvidence]:
        """The evidence of pairs (...) of fixed and moving voxels.

        Args:
            fixed, moving: of each pair.
            factors: of the expected difference of two real voxels, one after the other.
        """
        difference = fixed.hu - moving.hu
        log_density = 0.5 * (fixed.log_density + moving.log_density)
        trust = fixed.trust * moving.trust
        both = fixed.body * moving.body * moving.valid
        either = (fixed.body + moving.body) * moving.valid - 2.0 * both
        real = fixed.real * moving.real
        synthetic = trust * (1.0 - real)
        reward = (SYNTHETIC_OUTLINE_MATCH - self.threshold.synthetic) * synthetic - self.threshold.real * real
        penalty = (SYNTHETIC_OUTLINE_MISMATCH * synthetic + REAL_OUTLINE_MISMATCH * real) * either
        for factor in factors:
            scale_squared = (self.real_scale_hu * factor) ** 2 + fixed.scale_squared + moving.scale_squared
            matched = log_match(difference, scale_squared, log_density, REAL_TRUST * trust)
            worth = (both * (matched + reward) + penalty) * fixed.weight * moving.weight
            yield PairEvidence(worth, both, real)

    def resemblance(self, image: GridImage, density: Density, displacement_mm: float) -> Threshold:
        """Mean worth of pairs inside the body where an image meets itself, displaced along z; 0 where nothing meets.

        Args:
            image: the image.
            density: HU distribution inside the bodies.
            displacement_mm: rounded to whole voxels.
        """
        step = round(displacement_mm / image.spacing)
        both = image.valid[: max(0, image.valid.shape[0] - step)] & image.valid[step:]
        lower = np.flatnonzero(both)
        lower = lower[spread(lower.size, RESEMBLANCE_VOXELS)]
        upper = lower + step * image.hu[0].size
        one, other = (Voxels(*torch.from_numpy(voxel_fields(image.chosen(at), density))) for at in (lower, upper))
        pairs = self.of(one, other)
        shared = pairs.both * one.weight * other.weight
        synthetic = 1.0 - pairs.real
        trusted = shared * synthetic * one.trust * other.trust
        # The mean counts voxels, so that it says nothing where the bodies share less than one.
        return Threshold(
            real=max(0.0, float((pairs.worth * pairs.real).sum() / (shared * pairs.real).sum().clamp(min=1))),
            synthetic=max(0.0, float((pairs.worth * synthetic).sum() / trusted.sum().clamp(min=1))),
        )


def pair_table(
    density: Density, scale_hu: float, trust: float, outline_match: float, outline_mismatch: float
) -> NDArray[np.float64]:
    """Evidence (bins + 1, bins + 1) of pairs of voxels; bin 0 is 'outside the body', further bins are HU ranges.

    Args:
        density: HU distribution inside the bodies.
        scale_hu: expected difference of an aligned pair.
        trust: share of pairs that follow the model; the rest says nothing either way.
        outline_match: what it is worth that both voxels lie in the body.
        outline_mismatch: what it is worth that only one does.
    """
    middles = density.quantiles(2 * BINS)[::2]
    log_density = torch.from_numpy(density.log_at(middles))
    difference = torch.from_numpy(middles[:, None] - middles)
    scale = torch.tensor(scale_hu**2, dtype=torch.float64)
    match = log_match(difference, scale, 0.5 * (log_density[:, None] + log_density), trust)
    table = np.full((BINS + 1, BINS + 1), outline_mismatch)
    table[0, 0] = 0.0
    table[1:, 1:] = match.numpy() + outline_match
    return table


def factors(table: NDArray[np.float64], rank: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Features (rank, bins + 1) and signs (rank,) that make up most of a symmetric table (bins + 1, bins + 1)."""
    weight = np.ones(len(table))
    weight[0] = OUTSIDE_WEIGHT
    values, vectors = np.linalg.eigh(table * np.sqrt(np.outer(weight, weight)))
    kept = np.argsort(-np.abs(values))[:rank]
    features = vectors[:, kept].T * np.sqrt(np.abs(values[kept]))[:, None] / np.sqrt(weight)
    return features, np.sign(values[kept])
