"""What people do by hand: three landmarks in each scan, each some mm off, and the rigid transform between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from SSPELib.poses import apply, matrix_of

from .cases import Case
from .systems import Known

# Of the body's half width and depth: landmarks are bones near the skin, one on each side and one in the back.
FROM_MIDDLE = 0.7
SLAB_MM = 10.0


@dataclass(frozen=True)
class Landmarks:
    """Three landmarks in the slab that both parts share, wherever they would lie: it must be told the truth.

    Where nothing overlaps nobody sees one place in both scans; the landmarks then lie at the junction as if somebody
    did, which is more than can be had.

    Attributes:
        name: shown in tables.
        error_mm: root mean square distance of each landmark in the moving part from where it belongs.
    """

    name: str = "three landmarks"
    error_mm: float = 3.0

    def knowing(self, case: Case, seed: int) -> Known:
        """The system that answers one case."""
        random = np.random.default_rng(seed)
        fixed = self._places(case, random)
        off = random.normal(0.0, self.error_mm / np.sqrt(3), (3, 3))
        moving = apply(matrix_of(case.truth), fixed) + off
        transform = sitk.LandmarkBasedTransformInitializer(
            sitk.VersorRigid3DTransform(), fixed.ravel().tolist(), moving.ravel().tolist()
        )
        return Known(self.name, transform)

    def _places(self, case: Case, random: np.random.Generator) -> NDArray[np.float64]:
        """Left, right and back (3, 3) in the fixed frame, LPS mm, at random heights in the slab."""
        points = case.junction
        middle = (points.min(axis=0) + points.max(axis=0)) / 2
        half = (points.max(axis=0) - points.min(axis=0)) / 2
        aside = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]]) * FROM_MIDDLE * half[:2]
        slab = max(case.overlap_mm, SLAB_MM)
        height = points[:, 2].max() - random.uniform(0.0, slab, (3, 1))
        return np.hstack([middle[:2] + aside, height])
