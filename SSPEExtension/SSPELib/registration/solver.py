"""The stages of a registration: search everywhere, refine the best few coarse to fine, finish on real voxels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk
import torch
from numpy.typing import NDArray

from ..errors import RegistrationError
from ..progress import Progress, part
from ..volume import Volume
from .backends import Backend, RefinementImages
from .evidence import Density, generosity_layer, search_layers
from .finish import correlation, native_images
from .overlap import overlap_along_axis_mm, upper_of
from .parts import PartSource
from .poses import (
    Matrix,
    about,
    apply,
    from_transform,
    mean_distance,
    nearest_rotation,
    rotation_angle,
    to_transform,
)
from .refine import STRETCH_COST, Account, Climber, Threshold, stretch_log_prior
from .result import Candidate, TransformType
from .search import Peak, distinct, search
from .start import Start, window_for
from .verdict import Findings, Verdict, judge

if TYPE_CHECKING:
    from ..expansion import Expansion

SEARCH_MM = 8.0
# Between the rotations that the search tries, a long true overlap can lose so much that it looks worse than none, while
# a generous reading prefers wrong long overlaps to right short ones: both propose candidates.
SEARCH_PEAKS = (12, 8)
REAL_FINISH_MM = 30.0
# An overlap of 40 mm is found as 37 to 41 mm, as it ends between slices.
AFFINE_FROM_MM = 36.0
# From which overlap on a position still to be refined may turn out a stretched one.
STRETCH_FROM_MM = 20.0
STRETCHED_PEAKS = 4
# A back end may polish, not relocate.
FARTHEST_POLISH_MM = 6.0
# Its measure of what fits differs from that of the climb, whose optimum it leaves.
KEPT_EVIDENCE = 0.92
LARGEST_STRETCH = 0.12
# Slices of one body resemble each other, those of a chest far more than those of a head: what pairs are worth where a
# part meets itself, displaced along the body, no overlap may earn. Displacement of real pairs, and of synthetic ones.
NEIGHBOR_MM = 12.0
STRANGER_MM = 32.0
# Voxels are not independent witnesses: their errors go together over about this volume.
INDEPENDENT_MM3 = 2500.0
"""Effective volume of one independent observation, mm^3."""


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
        return self.spacing_mm**3 / INDEPENDENT_MM3

    def nats(self, evidence: float) -> float:
        """Evidence summed over voxels of this level, tempered for voxels that depend on each other."""
        return evidence * self.temper


STAGES = (
    Stage(6.0, 80.0, 0.15, 25, 3.0, 0.5, 15000, 4),
    Stage(4.0, 60.0, 0.3, 30, 1.5, 0.2, 20000, 2),
    Stage(3.0, 45.0, 0.4, 30, 0.6, 0.05, 40000, 1),
)


@dataclass(frozen=True, eq=False)
class Found:
    """What the solver hands to the report."""

    transform: sitk.Transform
    transform_type: TransformType
    backend: str
    overlap_mm: float
    correlation: float
    correlation_name: str
    findings: Findings
    verdict: Verdict
    notes: tuple[str, ...]
    candidates: tuple[Candidate, ...]


class Solver:
    """Solves one pair."""

    def __init__(self, fixed: Volume | Expansion, moving: Volume | Expansion, start: Start, backend: Backend) -> None:
        self.start = start
        self.backend = backend
        self.fixed_real = fixed if isinstance(fixed, Volume) else fixed.original
        self.moving_real = moving if isinstance(moving, Volume) else moving.original
        self.fixed = PartSource.of(fixed)
        self.moving = PartSource.of(moving)
        self.synthetic = not (isinstance(fixed, Volume) and isinstance(moving, Volume))

    def solve(self, transform_type: TransformType, progress: Progress) -> Found:
        """Run all stages."""
        peaks = self._search(part(progress, 0.02, 0.4))
        ranked, climber = self._refine(peaks, transform_type, part(progress, 0.4, 0.8))
        pose, kind, by, notes = self._finish(ranked[0], transform_type, climber, part(progress, 0.8, 0.98))
        overlap = self._overlap_mm(pose)
        findings = self._findings(pose, kind, ranked, climber, overlap)
        real = overlap >= REAL_FINISH_MM
        value = correlation(self.fixed.at(4.0), self.moving.at(4.0), pose, real)
        name = "correlation of real voxels" if real else "correlation of real and synthetic voxels"
        return Found(
            transform=to_transform(pose, kind, self._center()),
            transform_type=kind,
            backend=by,
            overlap_mm=overlap,
            correlation=value,
            correlation_name=name if self.synthetic else "correlation of real voxels",
            findings=findings,
            verdict=judge(findings),
            notes=tuple(notes),
            candidates=tuple(self._candidate(peak) for peak in ranked),
        )

    def _search(self, progress: Progress) -> list[Peak]:
        progress(0.0, "Preparing the search")
        fixed, moving = self.fixed.at(SEARCH_MM), self.moving.at(SEARCH_MM)
        self.window = window_for(self.start, fixed, moving)
        density = Density.of([fixed, moving])
        readings = search_layers(fixed, moving, density), [generosity_layer(fixed, moving, density)]
        self.body_points = moving.points((moving.body > 0.5) & (moving.depth == 0))[::29]
        temper = SEARCH_MM**3 / INDEPENDENT_MM3
        peaks = search(fixed, moving, readings, self.window, temper, SEARCH_PEAKS, progress)
        if not peaks:
            raise RegistrationError("No position at which the two bodies could meet was found. Check the inputs.")
        return peaks

    def _refine(self, peaks: list[Peak], wanted: TransformType, progress: Progress) -> tuple[list[Peak], Climber]:
        """Peaks refined stage by stage, best first; the first of them went through all stages."""
        done: list[Peak] = []
        climber = None
        for number, stage in enumerate(STAGES):
            share = part(progress, number / len(STAGES), (number + 1) / len(STAGES))
            climber = self._climber(stage)
            tries = [(peak, peak.kind) for peak in peaks]
            if wanted == "affine":
                tries += [(peak, "affine") for peak in self._perhaps_stretched(peaks)]
            better = []
            for index, (peak, kind) in enumerate(tries):
                step = part(share, index / len(tries), (index + 1) / len(tries))
                pose = climber.climb(peak.pose, stage.steps, stage.first_mm, stage.last_mm, kind, step)
                if kind == "affine" and self._overlap_mm(pose) < REAL_FINISH_MM:
                    # It was stretched until too little overlap was left to support that.
                    pose, kind = peak.pose, peak.kind
                better.append(Peak(pose, self._score(climber.account(pose), pose, kind, stage), kind))
            better.sort(key=lambda peak: -peak.score)
            peaks = distinct(better, self.body_points, len(better))
            done = peaks[stage.survivors :] + done
            peaks = peaks[: stage.survivors]
        assert climber is not None
        others = distinct(peaks + sorted(done, key=lambda peak: -peak.score), self.body_points, 8)
        return [peaks[0], *[peak for peak in others if peak is not peaks[0]]], climber

    def _perhaps_stretched(self, peaks: list[Peak]) -> list[Peak]:
        """The best rigid peaks with an overlap that may turn out a stretched one.

        A stretched overlap looks worse than none to a rigid transform, so that stretch cannot wait for the end.
        """
        overlapping = [p for p in peaks if p.kind == "rigid" and self._overlap_mm(p.pose) >= STRETCH_FROM_MM]
        return sorted(overlapping, key=lambda peak: -peak.score)[:STRETCHED_PEAKS]

    def _climber(self, stage: Stage) -> Climber:
        """A climber whose thresholds are measured on the parts themselves."""
        parts = self.fixed.at(stage.spacing_mm), self.moving.at(stage.spacing_mm)
        density = Density.of(parts)
        alone = [Climber(one, one, density, stage.real_scale_hu, Threshold()) for one in parts]
        real = float(np.mean([climber.displaced(NEIGHBOR_MM).real for climber in alone]))
        synthetic = float(np.mean([climber.displaced(STRANGER_MM).synthetic for climber in alone]))
        threshold = Threshold(stage.real_threshold + real, synthetic)
        return Climber(*parts, density, stage.real_scale_hu, threshold, stage.temper, stage.points)

    def _score(self, account: Account, pose: Matrix, kind: TransformType, stage: Stage) -> float:
        score = stage.nats(account.total) + self._log_prior(pose)
        if kind == "affine":
            score += float(stretch_log_prior(torch.from_numpy(pose[:3, :3]))) - STRETCH_COST
        return score

    def _log_prior(self, pose: Matrix) -> float:
        shift, vector = self._from_start(pose)
        return float(self.window.log_prior(shift, vector))

    def _from_start(self, pose: Matrix) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Shift (3,) of the moving body's center in the fixed frame and rotation vector-like angle, from the start."""
        center = self._center()
        shift = apply(np.linalg.inv(pose), center[None])[0] - apply(np.linalg.inv(self.window.start), center[None])[0]
        angle = np.radians(rotation_angle(np.linalg.inv(self.window.start) @ pose))
        return shift, np.array([angle, 0.0, 0.0])

    def _center(self) -> NDArray[np.float64]:
        return np.asarray((self.body_points.min(axis=0) + self.body_points.max(axis=0)) / 2)

    def _finish(
        self, best: Peak, wanted: TransformType, climber: Climber, progress: Progress
    ) -> tuple[Matrix, TransformType, str, list[str]]:
        """Polish on real voxels where there are enough of them; degrees of freedom as they support."""
        pose, kind, overlap = best.pose, best.kind, self._overlap_mm(best.pose)
        if kind == "affine" and overlap < AFFINE_FROM_MM:
            pose, kind = self._unstretched(pose), "rigid"
        if overlap < REAL_FINISH_MM:
            return pose, kind, "evidence", [_unsupported(overlap)] if wanted == "affine" else []
        images = native_images(self.fixed, self.moving, pose)
        polished = self._polish(pose, kind, images, climber, part(progress, 0.0, 0.5))
        pose, by = (pose, "evidence") if polished is None else (polished, self.backend.name)
        if wanted == kind:
            return pose, kind, by, []
        if overlap < AFFINE_FROM_MM:
            return pose, kind, by, [_unsupported(overlap)]
        stretched = self._polish(pose, "affine", images, climber, part(progress, 0.5, 1.0))
        if stretched is None:
            return pose, kind, by, ["Rigid only: an affine transform explained the real overlap no better."]
        return stretched, "affine", self.backend.name, []

    def _unstretched(self, pose: Matrix) -> Matrix:
        """The rigid pose that leaves the overlap where an affine one has it."""
        center = self._overlap_center(pose)
        return about(nearest_rotation(pose[:3, :3]), center, apply(pose, center[None])[0] - center)

    def _polish(
        self, pose: Matrix, kind: TransformType, images: RefinementImages, climber: Climber, progress: Progress
    ) -> Matrix | None:
        """The back end's result, unless it left the neighborhood, bent too far or lost evidence."""
        try:
            initial = to_transform(pose, kind, self._overlap_center(pose))
            found = from_transform(self.backend.refine(images, initial, kind, progress))
        except RegistrationError:
            return None
        moved = mean_distance(np.linalg.inv(found), np.linalg.inv(pose), self.body_points)
        stretch = np.abs(np.linalg.svd(found[:3, :3], compute_uv=False) - 1).max()
        if moved > FARTHEST_POLISH_MM + (15.0 if kind == "affine" else 0.0) or stretch > LARGEST_STRETCH:
            return None
        before, after = climber.account(pose), climber.account(found)
        return found if after.real >= KEPT_EVIDENCE * before.real else None

    def _overlap_mm(self, pose: Matrix) -> float:
        return overlap_along_axis_mm(self.fixed_real, self.moving_real, pose)

    def _overlap_center(self, pose: Matrix) -> NDArray[np.float64]:
        """Center of the real overlap in the fixed frame, LPS mm."""
        fixed = self.fixed.at(SEARCH_MM)
        points = fixed.points((fixed.body > 0.5) & (fixed.depth == 0))
        inverse = np.linalg.inv(self.moving_real.index_to_lps)
        index = apply(inverse, apply(pose, points))
        inside = ((index >= -0.5) & (index <= np.array(self.moving_real.size) - 0.5)).all(axis=1)
        return np.asarray((points[inside] if inside.any() else points).mean(axis=0))

    def _findings(
        self, pose: Matrix, kind: TransformType, ranked: list[Peak], climber: Climber, overlap: float
    ) -> Findings:
        stage = STAGES[-1]
        account = climber.account(pose)
        evidence = self._score(account, pose, kind, stage)
        elsewhere = max((peak.score for peak in ranked[1:]), default=0.0)
        pairs = account.real_voxels + account.mixed_voxels
        shorter = min(self._length(self.fixed_real), self._length(self.moving_real))
        agrees = None
        if self.start != "unknown":
            begun = upper_of(self.fixed_real, self.moving_real, self.window.start)
            agrees = begun == upper_of(self.fixed_real, self.moving_real, pose)
        return Findings(
            evidence=evidence,
            real_evidence=stage.nats(account.real),
            margin=evidence - max(elsewhere, 0.0),
            mean_evidence=account.total / max(pairs, 1),
            real_share=account.real_voxels / max(pairs, 1),
            overlap_mm=overlap,
            shared_share=overlap / shorter,
            order_agrees=agrees,
            synthetic=self.synthetic,
        )

    @staticmethod
    def _length(volume: Volume) -> float:
        from ..volume import body_length_mm

        return body_length_mm(volume)

    def _candidate(self, peak: Peak) -> Candidate:
        shift, vector = self._from_start(peak.pose)
        return Candidate(
            transform=to_transform(peak.pose, peak.kind, self._center()),
            evidence=peak.score,
            overlap_mm=self._overlap_mm(peak.pose),
            shift_mm=float(np.linalg.norm(shift)),
            rotation_degrees=float(np.degrees(vector[0])),
        )


def _unsupported(overlap_mm: float) -> str:
    return (
        f"Rigid only: {max(overlap_mm, 0.0):.0f} mm of real overlap do not support an affine transform "
        f"({AFFINE_FROM_MM:.0f} mm are needed)."
    )
