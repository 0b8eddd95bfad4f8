"""Calibrating the confidence: a logistic regression of success on the findings, and a reliability diagram."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from SSPELib.errors import InputError
from SSPELib.registration.verdict import squashed

from .negatives import SAME_PART, NegativeRow
from .run import Row
from .summary import SUCCESS_MM, reliability

# Pull toward zero: few cases separate perfectly, and no confidence may become boundless for that.
RIDGE = 0.004


def calibrate(rows: Sequence[Row], negatives: Sequence[NegativeRow] = ()) -> NDArray[np.float64]:
    """Weights (4,) of the features of a verdict that make the confidence the chance of an error below 10 mm.

    Args:
        rows: registrations with a known answer.
        negatives: pairs that must not be called reliable; they count as failures. The same part twice is left out:
            its transform is right and has all evidence for it, so that a veto, and no weight, must refuse it.

    Raises:
        InputError: the rows hold no findings, or only successes or only failures.
    """
    from scipy.optimize import minimize

    failures = [row.as_failure() for row in negatives if row.kind != SAME_PART]
    rated = [row for row in (*rows, *failures) if not np.isnan(row.real_evidence)]
    success = np.array([row.error_mm < SUCCESS_MM for row in rated], dtype=np.float64)
    if not 0 < success.sum() < len(rated):
        raise InputError(
            f"{len(rated)} rows with findings hold {success.sum():.0f} errors below {SUCCESS_MM:g} mm; both successes "
            "and failures are needed. Add cases, for example with --overlap -20 and --overlap 40."
        )
    features = np.array([squashed(row.real_evidence, row.margin, row.mean_evidence) for row in rated])

    def loss(weights: NDArray[np.float64]) -> float:
        logits = features @ weights
        return float(np.mean(np.logaddexp(0, logits) - success * logits) + RIDGE * (weights[1:] ** 2).sum())

    # More evidence never speaks against a result, whatever a few cases say.
    bounds = [(None, None)] + [(0.0, None)] * (features.shape[1] - 1)
    return np.asarray(minimize(loss, np.zeros(features.shape[1]), method="L-BFGS-B", bounds=bounds).x)


def draw_reliability(rows: Sequence[Row], path: Path) -> None:
    """Share of errors below 10 mm against mean confidence, with the number of cases; written as PNG or SVG."""
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(5, 5), layout="constrained")
    axes = drawing.subplots()
    axes.plot([0, 1], [0, 1], color="gray", linewidth=1)
    found = reliability(rows)
    axes.plot([c for c, _, _ in found], [share for _, share, _ in found], "o-")
    for confidence, share, count in found:
        axes.annotate(f"{count} cases", (confidence, share), xytext=(5, -12), textcoords="offset points", fontsize=8)
    axes.set(xlabel="mean confidence", ylabel=f"share of errors below {SUCCESS_MM:g} mm", xlim=(0, 1), ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    drawing.savefig(path, dpi=120)
