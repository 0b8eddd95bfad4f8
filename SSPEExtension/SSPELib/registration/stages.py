"""The levels of refinement, coarse to fine, and what a voxel of each counts."""

from __future__ import annotations

from dataclasses import dataclass

# Voxel size of the search over all positions, and of what needs no finer one.
SEARCH_MM = 8.0
# Voxels are not independent witnesses: their errors go together over about this volume.
INDEPENDENT_MM3 = 2500.0
"""Effective volume of one independent observation, mm^3."""


def temper(spacing_mm: float) -> float:
    """Effective independent observations a voxel of a grid, by which its evidence is multiplied."""
    return spacing_mm**3 / INDEPENDENT_MM3


@dataclass(frozen=True)
class Stage:
    """One level of refinement: voxel size, scale and threshold of real pairs, steps of which length, survivors.

    Slices some 10 to 40 mm apart resemble each other better than chance, so that a wrong overlap of real slices has
    0.1 to 0.4 nats a pair at the finest level; a right one has 0.6 to 1.5. The threshold between them keeps parts that
    only touch from being pushed together. Farther from the answer, at coarser levels, right overlaps have less.
    """

    spacing_mm: float
    real_scale_hu: float
    real_threshold: float
    steps: int
    first_mm: float
    last_mm: float
    points: int
    survivors: int

    @property
    def temper(self) -> float:
        """Effective independent observations a voxel of this level."""
        return temper(self.spacing_mm)

    def nats(self, evidence: float) -> float:
        """Evidence summed over voxels of this level, tempered for voxels that depend on each other."""
        return evidence * self.temper


STAGES = (
    Stage(6.0, 80.0, 0.15, 25, 3.0, 0.5, 15000, 4),
    Stage(4.0, 60.0, 0.3, 30, 1.5, 0.2, 20000, 2),
    Stage(3.0, 45.0, 0.4, 30, 0.6, 0.05, 40000, 1),
)
