"""Questions about the position found: how sharp the evidence is there, what lies on what, and what else was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..poses import Matrix, apply, mean_distance
from .confidence import Findings
from .images import GridImage
from .overlay import Overlay, PoseEvidence
from .refine import LEVER_MM, curvature
from .search import Peak

CURVATURE_STEPS_MM = (1.5, 3.0)
# Fewer leave so much chance in the curvature that weak directions come out as unknown.
CURVATURE_VOXELS = 30_000
# How far off a pose is expected before anything is known, mm: what the curvature is added to.
PRIOR_SHIFT_MM, PRIOR_TURN_MM = 20.0, 15.0
END_MM = 30.0


@dataclass(frozen=True, eq=False)
class Inquiry:
    """Questions about a pose (4, 4), fixed to moving.

    Attributes:
        overlay: of the finest level.
        pose: found.
        evidence: of the pose.
        body_points: (n, 3) real body points of the moving CT, LPS mm.
        fixed, moving: the whole CTs on the grid of the search.
    """

    overlay: Overlay
    pose: Matrix
    evidence: PoseEvidence
    body_points: NDArray[np.float64]
    fixed: GridImage
    moving: GridImage

    def findings(
        self,
        ranked: Sequence[Peak],
        log_prior: float,
        overlap_mm: float,
        shorter_mm: float,
        order_agrees: bool | None,
        synthetic: bool,
    ) -> Findings:
        """All that is known of the pose.

        Args:
            ranked: the poses that were weighed, best first.
            log_prior: of the pose, nats.
            overlap_mm: real overlap along the body axis, negative for a gap.
            shorter_mm: length of the shorter CT.
            order_agrees: whether upper and lower are as the headers say, None where those do not count.
            synthetic: whether an expansion takes part.
        """
        total = self.evidence.total + log_prior
        elsewhere = max((peak.score for peak in ranked[1:]), default=0.0)
        contact, covered = self.contact()
        body, junction, far_end = self.predicted_mm()
        pairs = max(self.evidence.real_voxels + self.evidence.mixed_voxels, 1.0)
        return Findings(
            evidence=total,
            real_evidence=self.evidence.real,
            margin=total - max(elsewhere, 0.0),
            mean_evidence=self.evidence.total / self.overlay.nats_per_voxel / pairs,
            real_share=self.evidence.real_voxels / pairs,
            overlap_mm=overlap_mm,
            contact_mm=contact,
            covered_share=covered,
            shared_share=overlap_mm / shorter_mm,
            body_mm=body,
            junction_mm=junction,
            far_end_mm=far_end,
            spread_mm=self.spread_mm(ranked),
            order_agrees=order_agrees,
            synthetic=synthetic,
        )

    def predicted_mm(self) -> tuple[float, float, float]:
        """The error that the curvature predicts: of the moving body, of its junction and of its far end.

        Around its maximum the log-likelihood of a pose is about a parabola, whose inverse curvature is the covariance
        of the six parameters (Laplace's approximation).
        """
        covariance, center = self._covariance()
        places = apply(np.linalg.inv(self.pose), self.body_points) - center
        junction, far_end = ends_of(self.body_points, self.pose, self.fixed)
        return _rms(covariance, places), _rms(covariance, places[junction]), _rms(covariance, places[far_end])

    def contact(self) -> tuple[float, float]:
        """Real overlap by volume in mm, and the share of the cross-section on which real lies on real."""
        own = self.moving.real & self.moving.valid & (self.moving.body > 0.5)
        layers = max(1, int(own.any(axis=(1, 2)).sum()))
        area = max(own.sum() / layers, 1.0) * self.moving.spacing**2
        shared_mm3 = self.evidence.real_voxels * self.overlay.fixed.spacing**3
        points = self.fixed.real_body_points()
        index = np.rint((apply(self.pose, points) - self.moving.origin) / self.moving.spacing).astype(int)
        inside = ((index >= 0) & (index < np.array(own.shape[::-1]))).all(axis=1)
        x, y, z = index[inside].T
        met = np.zeros(own.shape[1:], dtype=bool)
        on_real = own[z, y, x]
        met[y[on_real], x[on_real]] = True
        junction, _ = ends_of(self.body_points, self.pose, self.fixed)
        at = np.rint((self.body_points[junction] - self.moving.origin) / self.moving.spacing).astype(int)
        near = np.unique(np.clip(at[:, 2], 0, own.shape[0] - 1))
        section = own[near].any(axis=0)
        return float(shared_mm3 / area), float((met & section).sum() / max(section.sum(), 1))

    def spread_mm(self, peaks: Sequence[Peak]) -> float:
        """Mean distance of candidates from the pose, each counting by its evidence."""
        # Beyond the limits of the search the evidence is minus infinity.
        scores = np.maximum([peak.score for peak in peaks], -1e9)
        weights = np.exp(scores - scores.max())
        return float(weights @ [self._distance(peak.pose, self.pose) for peak in peaks] / weights.sum())

    def _distance(self, one: Matrix, other: Matrix) -> float:
        return mean_distance(np.linalg.inv(one), np.linalg.inv(other), self.body_points)

    def _covariance(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Covariance (6, 6) of shift and turn, mm^2, and the point (3,) of the fixed frame about which is turned."""
        known, center = curvature(self.overlay, self.pose, CURVATURE_STEPS_MM, CURVATURE_VOXELS)
        prior = np.diag([PRIOR_SHIFT_MM**-2] * 3 + [PRIOR_TURN_MM**-2] * 3)
        return np.linalg.inv(known + prior), center


def ends_of(
    body_points: NDArray[np.float64], pose: Matrix, fixed: GridImage
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which points (n,) of the moving body lie within END_MM of its end toward the fixed body, and of its other end."""
    height = body_points[:, 2]
    middle = apply(pose, fixed.real_body_points()[::29]).mean(axis=0)[2]
    upper, lower = height >= height.max() - END_MM, height <= height.min() + END_MM
    return (upper, lower) if middle > height.mean() else (lower, upper)


def correlation(fixed: GridImage, moving: GridImage, pose: Matrix, real_only: bool) -> float:
    """Pearson correlation of HU inside both bodies under a pose, -1 to 1; 0 where they do not meet."""
    kept = fixed.valid & (fixed.body > 0.5)
    wanted = (moving.body > 0.5) & moving.valid
    if real_only:
        kept &= fixed.depth == 0
        wanted &= moving.depth == 0
    grid = (apply(pose, fixed.points(kept)) - moving.origin) / moving.spacing
    index = np.rint(grid).astype(int)
    inside = ((index >= 0) & (index < np.array(moving.hu.shape[::-1]))).all(axis=1)
    x, y, z = index[inside].T
    both = wanted[z, y, x]
    one = fixed.hu[kept][inside][both].astype(np.float64)
    other = moving.hu[z, y, x][both].astype(np.float64)
    if one.size < 2 or one.std() < 1e-6 or other.std() < 1e-6:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def _rms(covariance: NDArray[np.float64], places: NDArray[np.float64]) -> float:
    """Root mean square displacement of places (n, 3) about the center under random shifts and turns, mm."""
    x, y, z = places.T / LEVER_MM
    zero = np.zeros_like(x)
    turns = np.array([[zero, z, -y], [-z, zero, x], [y, -x, zero]])
    jacobian = np.concatenate([np.broadcast_to(np.eye(3)[:, :, None], (3, 3, len(x))), turns], axis=1)
    return float(np.sqrt(np.einsum("rkn,kl,rln->n", jacobian, covariance, jacobian).mean()))
