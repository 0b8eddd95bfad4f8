"""The result of a registration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import SimpleITK as sitk

from ..options import TransformType
from ..verdict import Verdict, error_sentence, finite
from ..volume import End
from .confidence import ErrorEstimate, Findings


@dataclass(frozen=True, eq=False)
class Candidate:
    """One position that was refined and weighed.

    Attributes:
        transform: fixed points to moving points, LPS mm.
        evidence: total log-likelihood ratio of 'aligned' against 'unrelated', tempered for dependent voxels, with the
            preference for the start.
        overlap_mm: real overlap along the body axis, negative for a gap.
        shift_mm: how far the moving body lies from where the start put it.
        rotation_degrees: how far it is turned from the start.
    """

    transform: sitk.Transform
    evidence: float
    overlap_mm: float
    shift_mm: float
    rotation_degrees: float


@dataclass(frozen=True, eq=False)
class Registration:
    """A transform and how far to trust it.

    Attributes:
        transform: maps fixed points to moving points, LPS mm; one plain VersorRigid3D or Affine transform.
        transform_type: what was found: "affine" only where real overlap supports it.
        start: "header", "unknown" or "transform".
        backend: who did the last refinement.
        overlap_mm: real overlap along the body axis, negative for a gap.
        synthetic_mm: for "fixed" and "moving", length made by the network at the "inferior" and "superior" end.
        metric: correlation of the two images inside both bodies, -1 to 1; real voxels where enough of them overlap.
        metric_name: what metric is, in words.
        expected_error_mm, error_bound_mm: mean distance of the moving body from where it belongs, mm: half of such
            results keep the first, 9 of 10 the second; infinite where something contradicts the result.
        junction, far_end: the same of its end toward the fixed CT and of its other end.
        reliable: whether the bound is at most the tolerance that was asked for.
        findings: the figures behind the errors.
        reasons: why, in words for a clinician.
        seconds: time taken.
        candidates: positions weighed, best first.
    """

    transform: sitk.Transform
    transform_type: TransformType
    start: str
    backend: str
    overlap_mm: float
    synthetic_mm: Mapping[str, Mapping[End, float]]
    metric: float
    metric_name: str
    expected_error_mm: float
    error_bound_mm: float
    junction: ErrorEstimate
    far_end: ErrorEstimate
    reliable: bool
    findings: Findings
    reasons: tuple[str, ...]
    seconds: float
    candidates: tuple[Candidate, ...]

    @property
    def verdict(self) -> Verdict:
        """How far the transform may be trusted, as it goes on into what is made with it."""
        errors = finite(self.expected_error_mm), finite(self.error_bound_mm)
        return Verdict(self.reliable, *errors, tuple(self.reasons))

    @property
    def error_sentence(self) -> str:
        """How far off the transform is, in words."""
        return error_sentence(self.expected_error_mm, self.error_bound_mm)
