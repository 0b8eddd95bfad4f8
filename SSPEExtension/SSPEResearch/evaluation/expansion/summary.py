"""What the rows of an expansion benchmark say: means over patients with intervals, paired tests, error by step."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap, wilcoxon

from .cases import NAN, WINDOW_HU, Row
from .continuations import NearestPatient, RepeatedEdge
from .regions import REGIONS

RESAMPLES = 9999
SEED = 0
REPEATED = RepeatedEdge.name
BASELINES = (REPEATED, NearestPatient.name)
MEASURES = {
    "mae": "MAE",
    "psnr": "PSNR",
    "rmse": "RMSE",
    "ssim": "SSIM",
    "body_mae_hu": "new slices, body MAE, HU",
    "new_ssim": "new slices, SSIM",
    "gradient": "new slices, gradient over truth's",
    "patches": "new slices, patch distance, HU",
}
TESTED = ("mae", "psnr", "rmse", "ssim", "body_mae_hu")
# Table 1 of the paper, for comparison: other data, 60 or so held-out scans.
PAPER = {
    "ResGAN": ("8.23 ± 8.03", "26.87 ± 5.68", "14.50 ± 11.09", "0.81 ± 0.11"),
    "TransGAN": ("7.74 ± 8.09", "27.36 ± 5.88", "14.07 ± 11.59", "0.82 ± 0.12"),
    "TransResGAN": ("8.01 ± 7.69", "26.77 ± 5.31", "14.42 ± 10.91", "0.81 ± 0.11"),
    "lambda-ResGAN": ("4.13 ± 2.09", "30.18 ± 4.52", "8.88 ± 3.83", "0.88 ± 0.04"),
    "lambda-TransGAN": ("4.27 ± 2.27", "30.19 ± 4.70", "8.96 ± 3.97", "0.88 ± 0.04"),
    "lambda-TransResGAN": ("4.76 ± 2.26", "29.57 ± 4.61", "9.56 ± 4.05", "0.87 ± 0.04"),
}


def by_patient(rows: Sequence[Row], measure: str) -> dict[str, float]:
    """Mean of a measure over the cases of every patient."""
    patients = dict.fromkeys(row.patient for row in rows)
    values = {
        patient: np.array([getattr(row, measure) for row in rows if row.patient == patient]) for patient in patients
    }
    # A patient whose volume shows too little for a measure has none.
    return {patient: float(np.nanmean(own)) if np.isfinite(own).any() else NAN for patient, own in values.items()}


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """95 % bootstrap interval of a mean; the value itself where there is only one."""
    if len(values) < 2:
        return float(values.mean()), float(values.mean())
    found = bootstrap(
        (values,), np.mean, n_resamples=RESAMPLES, method="percentile", random_state=np.random.default_rng(SEED)
    ).confidence_interval
    return float(found.low), float(found.high)


def paired_test(rows: Sequence[Row], one: str, other: str, measure: str) -> tuple[float, float]:
    """Mean difference of two systems over patients, and p of Wilcoxon's signed-rank test (two-sided)."""
    first, second = (by_patient([row for row in rows if row.system == name], measure) for name in (one, other))
    differences = np.array([first[patient] - second[patient] for patient in first if patient in second])
    p = float(wilcoxon(differences).pvalue) if np.any(differences != 0) else 1.0
    return float(differences.mean()), p


def markdown(rows: Sequence[Row], models: Sequence[str], command: str) -> str:
    """The report of a benchmark: tables beside the paper's, both directions, steps, paired tests.

    Args:
        rows: all rows.
        models: names of the systems with a network, which are tested against each other.
        command: what made the rows, to be repeated.
    """
    distances = list(dict.fromkeys(row.purpose for row in rows if row.purpose != "steps"))
    lines = ["# Expansion of hidden slices", "", "Made by", "", "```", command, "```", ""]
    for purpose in distances:
        lines += _overview([row for row in rows if row.purpose == purpose], purpose)
        lines += _by_region([row for row in rows if row.purpose == purpose], purpose)
    lines += _steps([row for row in rows if row.purpose == "steps"])
    if len(models) > 1 and distances:
        lines += _tests([row for row in rows if row.purpose == distances[0]], models, distances[0])
    return "\n".join(lines)


def _overview(rows: list[Row], purpose: str) -> list[str]:
    patients = len({row.patient for row in rows})
    low, high = WINDOW_HU
    lines = [
        f"## {purpose} hidden",
        "",
        f"{patients} patients, {len({row.case for row in rows})} cases: both directions, cut at the end "
        "and in the middle. Mean ± standard deviation over patients, each the mean of its cases, with the 95 % "
        "bootstrap interval of the mean. MAE, PSNR, RMSE and SSIM: whole scope one step on, working grid, "
        f"{low:g} to {high:g} HU scaled to [0, 255]; what the paper's Table 1 says of the same system, on its own "
        "data, in a row below. The last columns: hidden slices alone on the volume's own grid; against repeating the "
        "edge slice (ratio of the mean errors; share of cases with a lower error), and share of cases whose SSIM is "
        "above that of every baseline. The gradient is sharpness: its mean magnitude over the truth's; 1 is best. "
        "Patch distance: sliced Wasserstein distance of patches of 7 x 7 voxels in three planes, without their means, "
        "from those of the truth; it needs no trained network and is no FID.",
        "",
        f"| system | direction | {' | '.join(MEASURES.values())} | ratio to repeating | better, % | "
        "SSIM above baselines, % |",
        "|---" * (len(MEASURES) + 5) + "|",
    ]
    for system in dict.fromkeys(row.system for row in rows):
        for direction in ("both", "inferior", "superior"):
            own = [row for row in rows if row.system == system and direction in ("both", row.end)]
            if not own:
                continue
            cells = [_cell(own, measure, with_interval=direction == "both") for measure in MEASURES]
            ratio, better = _against_repeating(rows, own)
            more_alike = "" if system in BASELINES else f"{_more_alike(rows, own):.0f}"
            lines.append(
                f"| {system} | {direction} | {' | '.join(cells)} | {ratio:.3f} | {better:.0f} | {more_alike} |"
            )
        if system in PAPER:
            rest = len(MEASURES) - len(PAPER[system]) + 3
            lines.append(f"| paper, {system} | one | {' | '.join(PAPER[system])} {'| ' * rest}|")
    return [*lines, ""]


