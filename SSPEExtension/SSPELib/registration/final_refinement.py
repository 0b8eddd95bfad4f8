"""The last refinement, on real voxels, with the degrees of freedom that they support."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import RegistrationError
from ..options import TransformType
from ..progress import Progress, part
from .backends import Backend, RefinementImages
from .evidence import Density, EvidenceModel
from .images import ImagePyramid
from .native import native_images, overlap_center
from .overlap import overlap_along_axis_mm
from .overlay import Overlay
from .poses import Matrix, about, apply, from_transform, mean_distance, nearest_rotation, to_transform
from .refine import Climb, climb
from .search import Peak

# From this real overlap on real voxels alone decide.
REAL_VOXELS_FROM_MM = 30.0
# An overlap of 40 mm is found as 37 to 41 mm, as it ends between slices.
AFFINE_FROM_MM = 36.0
AFFINE_CLIMB = Climb(steps=60, first_mm=0.6, last_mm=0.05, points=60000)
# A back end may polish, not relocate.
FARTHEST_RIGID_MM = 6.0
FARTHEST_AFFINE_MM = 21.0
LARGEST_STRETCH = 0.12
KEPT_EVIDENCE = 0.97


@dataclass(frozen=True, eq=False)
class Refined:
    """The result of the last refinement.

    Attributes:
        pose: (4, 4), fixed to moving.
        kind: of the transform.
        backend: what refined it last.
        notes: remarks for the user.
    """

    pose: Matrix
    kind: TransformType
    backend: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class FinalRefinement:
    """Refines the best pose of two CTs.

    Attributes:
        fixed, moving: the CTs.
        overlay: of the finest level, whose evidence no refinement may lose.
        body_points: (n, 3) real body points of the moving CT, LPS mm.
        backend: refines on real voxels.
        device: where to compute.
    """

    fixed: ImagePyramid
    moving: ImagePyramid
    overlay: Overlay
    body_points: NDArray[np.float64]
    backend: Backend
    device: torch.device

    def refine(self, best: Peak, wanted: TransformType, progress: Progress) -> Refined:
        """Refine on real voxels where there are enough of them; degrees of freedom as they support."""
        pose, kind, overlap = best.pose, best.kind, self._overlap_mm(best.pose)
        if kind == "affine" and overlap < AFFINE_FROM_MM:
            pose, kind = self._without_stretch(pose), "rigid"
        unsupported = (_unsupported(overlap),) if wanted == "affine" and overlap < AFFINE_FROM_MM else ()
        if overlap < REAL_VOXELS_FROM_MM:
            return Refined(pose, kind, "evidence", unsupported)
        if kind == "affine":
            pose = self._climbed_by_real_voxels(pose, part(progress, 0.0, 0.3))
        images = native_images(self.fixed, self.moving, pose)
        polished = self._polished(pose, kind, images, part(progress, 0.3, 0.6))
        rest = Refined(pose, kind, "evidence") if polished is None else Refined(polished, kind, self.backend.name)
        if wanted == kind or unsupported:
            return replace(rest, notes=unsupported)
        stretched = self._polished(rest.pose, "affine", images, part(progress, 0.6, 1.0))
        if stretched is None:
            return replace(rest, notes=("Rigid only: an affine transform explained the real overlap no better.",))
        return Refined(stretched, "affine", self.backend.name)

    def _overlap_mm(self, pose: Matrix) -> float:
        return overlap_along_axis_mm(self.fixed.volume, self.moving.volume, pose)

    def _without_stretch(self, pose: Matrix) -> Matrix:
        """The rigid pose that leaves the overlap where an affine one has it."""
        center = overlap_center(self.fixed, self.moving, pose)
        return about(nearest_rotation(pose[:3, :3]), center, apply(pose, center[None])[0] - center)

    def _climbed_by_real_voxels(self, pose: Matrix, progress: Progress) -> Matrix:
        """An affine pose climbed by real voxels alone: synthetic ones are too short or too long by some per cent."""
        images = self.overlay.fixed.real_only(), self.overlay.moving.real_only()
        model = EvidenceModel(self.overlay.fitting_scale_hu(pose), self.overlay.model.threshold)
        real = Overlay(*images, Density.of(images), model, self.device)
        return climb(real, [pose], ["affine"], AFFINE_CLIMB, progress)[0]

    def _polished(
        self, pose: Matrix, kind: TransformType, images: RefinementImages, progress: Progress
    ) -> Matrix | None:
        """The back end's result, unless it left the neighborhood, bent too far or lost evidence.

        Mutual information of a masked overlap can be raised by stretching until little overlaps.
        """
        try:
            initial = to_transform(pose, kind, overlap_center(self.fixed, self.moving, pose))
            found = from_transform(self.backend.refine(images, initial, kind, progress))
        except RegistrationError:
            return None
        moved = mean_distance(np.linalg.inv(found), np.linalg.inv(pose), self.body_points)
        stretch = np.abs(np.linalg.svd(found[:3, :3], compute_uv=False) - 1).max()
        farthest = FARTHEST_AFFINE_MM if kind == "affine" else FARTHEST_RIGID_MM
        if moved > farthest or stretch > LARGEST_STRETCH:
            return None
        before, after = self.overlay.evidence(np.stack([pose, found]))
        return found if after.real >= KEPT_EVIDENCE * before.real else None


def _unsupported(overlap: float) -> str:
    return (
        f"Rigid only: {max(overlap, 0.0):.0f} mm of real overlap do not support an affine transform "
        f"({AFFINE_FROM_MM:.0f} mm are needed)."
    )
