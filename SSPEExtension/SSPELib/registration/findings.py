"""What is known of the position found: how much speaks for it, how sharply, and whether parts of the evidence agree."""

from __future__ import annotations

from dataclasses import dataclass


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
