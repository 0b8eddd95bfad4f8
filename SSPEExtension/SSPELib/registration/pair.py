"""The two parts of a registration, and what they share under a pose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..volume import Volume, real_part, synthetic_mm
from .overlap import overlap_along_axis_mm
from .parts import PartSource
from .poses import Matrix, apply
from .stages import SEARCH_MM


@dataclass(frozen=True, eq=False)
class Pair:
    """Two partial volumes.

    Attributes:
        fixed, moving: with their synthetic slices, where there are any.
        fixed_real, moving_real: the volumes as they were scanned.
        synthetic: whether an expansion takes part.
    """

    fixed: PartSource
    moving: PartSource
    fixed_real: Volume
    moving_real: Volume
    synthetic: bool

    @classmethod
    def of(cls, fixed: Volume, moving: Volume) -> Pair:
        """Take volumes, expanded or not.

        Raises:
            RegistrationError: one shows no body.
        """
        synthetic = any(any(synthetic_mm(volume).values()) for volume in (fixed, moving))
        return cls(PartSource(fixed), PartSource(moving), real_part(fixed), real_part(moving), synthetic)

    def overlap_mm(self, pose: Matrix) -> float:
        """Real overlap along the body axis under a pose (4, 4), fixed to moving; negative for a gap."""
        return overlap_along_axis_mm(self.fixed_real, self.moving_real, pose)

    def overlap_center(self, pose: Matrix) -> NDArray[np.float64]:
        """Center (3,) of the real overlap in the fixed frame, LPS mm; of the fixed body where there is none."""
        fixed = self.fixed.at(SEARCH_MM)
        points = fixed.points((fixed.body > 0.5) & (fixed.depth == 0))
        inverse = np.linalg.inv(self.moving_real.index_to_lps)
        index = apply(inverse, apply(pose, points))
        inside = ((index >= -0.5) & (index <= np.array(self.moving_real.size) - 0.5)).all(axis=1)
        return np.asarray((points[inside] if inside.any() else points).mean(axis=0))
