"""The two parts of a registration, and what they share under a pose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..volume import Volume
from .overlap import overlap_along_axis_mm
from .parts import PartSource
from .poses import Matrix, apply
from .stages import SEARCH_MM

if TYPE_CHECKING:
    from ..expansion.expander import Expansion


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
    def of(cls, fixed: Volume | Expansion, moving: Volume | Expansion) -> Pair:
        """Take volumes as they are, expansions with what they know of their synthetic slices.

        Raises:
            RegistrationError: one shows no body.
        """
        real = [source if isinstance(source, Volume) else source.original for source in (fixed, moving)]
        synthetic = not (isinstance(fixed, Volume) and isinstance(moving, Volume))
        return cls(PartSource.of(fixed), PartSource.of(moving), real[0], real[1], synthetic)

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
