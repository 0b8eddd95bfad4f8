"""Whether to believe a registration: a calibrated confidence, and the reasons in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RELIABLE_FROM = 0.86
SAME_REGION = 0.85
SMALL_OVERLAP_MM = 30.0
# On validation patients every error above 10 mm came with less real overlap found than this: parts that hardly meet can
# look joined where they are not, so that no such result is called reliable.
LEAST_RELIABLE_OVERLAP_MM = 18.0
HIGHEST_DOUBTFUL_CONFIDENCE = 0.85
REAL_EVIDENCE_UNIT = 10.0
MARGIN_UNIT = 5.0
MEAN_EVIDENCE_UNIT = 0.05


@dataclass(frozen=True)
class Findings:
    """What is known of the best position.

    Attributes:
        evidence: its tempered total evidence, nats.
        real_evidence: the part of it from pairs of two real voxels.
        margin: how much more that is than the evidence of the best position elsewhere.
        mean_evidence: log-likelihood ratio per pair of body voxels.
        real_share: share of the pairs that are two real voxels.
        overlap_mm: real overlap along the body axis.
        shared_share: overlap as a share of the shorter part.
        order_agrees: whether upper and lower are as the headers say, None where those do not count.
        synthetic: whether an expansion took part.
    """

    evidence: float
    real_evidence: float
    margin: float
    mean_evidence: float
    real_share: float
    overlap_mm: float
    shared_share: float
    order_agrees: bool | None
    synthetic: bool


@dataclass(frozen=True)
class Verdict:
    """How far to trust a registration, and why."""

    confidence: float
    reliable: bool
    reasons: tuple[str, ...]


# Logistic regression of 'mean error below 10 mm' on validation patients, by `sspe benchmark calibrate`.
WEIGHTS = (-1.01, 1.41, 0.62, 0.52)


def squashed(real_evidence: float, margin: float, mean_evidence: float) -> NDArray[np.float64]:
    """What the confidence is computed from (4,): a constant and three findings, made comparable."""
    return np.array(
        [
            1.0,
            np.arcsinh(real_evidence / REAL_EVIDENCE_UNIT),
            np.arcsinh(margin / MARGIN_UNIT),
            np.clip(mean_evidence / MEAN_EVIDENCE_UNIT, -2.0, 2.0),
        ]
    )


def judge(findings: Findings) -> Verdict:
    """Turn findings into a verdict."""
    features = squashed(findings.real_evidence, findings.margin, findings.mean_evidence)
    confidence = float(1.0 / (1.0 + np.exp(-features @ WEIGHTS)))
    reasons = []
    veto = False
    if findings.shared_share > SAME_REGION:
        veto = True
        reasons.append(
            "The two volumes show the same region almost entirely, so there is nothing to join. "
            "Check that two different parts were chosen."
        )
    if findings.order_agrees is False:
        veto = True
        reasons.append(
            "The position found puts the parts in the opposite order (upper and lower) to what the headers say. "
            "Check the inputs, or start with unknown headers."
        )
    if findings.evidence <= 0 or findings.mean_evidence <= 0:
        veto = True
        reasons.append("No position was found at which the two volumes fit better than by chance.")
    if veto:
        confidence = min(confidence, 0.05)
    if findings.overlap_mm < LEAST_RELIABLE_OVERLAP_MM:
        confidence = min(confidence, HIGHEST_DOUBTFUL_CONFIDENCE)
    reasons.append(_overlap_words(findings))
    reliable = confidence >= RELIABLE_FROM
    if not reliable and not veto:
        reasons.append("Too little real overlap speaks for this position alone. Look at the overlay before using this.")
    return Verdict(confidence, reliable, tuple(reasons))


def _overlap_words(findings: Findings) -> str:
    if findings.overlap_mm >= SMALL_OVERLAP_MM:
        return f"{findings.overlap_mm:.0f} mm of real overlap decided the position."
    if findings.overlap_mm > 0:
        return f"{findings.overlap_mm:.0f} mm of real slices overlap, which is little."
    if findings.synthetic:
        return f"The parts do not meet (gap of {-findings.overlap_mm:.0f} mm); synthetic slices alone join them."
    return f"The parts do not meet (gap of {-findings.overlap_mm:.0f} mm)."
