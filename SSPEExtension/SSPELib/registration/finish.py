"""The end of a registration: the last refinement on real voxels, with the degrees of freedom that they support."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..errors import RegistrationError
from ..options import TransformType
from ..progress import Progress, part
from .backends import Backend, RefinementImages
from .evidence import Density
from .pair import Pair
from .poses import Matrix, about, apply, from_transform, mean_distance, nearest_rotation, to_transform
from .real_overlap import native_images
from .refine import Climber
from .search import Peak
from .stages import STAGES

REAL_FINISH_MM = 30.0
# An overlap of 40 mm is found as 37 to 41 mm, as it ends between slices.
AFFINE_FROM_MM = 36.0
SETTLING_POINTS = 60000
SETTLING_STEPS = 60
# A back end may polish, not relocate.
FARTHEST_POLISH_MM = 6.0
FARTHEST_STRETCHING_MM = 21.0
LARGEST_STRETCH = 0.12
KEPT_EVIDENCE = 0.97


@dataclass(frozen=True, eq=False)
class Finished:
    """The pose (4, 4), fixed to moving, of a kind, by whom it was refined last, and remarks for the user."""

    pose: Matrix
    kind: TransformType
    by: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Ending:
    """Finishes the best position of a pair.

    Attributes:
        pair: the parts.
        climber: that of the last stage, whose evidence no refinement may lose.
        body_points: (n, 3) real body points of the moving part, LPS mm.
        backend: refines on real voxels.
    """

    pair: Pair
    climber: Climber
    body_points: NDArray[np.float64]
    backend: Backend

    def finish(self, best: Peak, wanted: TransformType, progress: Progress) -> Finished:
        """Refine on real voxels where there are enough of them; degrees of freedom as they support."""
        pose, kind, overlap = best.pose, best.kind, self.pair.overlap_mm(best.pose)
        if kind == "affine" and overlap < AFFINE_FROM_MM:
            pose, kind = self._unstretched(pose), "rigid"
        unsupported = (_unsupported(overlap),) if wanted == "affine" and overlap < AFFINE_FROM_MM else ()
        if overlap < REAL_FINISH_MM:
            return Finished(pose, kind, "evidence", unsupported)
        if kind == "affine":
            pose = self._settled(pose, part(progress, 0.0, 0.3))
        images = native_images(self.pair.fixed, self.pair.moving, pose)
        polished = self._polished(pose, kind, images, part(progress, 0.3, 0.6))
        rest = Finished(pose, kind, "evidence") if polished is None else Finished(polished, kind, self.backend.name)
        if wanted == kind or unsupported:
            return replace(rest, notes=unsupported)
        stretched = self._polished(rest.pose, "affine", images, part(progress, 0.6, 1.0))
        if stretched is None:
            return replace(rest, notes=("Rigid only: an affine transform explained the real overlap no better.",))
        return Finished(stretched, "affine", self.backend.name)

    def _unstretched(self, pose: Matrix) -> Matrix:
        """The rigid pose that leaves the overlap where an affine one has it."""
        center = self.pair.overlap_center(pose)
        return about(nearest_rotation(pose[:3, :3]), center, apply(pose, center[None])[0] - center)

    def _settled(self, pose: Matrix, progress: Progress) -> Matrix:
        """An affine pose climbed by real voxels alone: synthetic ones are too short or too long by some per cent."""
        stage = STAGES[-1]
        parts = self.pair.fixed.at(stage.spacing_mm).real_only(), self.pair.moving.at(stage.spacing_mm).real_only()
        scale = self.climber.fitting_scale_hu(pose)
        real = Climber(*parts, Density.of(parts), scale, self.climber.threshold, stage.temper, SETTLING_POINTS)
        return real.climb(pose, SETTLING_STEPS, stage.first_mm, stage.last_mm, "affine", progress)

    def _polished(
        self, pose: Matrix, kind: TransformType, images: RefinementImages, progress: Progress
    ) -> Matrix | None:
        """The back end's result, unless it left the neighborhood, bent too far or lost evidence.

        Mutual information of a masked overlap can be raised by stretching until little overlaps.
        """
        try:
            initial = to_transform(pose, kind, self.pair.overlap_center(pose))
            found = from_transform(self.backend.refine(images, initial, kind, progress))
        except RegistrationError:
            return None
        moved = mean_distance(np.linalg.inv(found), np.linalg.inv(pose), self.body_points)
        stretch = np.abs(np.linalg.svd(found[:3, :3], compute_uv=False) - 1).max()
        farthest = FARTHEST_STRETCHING_MM if kind == "affine" else FARTHEST_POLISH_MM
        if moved > farthest or stretch > LARGEST_STRETCH:
            return None
        before, after = self.climber.account(pose), self.climber.account(found)
        return found if after.real >= KEPT_EVIDENCE * before.real else None


def _unsupported(overlap_mm: float) -> str:
    return (
        f"Rigid only: {max(overlap_mm, 0.0):.0f} mm of real overlap do not support an affine transform "
        f"({AFFINE_FROM_MM:.0f} mm are needed)."
    )
