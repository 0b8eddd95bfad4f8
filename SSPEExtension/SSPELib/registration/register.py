"""Registration, from two CTs to a judged transform: search everywhere, refine the best few, finish on real voxels."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
import torch
from numpy.typing import NDArray

from ..errors import RegistrationError
from ..model.device import choose_device
from ..options import DeviceName, TransformType
from ..poses import Matrix, apply, to_transform
from ..progress import Progress, part, silent
from ..side_by_side import side_by_side
from ..stages import stage
from ..volume import Volume, synthetic_mm
from ..volume.overlap import overlap_along_axis_mm, real_length_mm, upper_of
from .backends import Backend, SimpleITKBackend
from .confidence import Findings, judge
from .evidence import Density, EvidenceModel, Threshold
from .images import GridImage, ImagePyramid
from .inquiry import Inquiry, correlation
from .overlay import Overlay
from .refine import (
    REAL_VOXELS_FROM_MM,
    STRETCH_COST,
    Climb,
    FinalRefinement,
    Refined,
    climb,
    stretch_log_prior,
)
from .result import Candidate, Registration
from .search import Peak, Start, distinct, search, search_range

# Voxel size of the search over all positions, and of what needs no finer one.
SEARCH_MM = 8.0
# Poses that the search proposes at most, by its strict and its generous reading.
SEARCH_PEAKS = (12, 8)
# From which overlap on a position still to be refined may turn out a stretched one.
STRETCH_FROM_MM = 20.0
STRETCHED_PEAKS = 4
# Slices of one body resemble each other, those of a chest far more than those of a head: what pairs are worth where an
# image meets itself, displaced along the body, no overlap may earn. Displacement of real pairs, and of synthetic ones.
NEIGHBOR_MM = 12.0
STRANGER_MM = 32.0
CANDIDATES_TOLD = 8
# A level moves a pose by less than this, so that nothing farther from the other image is looked at, mm.
CLIMBED_MM = 24.0
CORRELATION_MM = 4.0


@dataclass(frozen=True)
class Level:
    """One level of refinement.

    Slices some 10 to 40 mm apart resemble each other better than chance, so that a wrong overlap of real slices has
    0.1 to 0.4 nats a pair at the finest level; a right one has 0.6 to 1.5. The threshold between them keeps CTs that
    only touch from being pushed together. Farther from the answer, at coarser levels, right overlaps have less.

    Attributes:
        spacing_mm: voxel size.
        real_scale_hu: expected difference of two real voxels, HU.
        real_threshold: nats that a real pair must be worth before its overlap pays.
        climbs: steps and voxels, one after the other: the first go far enough where the evidence is sharp, the second
            far enough where it is flat.
        kept: how many poses go on to the next level.
    """

    spacing_mm: float
    real_scale_hu: float
    real_threshold: float
    climbs: tuple[Climb, ...]
    kept: int


LEVELS = (
    Level(5.0, 80.0, 0.15, (Climb(steps=25, first=3.0, last=0.5, points=15000),), kept=4),
    Level(
        *(4.0, 60.0, 0.3),
        (
            Climb(steps=15, first=1.5, last=0.5, points=20000),
            Climb(steps=10, first=1.0, last=0.2, points=20000, scaled=True),
        ),
        kept=2,
    ),
    Level(
        *(3.0, 45.0, 0.4),
        (
            Climb(steps=12, first=0.6, last=0.3, points=40000),
            Climb(steps=20, first=0.8, last=0.05, points=40000, scaled=True),
        ),
        kept=1,
    ),
)


def register(
    fixed: Volume,
    moving: Volume,
    *,
    start: Start,
    transform_type: TransformType,
    tolerance_mm: float,
    backend: Backend | None = None,
    device: DeviceName = "auto",
    progress: Progress = silent,
) -> Registration:
    """Find the transform from fixed points to moving points.

    Args:
        fixed, moving: partial volumes, expanded or not.
        start: "header" looks around the pose of the headers, "unknown" along the whole body axis in both orders; a
            linear SimpleITK transform (fixed to moving) is looked around closely.
        transform_type: "affine" is spent only where real overlap supports it.
        tolerance_mm: the result is called reliable where its error bound is at most this.
        backend: does the last refinement on real voxels; SimpleITK where none is given.
        device: where to search and to refine.
        progress: told of every stage; may raise `Cancelled`.

    Raises:
        RegistrationError: a volume shows no body, or the start is no linear transform.
        DeviceError: the device is not there.
    """
    started = time.monotonic()
    if start not in ("header", "unknown") and not isinstance(start, sitk.Transform):
        raise RegistrationError(f"The start {start!r} is unknown. Choose header, unknown, or give a linear transform.")
    chosen = choose_device(device)[0]
    with stage("preparation"):
        images = side_by_side(_pyramid, (fixed, moving), part(progress, 0.0, 0.1), "Preparing the images")
    solver = Solver(images[0], images[1], start, backend or SimpleITKBackend(), chosen)
    found = solver.solve(transform_type, part(progress, 0.1, 1.0))
    confidence = judge(found.findings, tolerance_mm)
    progress(1.0, "Registered")
    return Registration(
        transform=found.transform,
        transform_type=found.transform_type,
        start=start if isinstance(start, str) else "transform",
        backend=found.backend,
        overlap_mm=found.overlap_mm,
        synthetic_mm={"fixed": synthetic_mm(fixed), "moving": synthetic_mm(moving)},
        metric=found.correlation,
        metric_name=found.correlation_name,
        expected_error_mm=confidence.body.expected_mm,
        error_bound_mm=confidence.body.bound_mm,
        junction=confidence.junction,
        far_end=confidence.far_end,
        reliable=confidence.reliable,
        findings=found.findings,
        reasons=(*confidence.reasons, *found.notes),
        seconds=time.monotonic() - started,
        candidates=found.candidates,
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
    notes: tuple[str, ...]
    candidates: tuple[Candidate, ...]


class Solver:
    """Solves one pair of CTs.

    Attributes:
        fixed, moving: the CTs.
        start: of the search.
        backend: of the last refinement.
        device: where to compute.
    """

    def __init__(
        self, fixed: ImagePyramid, moving: ImagePyramid, start: Start, backend: Backend, device: torch.device
    ) -> None:
        self.fixed, self.moving = fixed, moving
        self.start, self.backend = start, backend
        # PyTorch lacks three-dimensional pooling on Apple's GPUs.
        self.device = torch.device("cpu") if device.type == "mps" else device
        self.synthetic = fixed.synthetic or moving.synthetic

    def solve(self, transform_type: TransformType, progress: Progress) -> Found:
        """Take all steps."""
        peaks = self._search(part(progress, 0.02, 0.4))
        ranked, overlay = self._refine(peaks, transform_type, part(progress, 0.4, 0.8))
        final = FinalRefinement(self.fixed, self.moving, overlay, self.body_points, self.backend, self.device)
        refined = final.refine(ranked[0], transform_type, part(progress, 0.8, 0.98))
        if not self._in_range(refined.pose):
            refined = Refined(ranked[0].pose, ranked[0].kind, "evidence", refined.notes)
        progress(0.98, "Judging the position")
        overlap = self._overlap_mm(refined.pose)
        findings = self._findings(refined, ranked, overlay, overlap)
        real = overlap >= REAL_VOXELS_FROM_MM
        value = correlation(self.fixed.at(CORRELATION_MM), self.moving.at(CORRELATION_MM), refined.pose, real)
        name = "correlation of real voxels" if real else "correlation of real and synthetic voxels"
        return Found(
            transform=to_transform(refined.pose, refined.kind, self.range.center),
            transform_type=refined.kind,
            backend=refined.backend,
            overlap_mm=overlap,
            correlation=value,
            correlation_name=name if self.synthetic else "correlation of real voxels",
            findings=findings,
            notes=refined.notes,
            candidates=tuple(self._candidate(peak) for peak in ranked),
        )

    @stage("search")
    def _search(self, progress: Progress) -> list[Peak]:
        fixed, moving = self.fixed.at(SEARCH_MM), self.moving.at(SEARCH_MM)
        self.range = search_range(self.start, fixed, moving)
        self.body_points = moving.real_body_points()[::29]
        found = search(fixed, moving, self.range, SEARCH_PEAKS, self.device, progress)
        # The search limits the shift of the whole body, expanded and turned, the range that of the real one.
        peaks = [peak for peak in found if self._in_range(peak.pose)] or [Peak(self.range.start, 0.0)]
        if not found:
            raise RegistrationError("No position at which the two bodies could meet was found. Check the inputs.")
        return peaks

    @stage("refinement")
    def _refine(self, peaks: list[Peak], wanted: TransformType, progress: Progress) -> tuple[list[Peak], Overlay]:
        """Poses refined level by level, best first; the first of them went through all levels."""
        done: list[Peak] = []
        overlay = None
        for number, level in enumerate(LEVELS):
            share = part(progress, number / len(LEVELS), (number + 1) / len(LEVELS))
            share(0.0, "Refining the best positions")
            # That of the level before is freed first: the finest one takes the most memory of all.
            overlay = None
            overlay = self._overlay(level, peaks)
            tries = list(peaks)
            if wanted == "affine":
                tries += [Peak(peak.pose, peak.score, "affine") for peak in self._perhaps_stretched(peaks)]
            better = self._climbed(overlay, level, tries, part(share, 0.1, 1.0))
            better.sort(key=lambda peak: -peak.score)
            peaks = distinct(better, self.body_points, len(better))
            done = peaks[level.kept :] + done
            peaks = peaks[: level.kept]
        assert overlay is not None
        others = distinct(peaks + sorted(done, key=lambda peak: -peak.score), self.body_points, CANDIDATES_TOLD)
        return [peaks[0], *[peak for peak in others if peak is not peaks[0]]], overlay

    def _climbed(self, overlay: Overlay, level: Level, tries: Sequence[Peak], progress: Progress) -> list[Peak]:
        """Poses refined as transforms of their kinds."""
        kinds = [peak.kind for peak in tries]
        poses = [peak.pose for peak in tries]
        for number, how in enumerate(level.climbs):
            share = part(progress, number / len(level.climbs), (number + 1) / len(level.climbs))
            poses = climb(overlay, poses, kinds, how, share)
        found = []
        for peak, pose, kind in zip(tries, poses, kinds, strict=True):
            if not self._in_range(pose):
                pose = peak.pose
            if kind == "affine" and self._overlap_mm(pose) < REAL_VOXELS_FROM_MM:
                # It was stretched until too little overlap was left to support that.
                continue
            (evidence,) = overlay.evidence(pose[None])
            found.append(Peak(pose, evidence.total + self._log_prior(pose, kind), kind))
        return found

    def _perhaps_stretched(self, peaks: Sequence[Peak]) -> list[Peak]:
        """The best rigid poses with an overlap that may turn out a stretched one.

        A stretched overlap looks worse than none to a rigid transform, so that stretch cannot wait for the end.
        """
        overlapping = [p for p in peaks if p.kind == "rigid" and self._overlap_mm(p.pose) >= STRETCH_FROM_MM]
        return sorted(overlapping, key=lambda peak: -peak.score)[:STRETCHED_PEAKS]

    def _overlay(self, level: Level, peaks: Sequence[Peak]) -> Overlay:
        """The images of a level as far as the poses bring them together, thresholds measured on the images."""
        whole = self.fixed.at(level.spacing_mm), self.moving.at(level.spacing_mm)
        density = Density.of(whole)
        alone = EvidenceModel(level.real_scale_hu)
        real = [alone.resemblance(image, density, NEIGHBOR_MM).real for image in whole]
        synthetic = [alone.resemblance(image, density, STRANGER_MM).synthetic for image in whole]
        threshold = Threshold(level.real_threshold + float(np.mean(real)), float(np.mean(synthetic)))
        images = _brought_together(*whole, [peak.pose for peak in peaks])
        model = EvidenceModel(level.real_scale_hu, threshold)
        return Overlay(*images, density, model, self.device, smooth=level is not LEVELS[-1])

    def _in_range(self, pose: Matrix) -> bool:
        return bool(np.isfinite(self.range.log_prior_of(pose)))

    def _log_prior(self, pose: Matrix, kind: TransformType) -> float:
        prior = self.range.log_prior_of(pose)
        if kind == "affine":
            prior += float(stretch_log_prior(pose[None, :3, :3])[0]) - STRETCH_COST
        return prior

    def _overlap_mm(self, pose: Matrix) -> float:
        return overlap_along_axis_mm(self.fixed.volume, self.moving.volume, pose)

    @stage("judging")
    def _findings(self, refined: Refined, ranked: Sequence[Peak], overlay: Overlay, overlap: float) -> Findings:
        (evidence,) = overlay.evidence(refined.pose[None])
        whole = self.fixed.at(SEARCH_MM), self.moving.at(SEARCH_MM)
        inquiry = Inquiry(overlay, refined.pose, evidence, self.body_points, *whole)
        agrees = None
        if self.start != "unknown":
            volumes = self.fixed.volume, self.moving.volume
            agrees = upper_of(*volumes, self.range.start) == upper_of(*volumes, refined.pose)
        return inquiry.findings(
            ranked,
            log_prior=self._log_prior(refined.pose, refined.kind),
            overlap_mm=overlap,
            shorter_mm=min(real_length_mm(image.volume) for image in (self.fixed, self.moving)),
            order_agrees=agrees,
            synthetic=self.synthetic,
        )

    def _candidate(self, peak: Peak) -> Candidate:
        shift, angle = self.range.from_start(peak.pose)
        return Candidate(
            transform=to_transform(peak.pose, peak.kind, self.range.center),
            evidence=peak.score,
            overlap_mm=self._overlap_mm(peak.pose),
            shift_mm=float(np.linalg.norm(shift)),
            rotation_degrees=float(np.degrees(angle)),
        )


def _pyramid(volume: Volume, progress: Progress) -> ImagePyramid:
    """The images of a CT on all grids that are looked at."""
    pyramid = ImagePyramid(volume)
    spacings = (SEARCH_MM, *(level.spacing_mm for level in LEVELS))
    for number, spacing in enumerate(spacings, 1):
        progress(number / (len(spacings) + 1), "Preparing the images")
        pyramid.at(spacing)
    return pyramid


def _brought_together(fixed: GridImage, moving: GridImage, poses: Sequence[Matrix]) -> tuple[GridImage, GridImage]:
    """The parts of two images that any of some poses, fixed to moving, brings near the other."""
    there = _box(moving, [np.linalg.inv(pose) for pose in poses])
    return fixed.cropped(*there), moving.cropped(*_box(fixed.cropped(*there), poses))


def _box(image: GridImage, poses: Sequence[Matrix]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest place (3,), LPS mm, to which poses take the grid of an image, and a margin."""
    ends = np.stack([image.origin, image.origin + (np.array(image.hu.shape[::-1]) - 1) * image.spacing])
    corners = np.array(np.meshgrid(*ends.T)).reshape(3, -1).T
    places = np.concatenate([apply(pose, corners) for pose in poses])
    return places.min(axis=0) - CLIMBED_MM, places.max(axis=0) + CLIMBED_MM
