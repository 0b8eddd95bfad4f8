"""The report for programs: REPORT.json."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from .. import __version__
from ..alignment import grid_of
from ..poses import matrix_of
from ..stages import stage
from .subject import Subject

FORMAT = 1
RESEARCH_USE = "For research use only; synthetic slices show anatomy that was never measured."


@stage("report")
def summary_of(subject: Subject) -> str:
    """Return the report as JSON text; lengths in mm, the matrix (4, 4) maps fixed to moving points in LPS."""
    found = subject.registration
    scans = dict(zip(("fixed", "moving"), subject.real, strict=True))
    summary = {
        "format": FORMAT,
        "sspe_version": __version__,
        "research_use": RESEARCH_USE,
        **subject.files,
        "transform_type": found.transform_type,
        "matrix_fixed_to_moving_lps": matrix_of(found.transform).tolist(),
        "frames_of_reference": {role: volume.frame_of_reference for role, volume in scans.items()},
        "grids": {role: grid_of(volume) for role, volume in scans.items()},
        "start": found.start,
        "backend": found.backend,
        "model": subject.model,
        "seconds": found.seconds,
        "overlap_mm": found.overlap_mm,
        "synthetic_mm": found.synthetic_mm,
        "metric": found.metric,
        "metric_name": found.metric_name,
        "reliable": found.reliable,
        "expected_error_mm": found.expected_error_mm,
        "error_bound_mm": found.error_bound_mm,
        "junction": {"expected_error_mm": found.junction.expected_mm, "error_bound_mm": found.junction.bound_mm},
        "far_end": {"expected_error_mm": found.far_end.expected_mm, "error_bound_mm": found.far_end.bound_mm},
        "error_sentence": found.error_sentence,
        "reasons": list(found.reasons),
        "warnings": list(subject.warnings),
        "candidates": [
            {
                "evidence": candidate.evidence,
                "overlap_mm": candidate.overlap_mm,
                "shift_mm": candidate.shift_mm,
                "rotation_degrees": candidate.rotation_degrees,
                "matrix_fixed_to_moving_lps": matrix_of(candidate.transform).tolist(),
            }
            for candidate in found.candidates
        ],
    }
    return as_json(summary)


def as_json(summary: dict[str, Any]) -> str:
    """Return a report as JSON text; what is not finite becomes null."""
    return json.dumps(_plain(summary), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """What JSON knows: NumPy's numbers as Python's, and null for what is not finite."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
