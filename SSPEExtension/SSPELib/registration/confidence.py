"""How far off a registration is: an expected error and a bound that 9 of 10 such results keep, in millimetres.

The scale of the error is a formula of the findings, fitted to registrations with a known answer. What is made of it
is conformal prediction: of n calibration cases of one kind, exchangeable with a new one, the ceil((n + 1) 0.9)-th
smallest ratio of error to scale is kept by the new one with a probability of at least 90 % (Vovk et al. 2005; with
kinds of its own: Mondrian). The ratios come from formulas fitted without the person of each case, of which the same is
promised at 80 % and found near 90 % (Barber et al. 2021, CV+). `sspe benchmark calibrate` makes the constants.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .error_constants import RATIOS, WEIGHTS

SAME_REGION = 0.85
SMALL_OVERLAP_MM = 30.0
SMALLEST_ERROR_MM, LARGEST_SCALE_MM = 0.2, 100.0
# What findings do not tell is added to every scale (Papadopoulos et al. 2002), so that results that look best of all do
# not decide, by ratios to next to nothing, how large the bounds of all others are. With 0, 1, 2 and 3 mm 83, 92, 92 and
# 92 % of 24 people left out are within their bound at 0 mm, with median bounds of 8.4, 8.1, 9.0 and 9.6 mm.
FLOOR_MM = 1.0
# From which real overlap found on real slices decide.
OVERLAP_FROM_MM = 10.0

PLACES = ("body", "junction", "far_end")
KINDS = ("overlap", "gap")


@dataclass(frozen=True)
class Findings:
    """What is known of the position found. Lengths in mm are mean distances over real body points of the moving CT.

    Attributes:
        evidence: its tempered total evidence, nats.
        real_evidence: the part of it from pairs of two real voxels.
        margin: how much more that is than the evidence of the best position elsewhere.
        mean_evidence: log-likelihood ratio per pair of body voxels.
        real_share: share of the pairs that are two real voxels.
        overlap_mm: real overlap along the body axis.
        contact_mm: real overlap by volume: of two real voxels inside both bodies, divided by the cross-section.
        covered_share: share of the cross-section at the junction on which real lies on real.
        shared_share: overlap as a share of the shorter CT.
        body_mm, junction_mm, far_end_mm: root mean square error that the curvature of the evidence predicts, of the
            whole moving body, of its end toward the fixed CT, and of its other end.
        spread_mm: distance of the other candidates, each counting by its evidence.
        order_agrees: whether upper and lower are as the headers say, None where those do not count.
        synthetic: whether an expansion takes part.
    """

    evidence: float
    real_evidence: float
    margin: float
    mean_evidence: float
    real_share: float
    overlap_mm: float
    contact_mm: float
    covered_share: float
    shared_share: float
    body_mm: float
    junction_mm: float
    far_end_mm: float
    spread_mm: float
    order_agrees: bool | None
    synthetic: bool


@dataclass(frozen=True)
class Constants:
    """What errors are computed with.

    Attributes:
        weights: of `features`, by place.
        ratios: of errors to their scale that half and 9 of 10 cases keep, by place and kind.
    """

    weights: Mapping[str, Sequence[float]]
    ratios: Mapping[str, Mapping[str, tuple[float, float]]]


CALIBRATED = Constants(WEIGHTS, RATIOS)


@dataclass(frozen=True)
class ErrorEstimate:
    """How far off some points are.

    Attributes:
        expected_mm: their mean distance from where they belong, mm, that half of such results keep.
        bound_mm: that 9 of 10 keep; infinite where nothing can be said.
    """

    expected_mm: float
    bound_mm: float


UNKNOWN = ErrorEstimate(float("inf"), float("inf"))


@dataclass(frozen=True)
class Confidence:
    """How far to trust a registration, and why.

    Attributes:
        body, junction, far_end: error of the whole moving body, of its end toward the fixed CT, and of its other end.
        reliable: whether the bound for the body is at most the tolerance, and the position fits better than by chance.
        reasons: in words for a clinician.
    """

    body: ErrorEstimate
    junction: ErrorEstimate
    far_end: ErrorEstimate
    reliable: bool
    reasons: tuple[str, ...]


def features(findings: Findings, place: str) -> NDArray[np.float64]:
    """What the scale of the error at one of PLACES is computed from (n,): a constant, and findings that speak for more.

    Each grows with the error to be feared.
    """
    found = np.array(
        [
            1.0,
            np.log(max(getattr(findings, f"{place}_mm"), SMALLEST_ERROR_MM)),
            np.log1p(findings.spread_mm),
            -np.arcsinh(findings.real_evidence / 10.0),
            -np.arcsinh(findings.margin / 5.0),
            np.log1p(max(-findings.overlap_mm, 0.0)),
        ]
    )
    # A margin may be infinite.
    return np.clip(found, -20.0, 20.0)


def scale_mm(findings: Findings, place: str, weights: Sequence[float]) -> float:
    """The scale of the error at one of PLACES."""
    exponent = np.clip(features(findings, place) @ np.array(weights), -20.0, 20.0)
    return float(min(np.exp(exponent) + FLOOR_MM, LARGEST_SCALE_MM))


def kind_of(findings: Findings) -> str:
    """The one of KINDS that a position belongs to: parts that just touch err as parts with a gap do."""
    return "overlap" if findings.overlap_mm >= OVERLAP_FROM_MM else "gap"


def judge(findings: Findings, tolerance_mm: float, constants: Constants = CALIBRATED) -> Confidence:
    """Turn findings into errors and words.

    Args:
        findings: of the position found.
        tolerance_mm: a result is reliable whose bound is at most this.
        constants: to compute errors with.
    """
    contradictions = _contradictions(findings)
    by_chance = findings.evidence <= 0 or findings.mean_evidence <= 0
    body, junction, far_end = (UNKNOWN if contradictions else _estimate(findings, place, constants) for place in PLACES)
    reliable = body.bound_mm <= tolerance_mm and not by_chance
    reasons = [*contradictions, _overlap_words(findings)]
    if by_chance:
        reasons.insert(0, "No position was found at which the two volumes fit better than by chance.")
    elif not reliable and not contradictions:
        reasons.append(doubt(tolerance_mm))
    return Confidence(body, junction, far_end, reliable, tuple(reasons))


def doubt(tolerance_mm: float) -> str:
    """What is said of a result whose bound is above the tolerance."""
    return f"Errors above {tolerance_mm:g} mm cannot be ruled out. Look at the overlay before using this."


def _estimate(findings: Findings, place: str, constants: Constants) -> ErrorEstimate:
    scale = scale_mm(findings, place, constants.weights[place])
    half, nine_of_ten = constants.ratios[place][kind_of(findings)]
    return ErrorEstimate(scale * half, scale * nine_of_ten)


def _contradictions(findings: Findings) -> list[str]:
    """What makes a result wrong whatever else speaks for it."""
    found = []
    if findings.shared_share > SAME_REGION:
        found.append(
            "The two volumes show the same region almost entirely, so there is nothing to join. "
            "Check that two different parts were chosen."
        )
    if findings.order_agrees is False:
        found.append(
            "The position found puts the parts in the opposite order (upper and lower) to what the headers say. "
            "Check the inputs, or start with unknown headers."
        )
    return found


def _overlap_words(findings: Findings) -> str:
    if findings.overlap_mm >= SMALL_OVERLAP_MM:
        return f"{findings.overlap_mm:.0f} mm of real overlap decided the position."
    if findings.overlap_mm > 0:
        return f"{findings.overlap_mm:.0f} mm of real slices overlap, which is little."
    if findings.synthetic:
        return f"The parts do not meet (gap of {-findings.overlap_mm:.0f} mm); synthetic slices alone join them."
    return f"The parts do not meet (gap of {-findings.overlap_mm:.0f} mm)."
