"""Making the constants behind the error of a result, and what they are worth on other people.

Each scale is a formula of the findings, exp(features @ weights), and a floor. The exponent is fitted to the logarithms
of errors by Huber's loss, so that a few lost cases do not decide it; the weights of findings are not negative, as each
finding grows with the error to be feared. The ratios of error to scale are made conformal: see
`SSPELib.registration.confidence`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from SSPELib.errors import InputError
from SSPELib.registration.confidence import (
    KINDS,
    LARGEST_SCALE_MM,
    PLACES,
    SMALLEST_ERROR_MM,
    Constants,
    Findings,
    features,
    judge,
    kind_of,
    scale_mm,
)

from .attempt import Outcome
from .negatives import SAME_PART, NegativeRow
from .run import Row
from .summary import TOLERANCE_MM

ERROR_OF = {"body": "error_mm", "junction": "junction_error_mm", "far_end": "far_error_mm"}
AnyRow = TypeVar("AnyRow", bound=Outcome)
KEPT_SHARE = 0.9
# Of errors that differ from their scale by more than this factor only the direction counts.
HUBER_LOG = np.log(2.0)
RIDGE = 0.02
# Pairs that cannot be joined have no error: they are taken for lost cases, of which each counts this much.
NEGATIVE_WEIGHT = 0.5
# Fewer cases have no such quantile; fewer of one kind than OWN_FROM share that of all: theirs would be mostly chance.
FEWEST, OWN_FROM = 9, 20
# Digits behind the point that the library has, so that rows judged here and results there have the same bounds.
WEIGHT_DIGITS, RATIO_DIGITS = 3, 2


def calibrate(rows: Sequence[Row], negatives: Sequence[NegativeRow] = ()) -> Constants:
    """The constants that make bounds which 9 of 10 errors keep.

    Args:
        rows: registrations with a known answer; those without findings are left out.
        negatives: pairs that must not be called reliable. The same part twice is left out: its transform is right, so
            that a contradiction, and no weight, must refuse it.

    Raises:
        InputError: fewer than FEWEST rows have findings, or all are of one person.
    """
    rated = [row for row in rows if row.known_findings() is not None]
    people = sorted({row.patient for row in rated})
    if len(rated) < FEWEST or len(people) < 2:
        raise InputError(
            f"{len(rated)} rows of {len(people)} people have findings; at least {FEWEST} of two people are needed."
        )
    refused = [row for row in negatives if row.kind != SAME_PART and row.known_findings() is not None]
    weights, ratios = {}, {}
    for place in PLACES:
        weights[place] = tuple(round(weight, WEIGHT_DIGITS) for weight in _fitted(rated, refused, place))
        without = {person: _fitted([r for r in rated if r.patient != person], refused, place) for person in people}
        found = [(_kind(row), _error(row, place) / _scale(row, place, without[row.patient])) for row in rated]
        ratios[place] = {kind: _quantiles(found, kind) for kind in KINDS}
    return Constants(weights, ratios)


def written(constants: Constants) -> str:
    """The constants as the file of `SSPELib.registration` that holds them."""
    lines = ['"""Made by `sspe benchmark calibrate`; see `confidence`."""', ""]
    lines += ["# Of the scale of the error, by place; the features are those of `confidence.features`.", "WEIGHTS = {"]
    for place, values in constants.weights.items():
        lines.append(f'    "{place}": ({", ".join(f"{value:.{WEIGHT_DIGITS}f}" for value in values)}),')
    lines += ["}", "# Of errors to that scale, by place and kind of overlap: half keep the first, 9 of 10 the second."]
    lines += ["RATIOS = {"]
    for place, kinds in constants.ratios.items():
        pairs = ", ".join(
            f'"{kind}": ({half:.{RATIO_DIGITS}f}, {most:.{RATIO_DIGITS}f})' for kind, (half, most) in kinds.items()
        )
        lines.append(f'    "{place}": {{{pairs}}},')
    return "\n".join([*lines, "}", ""])


def judged(row: AnyRow, constants: Constants) -> AnyRow:
    """A row of any benchmark with what constants say of its findings, as if it had been made with them."""
    findings = row.known_findings()
    if findings is None:
        return row
    said = judge(findings, TOLERANCE_MM, constants)
    return replace(
        row,
        expected_error_mm=round(said.body.expected_mm, 3),
        error_bound_mm=round(said.body.bound_mm, 3),
        junction_bound_mm=round(said.junction.bound_mm, 3),
        far_bound_mm=round(said.far_end.bound_mm, 3),
        reliable=str(said.reliable).lower(),
    )


def judged_by_others(rows: Sequence[Row], negatives: Sequence[NegativeRow] = ()) -> list[Row]:
    """Each row with what constants say of it that were made without its person; see `calibrate`."""
    made = {
        person: calibrate([row for row in rows if row.patient != person], negatives)
        for person in {row.patient for row in rows}
    }
    return [judged(row, made[row.patient]) for row in rows]


def draw_bounds(rows: Sequence[Row], path: Path) -> None:
    """Errors against their bounds, by overlap; 9 of 10 lie below the line. Written as PNG or SVG."""
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(6, 6), layout="constrained")
    axes = drawing.subplots()
    limits = (SMALLEST_ERROR_MM, LARGEST_SCALE_MM)
    axes.plot(limits, limits, color="gray", linewidth=1)
    for overlap in sorted({row.overlap_mm for row in rows}):
        chosen = [row for row in rows if row.overlap_mm == overlap and np.isfinite(row.error_bound_mm)]
        axes.plot([r.error_bound_mm for r in chosen], [r.error_mm for r in chosen], "o", label=f"{overlap:g} mm")
    axes.set(xlabel="bound, mm", ylabel="error, mm", xscale="log", yscale="log", xlim=limits, ylim=limits)
    axes.legend(title="overlap")
    axes.grid(alpha=0.3)
    drawing.savefig(path, dpi=120)


def _fitted(rows: Sequence[Row], negatives: Sequence[NegativeRow], place: str) -> tuple[float, ...]:
    """Weights (n,) of the features at a place."""
    from scipy.optimize import minimize

    inputs = np.array([features(_known(row), place) for row in (*rows, *negatives)])
    wanted = np.log([*(_error(row, place) for row in rows), *([LARGEST_SCALE_MM] * len(negatives))])
    share = np.array([1.0] * len(rows) + [NEGATIVE_WEIGHT] * len(negatives))

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Huber's loss with a ridge, and its gradient."""
        off = inputs @ weights - wanted
        near = np.clip(off, -HUBER_LOG, HUBER_LOG)
        ridge = RIDGE * np.append(0.0, weights[1:])
        value = (share * near * (off - 0.5 * near)).sum() / share.sum() + ridge @ weights
        return float(value), (share * near) @ inputs / share.sum() + 2 * ridge

    bounds = [(None, None)] + [(0.0, None)] * (inputs.shape[1] - 1)
    found = minimize(loss, np.full(inputs.shape[1], 0.1), jac=True, method="L-BFGS-B", bounds=bounds).x
    return tuple(float(weight) for weight in found)


def _quantiles(ratios: Sequence[tuple[str, float]], kind: str) -> tuple[float, float]:
    """What half and KEPT_SHARE of new cases of a kind keep, of ratios of known ones; of all where the kind is rare."""
    own = [ratio for one, ratio in ratios if one == kind]
    chosen = np.sort(own if len(own) >= OWN_FROM else [ratio for _, ratio in ratios])
    half, most = (int(np.ceil((len(chosen) + 1) * share)) - 1 for share in (0.5, KEPT_SHARE))
    most = min(most, len(chosen) - 1)
    return round(float(chosen[half]), RATIO_DIGITS), round(float(chosen[most]), RATIO_DIGITS)


def _known(row: Outcome) -> Findings:
    findings = row.known_findings()
    assert findings is not None
    return findings


def _kind(row: Row) -> str:
    return kind_of(_known(row))


def _error(row: Row, place: str) -> float:
    return float(np.clip(getattr(row, ERROR_OF[place]), SMALLEST_ERROR_MM, LARGEST_SCALE_MM))


def _scale(row: Row, place: str, weights: tuple[float, ...]) -> float:
    return scale_mm(_known(row), place, weights)
