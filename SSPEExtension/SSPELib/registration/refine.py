"""Refining poses: climbing their total evidence, and last on real voxels, with the freedom that those support."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from ..errors import RegistrationError
from ..options import TransformType
from ..poses import Matrix, about, apply, matrix_of, mean_distance, nearest_rotation, to_transform
from ..progress import Progress, part
from ..stages import stage
from ..volume.overlap import overlap_along_axis_mm
from .backends import Backend, RefinementImages
from .evidence import Density, EvidenceModel
from .images import ImagePyramid
from .overlay import Overlay
from .search import Peak

# A parameter of 1 mm turns or stretches so that points at this distance from the center move by 1 mm.
LEVER_MM = 100.0
# Over which steps the curvature is taken that scales steps, and the longest such scale.
SCALE_STEP_MM = 2.0
LARGEST_SCALE_MM = 3.0
REACH_MM = 12.0
# Scales and shears of one body between two scans are of some per cent.
STRETCH_SIGMA = 0.03
# What six further parameters must gain, nats: without true stretch they gain a few by following the noise.
STRETCH_COST = 10.0
# Adam's memory of the mean and the square of gradients.
DECAYS = (0.8, 0.95)
# From this real overlap on real voxels alone decide.
REAL_VOXELS_FROM_MM = 30.0
# An overlap of 40 mm is found as 37 to 41 mm, as it ends between slices.
AFFINE_FROM_MM = 36.0
# A back end may polish, not relocate.
FARTHEST_RIGID_MM = 6.0
FARTHEST_AFFINE_MM = 21.0
LARGEST_STRETCH = 0.12
KEPT_EVIDENCE = 0.97
CENTER_GRID_MM = 8.0


@dataclass(frozen=True)
class Climb:
    """How far and how finely to climb.

    Attributes:
        steps: number of steps.
        first, last: their length, mm, which falls geometrically.
        points: fixed voxels looked at.
        scaled: whether steps of rigid poses go by the curvature of the evidence: lengths then are standard deviations
            of the position, so that directions in which it is hardly known are climbed as fast as those in which it is.
    """

    steps: int
    first: float
    last: float
    points: int
    scaled: bool = False

    def length(self, step: int) -> float:
        """The length of a step."""
        return float(self.first * (self.last / self.first) ** (step / max(self.steps - 1, 1)))


AFFINE_CLIMB = Climb(steps=60, first=0.6, last=0.05, points=60000)


def climb(
    overlay: Overlay, poses: Sequence[Matrix], kinds: Sequence[TransformType], how: Climb, progress: Progress
) -> list[Matrix]:
    """Improve poses (4, 4) all at once, each by the steps of Adam.

    Args:
        overlay: gives evidence and gradients.
        poses: fixed to moving.
        kinds: "rigid" (6 parameters) or "affine" (12; a prior on stretch holds the further six near zero).
        how: number and length of steps.
        progress: told of every step; may raise `Cancelled`.
    """
    current: NDArray[np.float64] = np.array(poses)
    sample = overlay.sample(current, how.points, REACH_MM)
    free: NDArray[np.float64] = np.ones((len(current), 12))
    free[:, 6:] = np.array([kind == "affine" for kind in kinds], dtype=np.float64)[:, None]
    scale = _scales(overlay, current, kinds, how.points) if how.scaled else np.tile(np.eye(12), (len(current), 1, 1))
    mean: NDArray[np.float64] = np.zeros_like(free)
    square: NDArray[np.float64] = np.zeros_like(free)
    best, best_value = current.copy(), np.full(len(current), -np.inf)
    for step in range(how.steps):
        values, gradient = overlay.slopes(current, sample)
        values += stretch_log_prior(current[:, :3, :3])
        gradient[:, :, :3] += stretch_log_prior_gradient(current[:, :3, :3])
        better = values > best_value
        best[better], best_value[better] = current[better], values[better]
        slope = np.einsum("brc,bkrc->bk", gradient, motions(current, sample.centers)) * free
        slope = np.einsum("bk,bkl->bl", slope, scale)
        mean += (1 - DECAYS[0]) * (slope - mean)
        square += (1 - DECAYS[1]) * (slope**2 - square)
        unbiased, spread = mean / (1 - DECAYS[0] ** (step + 1)), square / (1 - DECAYS[1] ** (step + 1))
        change = how.length(step) * unbiased / (np.sqrt(spread) + 1e-8)
        current = current @ increments(np.einsum("bkl,bl->bk", scale, change), sample.centers)
        progress(step / how.steps, "Refining the best positions")
    return list(best)


def _scales(overlay: Overlay, poses: Matrix, kinds: Sequence[TransformType], points: int) -> NDArray[np.float64]:
    """Matrices (b, 12, 12) that make steps of one standard deviation of the parameters of rigid poses; mm of others."""
    scales = np.tile(np.eye(12), (len(poses), 1, 1))
    for number, (pose, kind) in enumerate(zip(poses, kinds, strict=True)):
        if kind == "rigid":
            known, _ = curvature(overlay, pose, (SCALE_STEP_MM,), points // 2)
            scales[number, :6, :6] = np.linalg.cholesky(np.linalg.inv(known + np.eye(6) / LARGEST_SCALE_MM**2))
    return scales


def curvature(
    overlay: Overlay, pose: Matrix, steps_mm: Sequence[float], points: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How the evidence falls about a pose (4, 4): minus its second derivatives (6, 6) by shift and turn, 1 / mm^2.

    It is how the slope falls over steps to both sides, as the evidence is uneven within a voxel; no direction rises.

    Returns:
        The matrix, and the point (3,) of the fixed frame about which is turned, LPS mm.
    """
    lengths = np.array([sign * step for step in steps_mm for sign in (1.0, -1.0)])
    steps = np.zeros((6 * lengths.size, 12))
    steps[:, :6] = np.kron(lengths[:, None], np.eye(6))
    sample = overlay.sample(np.repeat(pose[None], len(steps), axis=0), points, 0.0)
    poses = pose @ increments(steps, sample.centers)
    _, gradient = overlay.slopes(poses, sample)
    slope = np.einsum("brc,bkrc->bk", gradient, motions(poses, sample.centers))[:, :6]
    falls = -np.einsum("n,nkl->kl", lengths, slope.reshape(-1, 6, 6)) / (lengths**2).sum()
    values, vectors = np.linalg.eigh((falls + falls.T) / 2)
    return vectors @ np.diag(np.maximum(values, 0.0)) @ vectors.T, sample.centers[0]


