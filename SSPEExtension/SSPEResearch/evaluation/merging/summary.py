"""What the benchmark of merging says: differences by region, and Dice of labels that were carried."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .measures import ALL
from .run import Row

REGIONS = ("fixed alone", "moving alone", "seam", "filled gap", ALL)


def markdown(rows: Sequence[Row]) -> str:
    """Medians over patients with the worst in parentheses, by the number of parts, overlap and transform."""
    lines = [
        "| parts | overlap, mm | transform | cases | error, mm | region | mean difference, HU | 95 %, HU | bias, HU | "
        "tissue that became air, % |",
        "|---" * 10 + "|",
    ]
    for case in sorted({row.key[1:4] for row in rows}, key=lambda key: (key[0], -key[1], key[2])):
        own = [row for row in rows if row.key[1:4] == case]
        whole = [row for row in own if row.region == ALL]
        failed = [row for row in whole if row.failure]
        cases = f"{len(whole) - len(failed)} of {len(whole)}"
        errors = _told([row.error_mm for row in whole if not row.failure], 2)
        for region in REGIONS:
            chosen = [row for row in own if row.region == region and not row.failure]
            if chosen:
                cells = [_told([getattr(row, name) for row in chosen], 1) for name in ("mean_hu", "percentile_95_hu")]
                cells.append(_told([row.bias_hu for row in chosen], 1))
                cells.append(_told([100 * row.air_share for row in chosen], 3))
                lines.append(
                    f"| {case[0]:g} | {case[1]:g} | {case[2]} | {cases} | {errors} | {region} | {' | '.join(cells)} |"
                )
    organs = [row for row in rows if not np.isnan(row.dice_back)]
    if organs:
        lines += [
            "",
            "Labels of the moving part, carried to the fixed part and back (`sspe apply`, nearest neighbors):",
        ]
        lines += ["", "| overlap, mm | transform | organ | cases | Dice there | Dice back |", "|---" * 6 + "|"]
        for key in sorted({(row.overlap_mm, row.transform, row.region) for row in organs}):
            chosen = [row for row in organs if (row.overlap_mm, row.transform, row.region) == key]
            there, back = ([getattr(row, name) for row in chosen] for name in ("dice_there", "dice_back"))
            lines.append(
                f"| {key[0]:g} | {key[1]} | {key[2]} | {len(chosen)} | {_told(there, 3, low=True)} | "
                f"{_told(back, 3, low=True)} |"
            )
    return "\n".join(lines) + "\n"


def _told(values: Sequence[float], digits: int, low: bool = False) -> str:
    """Median and worst."""
    if not values:
        return "none"
    worst = min(values) if low else max(values, key=abs)
    return f"{np.median(values):.{digits}f} ({worst:.{digits}f})"
