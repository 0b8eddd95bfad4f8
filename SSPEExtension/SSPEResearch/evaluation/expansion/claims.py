"""The paper's three claims on its six systems, tested on the patients of an expansion benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from .cases import Row
from .summary import MEASURES, paired_test

PLAIN = ("ResGAN", "TransGAN", "TransResGAN")
WEIGHTED = tuple(f"lambda-{name}" for name in PLAIN)
BEST = "lambda-ResGAN"
CLAIMS = {
    "the backbones are alike": (*combinations(PLAIN, 2), *combinations(WEIGHTED, 2)),
    "gradient matching and lambda make each better": tuple(zip(WEIGHTED, PLAIN, strict=True)),
    "lambda-ResGAN has the lowest MAE and RMSE": tuple((BEST, other) for other in (*PLAIN, *WEIGHTED) if other != BEST),
}
COMPARED = ("mae", "rmse")
LEVEL = 0.05


def claims(rows: Sequence[Row], models: Sequence[str], purpose: str) -> list[str]:
    """Lines of a report on the claims; none unless all six systems are among the models.

    Args:
        rows: rows of any purposes.
        models: names of the systems with a network.
        purpose: the hidden length whose rows count.
    """
    if not set(models) >= {*PLAIN, *WEIGHTED}:
        return []
    own = [row for row in rows if row.purpose == purpose]
    lines = [
        f"## The paper's claims, {purpose}",
        "",
        "Mean difference (first minus second) over patients, and p of Wilcoxon's signed-rank test after Holm's "
        f"correction over the tests of a claim. That no difference has p < {LEVEL:g} is no proof that there is none.",
        "",
        f"| claim | first | second | {' | '.join(MEASURES[measure] for measure in COMPARED)} |",
        "|---" * (len(COMPARED) + 3) + "|",
    ]
    verdicts = []
    for claim, pairs in CLAIMS.items():
        found = [[paired_test(own, *pair, measure) for measure in COMPARED] for pair in pairs]
        differences, p = (np.array([[test[part] for test in tests] for tests in found]) for part in (0, 1))
        p = holm(p.ravel()).reshape(p.shape)
        for pair, changes, chances in zip(pairs, differences, p, strict=True):
            cells = [f"{change:+.3f}, p = {chance:.2g}" for change, chance in zip(changes, chances, strict=True)]
            lines.append(f"| {claim} | {' | '.join(pair)} | {' | '.join(cells)} |")
        lower, higher = ((sign * differences < 0) & (p < LEVEL) for sign in (1, -1))
        verdicts.append(
            f"- {claim}: of {p.size} differences {lower.sum()} are significantly below zero (the first has the lower "
            f"error), {higher.sum()} above, {p.size - lower.sum() - higher.sum()} neither."
        )
    return [*lines, "", *verdicts, ""]


def holm(chances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities (n,) corrected for their number by Holm's method."""
    order = np.argsort(chances)
    corrected = np.empty_like(chances)
    corrected[order] = np.maximum.accumulate((len(chances) - np.arange(len(chances))) * chances[order]).clip(max=1.0)
    return corrected