def increments(values: Matrix, centers: Matrix) -> NDArray[np.float64]:
    """Small motions (b, 4, 4) about centers (b, 3): shift, rotation and stretch by parameters (b, 12) in mm."""
    linear = Rotation.from_rotvec(values[:, 3:6] / LEVER_MM).as_matrix()
    if values[:, 6:].any():
        linear = linear @ (np.eye(3) + np.einsum("bk,krc->brc", values[:, 6:] / LEVER_MM, STRETCHES))
    motion = np.tile(np.eye(4), (len(values), 1, 1))
    motion[:, :3, :3] = linear
    motion[:, :3, 3] = centers + values[:, :3] - np.einsum("brc,bc->br", linear, centers)
    return motion


def motions(poses: Matrix, centers: Matrix) -> NDArray[np.float64]:
    """What 1 mm of each parameter of `increments` changes in the upper rows of poses: (b, 12, 3, 4)."""
    linear = np.concatenate([np.zeros((3, 3, 3)), TURNS, STRETCHES]) / LEVER_MM
    shift = -np.einsum("krc,bc->bkr", linear, centers)
    shift[:, :3] += np.eye(3)
    local = np.concatenate([np.broadcast_to(linear, (len(poses), 12, 3, 3)), shift[..., None]], axis=3)
    return np.einsum("brs,bksc->bkrc", poses[:, :3, :3], local)


def stretch_log_prior(linear: Matrix) -> NDArray[np.float64]:
    """Log preference (b,) of linear maps (b, 3, 3) for keeping lengths and angles; 0 for a rotation."""
    result: NDArray[np.float64] = -0.5 * (_strain(linear) ** 2).sum(axis=(1, 2)) / STRETCH_SIGMA**2
    return result


def stretch_log_prior_gradient(linear: Matrix) -> NDArray[np.float64]:
    """Gradient (b, 3, 3) of `stretch_log_prior` for the entries of the maps."""
    return -linear @ _strain(linear) / STRETCH_SIGMA**2


def _strain(linear: Matrix) -> NDArray[np.float64]:
    return (np.swapaxes(linear, 1, 2) @ linear - np.eye(3)) / 2


def _turns() -> NDArray[np.float64]:
    """Generators (3, 3, 3) of the rotations about x, y and z."""
    return np.stack([np.cross(axis, np.eye(3)).T for axis in np.eye(3)])


def _stretches() -> NDArray[np.float64]:
    """Generators (6, 3, 3) of the scales along x, y and z and of the shears xy, xz and yz."""
    found = []
    for row, column in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)):
        one = np.zeros((3, 3))
        one[row, column] = one[column, row] = 1.0
        found.append(one)
    return np.stack(found)


TURNS = _turns()
STRETCHES = _stretches()


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

    @stage("final refinement")
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
        images = RefinementImages.of(self.fixed, self.moving, pose)
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
            found = matrix_of(self.backend.refine(images, initial, kind, progress))
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


def overlap_center(fixed: ImagePyramid, moving: ImagePyramid, pose: Matrix) -> NDArray[np.float64]:
    """Center (3,) of the real overlap in the fixed frame, LPS mm; of the fixed body where there is none."""
    points = fixed.at(CENTER_GRID_MM).real_body_points()
    there = moving.at(CENTER_GRID_MM)
    index = np.rint((apply(pose, points) - there.origin) / there.spacing).astype(int)
    inside = ((index >= 0) & (index < np.array(there.hu.shape[::-1]))).all(axis=1)
    x, y, z = index[inside].T
    shared = points[inside][(there.valid & there.real)[z, y, x]]
    return np.asarray((shared if len(shared) else points).mean(axis=0))
