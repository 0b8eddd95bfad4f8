"""The stages of a registration: search everywhere, refine the best few coarse to fine, finish on real voxels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import SimpleITK as sitk
import torch
from numpy.typing import NDArray

from ..errors import RegistrationError
from ..progress import Progress, part
from ..volume import Volume, body_length_mm
from .backends import Backend
from .evidence import Density, generosity_layer, search_layers
from .finish import REAL_FINISH_MM, Ending, Finished
from .overlap import upper_of
from .pair import Pair
from .poses import Matrix, apply, rotation_angle, to_transform
from .real_overlap import correlation
from .refine import STRETCH_COST, Account, Climber, Threshold, stretch_log_prior
from .result import Candidate, TransformType
from .search import Peak, distinct, search
from .side_by_side import side_by_side
from .stages import SEARCH_MM, STAGES, Stage, temper
from .start import Start, window_for
from .verdict import Findings, Verdict, judge

# Between the rotations that the search tries, a long true overlap can lose so much that it looks worse than none, while
# a generous reading prefers wrong long overlaps to right short ones: both propose candidates.
SEARCH_PEAKS = (12, 8)
# From which overlap on a position still to be refined may turn out a stretched one.
STRETCH_FROM_MM = 20.0
STRETCHED_PEAKS = 4
# Slices of one body resemble each other, those of a chest far more than those of a head: what pairs are worth where a
# part meets itself, displaced along the body, no overlap may earn. Displacement of real pairs, and of synthetic ones.
NEIGHBOR_MM = 12.0
STRANGER_MM = 32.0


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

    def __init__(self, fixed: Volume, moving: Volume, start: Start, backend: Backend) -> None:
        self.start = start
        self.backend = backend
        self.pair = Pair.of(fixed, moving)

    def solve(self, transform_type: TransformType, progress: Progress) -> Found:
        """Run all stages."""
        peaks = self._search(part(progress, 0.02, 0.4))
        ranked, climber = self._refine(peaks, transform_type, part(progress, 0.4, 0.8))
        ending = Ending(self.pair, climber, self.body_points, self.backend)
        done = ending.finish(ranked[0], transform_type, part(progress, 0.8, 0.98))
        progress(0.98, "Judging the position")
        overlap = self.pair.overlap_mm(done.pose)
        findings = self._findings(done, ranked, climber, overlap)
        real = overlap >= REAL_FINISH_MM
        value = correlation(self.pair.fixed.at(4.0), self.pair.moving.at(4.0), done.pose, real)
        name = "correlation of real voxels" if real else "correlation of real and synthetic voxels"
        return Found(
            transform=to_transform(done.pose, done.kind, self._center()),
            transform_type=done.kind,
            backend=done.by,
            overlap_mm=overlap,
            correlation=value,
            correlation_name=name if self.pair.synthetic else "correlation of real voxels",
            findings=findings,
            verdict=judge(findings),
            notes=done.notes,
            candidates=tuple(self._candidate(peak) for peak in ranked),
        )

    def _search(self, progress: Progress) -> list[Peak]:
        progress(0.0, "Preparing the search")
        fixed, moving = self.pair.fixed.at(SEARCH_MM), self.pair.moving.at(SEARCH_MM)
        self.window = window_for(self.start, fixed, moving)
        density = Density.of([fixed, moving])
        readings = search_layers(fixed, moving, density), [generosity_layer(fixed, moving, density)]
        self.body_points = moving.points((moving.body > 0.5) & (moving.depth == 0))[::29]
        peaks = search(fixed, moving, readings, self.window, temper(SEARCH_MM), SEARCH_PEAKS, progress)
        if not peaks:
            raise RegistrationError("No position at which the two bodies could meet was found. Check the inputs.")
        return peaks

    def _refine(self, peaks: list[Peak], wanted: TransformType, progress: Progress) -> tuple[list[Peak], Climber]:
        """Peaks refined stage by stage, best first; the first of them went through all stages."""
        done: list[Peak] = []
        climber = None
        for number, stage in enumerate(STAGES):
            share = part(progress, number / len(STAGES), (number + 1) / len(STAGES))
            climber = self._climber(stage, part(share, 0.0, 0.1))
            tries = [(peak, peak.kind) for peak in peaks]
            if wanted == "affine":
                tries += [(peak, "affine") for peak in self._perhaps_stretched(peaks)]
            climb = partial(self._climbed, climber, stage)
            better = side_by_side(climb, tries, part(share, 0.1, 1.0), "Refining the best positions")
            better.sort(key=lambda peak: -peak.score)
            peaks = distinct(better, self.body_points, len(better))
            done = peaks[stage.survivors :] + done
            peaks = peaks[: stage.survivors]
        assert climber is not None
        others = distinct(peaks + sorted(done, key=lambda peak: -peak.score), self.body_points, 8)
        return [peaks[0], *[peak for peak in others if peak is not peaks[0]]], climber

    def _climbed(self, climber: Climber, stage: Stage, attempt: tuple[Peak, TransformType], tick: Progress) -> Peak:
        """A peak refined as a transform of some kind."""
        peak, kind = attempt
        pose = climber.climb(peak.pose, stage.steps, stage.first_mm, stage.last_mm, kind, tick)
        if kind == "affine" and self.pair.overlap_mm(pose) < REAL_FINISH_MM:
            # It was stretched until too little overlap was left to support that.
            pose, kind = peak.pose, peak.kind
        return Peak(pose, self._score(climber.account(pose), pose, kind, stage), kind)

    def _perhaps_stretched(self, peaks: list[Peak]) -> list[Peak]:
        """The best rigid peaks with an overlap that may turn out a stretched one.

        A stretched overlap looks worse than none to a rigid transform, so that stretch cannot wait for the end.
        """
        overlapping = [p for p in peaks if p.kind == "rigid" and self.pair.overlap_mm(p.pose) >= STRETCH_FROM_MM]
        return sorted(overlapping, key=lambda peak: -peak.score)[:STRETCHED_PEAKS]

    def _climber(self, stage: Stage, progress: Progress) -> Climber:
        """A climber whose thresholds are measured on the parts themselves."""
        parts, real, synthetic = [], [], []
        for number, source in enumerate((self.pair.fixed, self.pair.moving)):
            progress(number / 5, "Preparing the refinement")
            parts.append(source.at(stage.spacing_mm))
        density = Density.of(parts)
        for number, one in enumerate(parts, 2):
            progress(number / 5, "Preparing the refinement")
            alone = Climber(one, one, density, stage.real_scale_hu, Threshold())
            real.append(alone.displaced(NEIGHBOR_MM).real)
            synthetic.append(alone.displaced(STRANGER_MM).synthetic)
        progress(0.8, "Preparing the refinement")
        threshold = Threshold(stage.real_threshold + float(np.mean(real)), float(np.mean(synthetic)))
        return Climber(parts[0], parts[1], density, stage.real_scale_hu, threshold, stage.temper, stage.points)

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

    def _findings(self, done: Finished, ranked: list[Peak], climber: Climber, overlap: float) -> Findings:
        stage = STAGES[-1]
        account = climber.account(done.pose)
        evidence = self._score(account, done.pose, done.kind, stage)
        elsewhere = max((peak.score for peak in ranked[1:]), default=0.0)
        pairs = account.real_voxels + account.mixed_voxels
        shorter = min(body_length_mm(self.pair.fixed_real), body_length_mm(self.pair.moving_real))
        agrees = None
        if self.start != "unknown":
            parts = self.pair.fixed_real, self.pair.moving_real
            agrees = upper_of(*parts, self.window.start) == upper_of(*parts, done.pose)
        return Findings(
            evidence=evidence,
            real_evidence=stage.nats(account.real),
            margin=evidence - max(elsewhere, 0.0),
            mean_evidence=account.total / max(pairs, 1),
            real_share=account.real_voxels / max(pairs, 1),
            overlap_mm=overlap,
            shared_share=overlap / shorter,
            order_agrees=agrees,
            synthetic=self.pair.synthetic,
        )

    def _candidate(self, peak: Peak) -> Candidate:
        shift, vector = self._from_start(peak.pose)
        return Candidate(
            transform=to_transform(peak.pose, peak.kind, self._center()),
            evidence=peak.score,
            overlap_mm=self.pair.overlap_mm(peak.pose),
            shift_mm=float(np.linalg.norm(shift)),
            rotation_degrees=float(np.degrees(vector[0])),
        )
