"""A registration whose transform is known beforehand, in place of one that is searched for."""

from __future__ import annotations

from typing import Any

import SimpleITK as sitk

from SSPELib.registration import Registration
from SSPELib.registration.confidence import ErrorEstimate, Findings


def known_findings(**fields: Any) -> Findings:
    """Findings of a good position with 20 mm of overlap, but for the fields that are given."""
    others: dict[str, Any] = {
        "evidence": 60.0,
        "real_evidence": 50.0,
        "margin": 40.0,
        "mean_evidence": 0.1,
        "real_share": 0.4,
        "overlap_mm": 20.0,
        "contact_mm": 18.0,
        "covered_share": 0.9,
        "shared_share": 0.2,
        "body_mm": 1.0,
        "junction_mm": 0.8,
        "far_end_mm": 1.5,
        "spread_mm": 0.0,
        "order_agrees": True,
        "synthetic": True,
    }
    return Findings(**{**others, **fields})


def known_registration(transform: sitk.Transform, **fields: Any) -> Registration:
    """A reliable rigid registration of two plain parts with 20 mm of overlap, but for the fields that are given."""
    unexpanded = {"inferior": 0.0, "superior": 0.0}
    others: dict[str, Any] = {
        "transform_type": "rigid",
        "start": "header",
        "backend": "none",
        "overlap_mm": 20.0,
        "synthetic_mm": {"fixed": unexpanded, "moving": unexpanded},
        "metric": 0.5,
        "metric_name": "correlation",
        "expected_error_mm": 1.25,
        "error_bound_mm": 3.5,
        "junction": ErrorEstimate(1.0, 3.0),
        "far_end": ErrorEstimate(2.0, 5.0),
        "reliable": True,
        "findings": known_findings(),
        "reasons": ("a stand-in",),
        "seconds": 1.0,
        "candidates": (),
    }
    return Registration(transform, **{**others, **fields})
