"""A registration whose transform is known beforehand, in place of one that is searched for."""

from __future__ import annotations

from typing import Any

import SimpleITK as sitk

from SSPELib.registration import Registration
from SSPELib.registration.verdict import Findings


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
        "confidence": 0.9,
        "reliable": True,
        "findings": Findings(12.5, 9.0, 8.0, 0.1, 0.4, 40.0, 0.2, True, True),
        "reasons": ("a stand-in",),
        "seconds": 1.0,
        "candidates": (),
    }
    return Registration(transform, **{**others, **fields})