def _by_region(rows: list[Row], purpose: str) -> list[str]:
    """New slices by the region that they show and the direction of growth."""
    lines = [
        f"### {purpose} by region",
        "",
        "Region of most of the hidden slices, found by a rule (lung, bone, size, order). Means over cases.",
        "",
        "| region | direction | cases | system | body MAE, HU | ratio to repeating | better, % | "
        "gradient over truth's | patch distance, HU |",
        "|---" * 9 + "|",
    ]
    for region in reversed(REGIONS):
        for direction in ("inferior", "superior"):
            there = [row for row in rows if row.region == region and row.end == direction]
            for system in dict.fromkeys(row.system for row in there):
                own = [row for row in there if row.system == system]
                ratio, better = _against_repeating(rows, own)
                error, gradient, patches = (
                    np.nanmean([getattr(row, name) for row in own]) for name in ("body_mae_hu", "gradient", "patches")
                )
                lines.append(
                    f"| {region} | {direction} | {len(own)} | {system} | {error:.0f} | {ratio:.3f} | {better:.0f} | "
                    f"{gradient:.2f} | {patches:.1f} |"
                )
    return [*lines, ""]


def _cell(rows: list[Row], measure: str, with_interval: bool) -> str:
    values = np.array(list(by_patient(rows, measure).values()))
    values = values[np.isfinite(values)]
    if not values.size:
        return ""
    digits = {"ssim": 3, "new_ssim": 3, "body_mae_hu": 0, "patches": 1}.get(measure, 2)
    spread = float(values.std(ddof=1)) if values.size > 1 else 0.0
    text = f"{values.mean():.{digits}f} ± {spread:.{digits}f}"
    if not with_interval:
        return text
    low, high = interval(values)
    return f"{text} [{low:.{digits}f}, {high:.{digits}f}]"


def _against_repeating(rows: list[Row], own: list[Row]) -> tuple[float, float]:
    """Ratio of the mean errors and share of cases better than repeating the edge slice, %."""
    repeated = {row.case: row.body_mae_hu for row in rows if row.system == REPEATED}
    errors = np.array([row.body_mae_hu for row in own])
    others = np.array([repeated[row.case] for row in own])
    return float(errors.mean() / others.mean()), float(100 * np.mean(errors < others))


def _more_alike(rows: list[Row], own: list[Row]) -> float:
    """Share of cases whose new slices have a higher SSIM than those of every baseline, %."""
    best: dict[tuple[str, str, str], float] = {}
    for row in rows:
        if row.system in BASELINES:
            best[row.case] = max(best.get(row.case, -1.0), row.new_ssim)
    return float(100 * np.mean([row.new_ssim > best[row.case] for row in own]))


def _steps(rows: list[Row]) -> list[str]:
    if not rows:
        return []
    lines = [
        "## Error and gradient by step",
        "",
        "Body MAE in HU of the hidden slices, and their gradient over the truth's, by step from the edge, each case as "
        "many steps as its volume is long enough for. Mean over the cases, their number in brackets.",
        "",
        "| system | step 1 | step 2 | step 3 | step 4 |",
        "|---|---|---|---|---|",
    ]
    gradients = step_curves(rows, "gradients")
    for system, curve in step_curves(rows).items():
        both = zip(curve, gradients[system], strict=True)
        cells = [f"{error:.0f}, {gradient:.2f} ({count})" if count else "" for (error, count), (gradient, _) in both]
        lines.append(f"| {system} | {' | '.join(cells)} |")
    return [*lines, ""]


def step_curves(
    rows: Sequence[Row], what: Literal["steps", "gradients"] = "steps"
) -> dict[str, list[tuple[float, int]]]:
    """Mean error in HU, or mean gradient over the truth's, and number of cases at every step, by system."""
    curves: dict[str, list[tuple[float, int]]] = {}
    for system in dict.fromkeys(row.system for row in rows):
        table = np.array([getattr(row, what) for row in rows if row.system == system])
        counts = np.isfinite(table).sum(axis=0)
        curves[system] = [
            (float(np.nanmean(table[:, step])) if count else float("nan"), int(count))
            for step, count in enumerate(counts)
        ]
    return curves


def _tests(rows: list[Row], models: Sequence[str], purpose: str) -> list[str]:
    lines = [
        f"## Paired tests, {purpose}",
        "",
        "Mean difference (first minus second) over patients and p of Wilcoxon's signed-rank test, two-sided, not "
        "corrected for the number of tests.",
        "",
        f"| first | second | {' | '.join(MEASURES[measure] for measure in TESTED)} |",
        "|---" * (len(TESTED) + 2) + "|",
    ]
    for one, other in combinations(models, 2):
        cells = []
        for measure in TESTED:
            difference, p = paired_test(rows, one, other, measure)
            cells.append(f"{difference:+.3f}, p = {p:.2g}")
        lines.append(f"| {one} | {other} | {' | '.join(cells)} |")
    return [*lines, ""]
