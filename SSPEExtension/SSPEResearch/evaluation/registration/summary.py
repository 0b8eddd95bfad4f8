"""What a registration benchmark says: shares of success with intervals, medians, detection of failures, a figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from SSPELib.options import RegisterOptions

from .run import Row
from .scans import SCANS

LIMITS_MM = (2.0, 3.0, 5.0, 10.0, 15.0)
FAILED_MM = 1000.0
SUCCESS_MM = 10.0
# A result is called reliable where its bound is at most this.
TOLERANCE_MM: float = RegisterOptions.option("tolerance_mm").default
# The system that the others are tested against.
OURS = "SSPE"
# Two-sided 95 % of the normal distribution.
Z = 1.959963984540054


@dataclass(frozen=True)
class Group:
    """Rows of one system at one overlap and start, of second scans made in one way."""

    system: str
    start: str
    scan: str
    variant: str
    overlap_mm: float
    errors: NDArray[np.float64]
    seconds: NDArray[np.float64]

    def share_below(self, limit_mm: float) -> tuple[float, float, float]:
        """Share of cases with an error below a limit, and its 95 % interval (Wilson), 0 to 1."""
        return wilson(int((self.errors < limit_mm).sum()), self.errors.size)

    @property
    def median_mm(self) -> float:
        """Median error; a failed case counts as far off."""
        return float(np.median(self.errors))


def wilson(hits: int, count: int) -> tuple[float, float, float]:
    """Share and Wilson's 95 % interval."""
    share = hits / count
    middle = share + Z * Z / (2 * count)
    half = Z * np.sqrt(share * (1 - share) / count + Z * Z / (4 * count * count))
    scale = 1 + Z * Z / count
    return share, max(0.0, float((middle - half) / scale)), min(1.0, float((middle + half) / scale))


def groups(rows: Sequence[Row]) -> list[Group]:
    """Rows by system, start, scan, variant and overlap; rescanned parts first, overlaps ascending."""
    found = []
    for key in dict.fromkeys(_group(row) for row in rows):
        chosen = [row for row in rows if _group(row) == key]
        errors = np.nan_to_num(np.array([row.error_mm for row in chosen]), nan=FAILED_MM)
        found.append(Group(*key, errors, np.array([row.seconds for row in chosen])))
    order: dict[str, int] = {scan: number for number, scan in enumerate(SCANS)}
    return sorted(found, key=lambda g: (g.start, order.get(g.scan, 0), g.variant, g.system, g.overlap_mm))


def _group(row: Row) -> tuple[str, str, str, str, float]:
    return row.system, row.start, row.scan, row.variant, row.overlap_mm


def area_under_curve(rows: Sequence[Row], limit_mm: float = SUCCESS_MM) -> float:
    """Probability that a case with an error above a limit has a larger bound than one below it; NaN without both.

    Cases without a bound are left out.
    """
    rated = [row for row in rows if not np.isnan(row.error_bound_mm)]
    bound = np.array([row.error_bound_mm for row in rated])
    good = np.array([row.error_mm < limit_mm for row in rated], dtype=bool)
    if not good.any() or good.all():
        return float("nan")
    bad_bound, good_bound = np.meshgrid(bound[~good], bound[good])
    return float(((bad_bound > good_bound) + 0.5 * (bad_bound == good_bound)).mean())


def sign_test(rows: Sequence[Row], one: str, other: str, overlap_mm: float, limit_mm: float) -> tuple[int, int, float]:
    """Cases that only one of two systems solves below a limit, and the two-sided exact p of such a difference.

    Returns:
        Solved by the first alone, by the second alone, p (McNemar's exact test).
    """
    pairs = _pairs([row for row in rows if row.overlap_mm == overlap_mm], one, other)
    solved = [(first.error_mm < limit_mm, second.error_mm < limit_mm) for first, second in pairs]
    first_alone, second_alone = solved.count((True, False)), solved.count((False, True))
    return first_alone, second_alone, _binomial_two_sided(min(first_alone, second_alone), first_alone + second_alone)


def _pairs(rows: Sequence[Row], one: str, other: str) -> list[tuple[Row, Row]]:
    """The rows of two systems on the cases that both were given."""
    theirs = {row.key[1:]: row for row in rows if row.system == other}
    return [(row, theirs[row.key[1:]]) for row in rows if row.system == one and row.key[1:] in theirs]


def _binomial_two_sided(less: int, count: int) -> float:
    terms = [1.0]
    for k in range(less):
        terms.append(terms[-1] * (count - k) / (k + 1))
    return min(1.0, 2.0 * sum(terms) / 2.0**count) if count else 1.0


def markdown(rows: Sequence[Row]) -> str:
    """The table of a benchmark, 95 % intervals in brackets, and how well failures were known."""
    limits = " | ".join(f"< {limit:g} mm, %" for limit in LIMITS_MM)
    lines = [
        f"| start | scan | variant | system | overlap, mm | cases | {limits} | median, mm | seconds |",
        "|---" * (8 + len(LIMITS_MM)) + "|",
    ]
    for group in groups(rows):
        shares = []
        for limit in LIMITS_MM:
            shares.append(_percent(int((group.errors < limit).sum()), group.errors.size))
        median = "no result" if group.median_mm >= FAILED_MM else f"{group.median_mm:.1f}"
        lines.append(
            f"| {group.start} | {group.scan} | {group.variant} | {group.system} | {group.overlap_mm:g} | "
            f"{group.errors.size} | "
            f"{' | '.join(shares)} | {median} | {np.median(group.seconds):.1f} |"
        )
    return "\n".join([*lines, *_bounds(rows), *_comparisons(rows)]) + "\n"


def _bounds(rows: Sequence[Row]) -> list[str]:
    """Lines of a table that tells how true the errors are that systems say of their own results."""
    found = []
    for key in dict.fromkeys(_group(row) for row in rows if not np.isnan(row.error_bound_mm)):
        own = [row for row in rows if _group(row) == key]
        kept = [sum(e <= b for e, b in pairs) for pairs in _by_place(own)]
        trusted = [row for row in own if row.reliable == "true"]
        right = sum(row.error_mm <= TOLERANCE_MM for row in trusted)
        median = np.median([row.error_bound_mm for row in own])
        system, start, scan, variant, overlap = key
        found.append(
            f"| {start} | {scan} | {variant} | {system} | {overlap:g} | {len(own)} | "
            f"{' | '.join(_percent(count, len(own)) for count in kept)} | {median:.1f} | "
            f"{_percent(len(trusted), len(own))} | {_percent(right, len(trusted)) if trusted else '-'} |"
        )
    if not found:
        return []
    area = area_under_curve([row for row in rows if row.system == OURS])
    told = (
        ""
        if np.isnan(area)
        else f" Area under the ROC curve of the bound for errors above {SUCCESS_MM:g} mm: {area:.3f}."
    )
    return [
        "",
        "What results say of themselves: share of errors within their bound (90 % are meant to be), and share called "
        f"reliable (bound at most {TOLERANCE_MM:g} mm).{told}",
        "",
        "| start | scan | variant | system | overlap, mm | cases | within bound, % | at the junction, % | "
        f"at the far end, % | median bound, mm | reliable, % | of these within {TOLERANCE_MM:g} mm, % |",
        "|---" * 12 + "|",
        *found,
    ]


def _by_place(rows: Sequence[Row]) -> list[list[tuple[float, float]]]:
    """Errors and their bounds, of the whole body, the junction and the far end."""
    return [
        [(row.error_mm, row.error_bound_mm) for row in rows],
        [(row.junction_error_mm, row.junction_bound_mm) for row in rows],
        [(row.far_error_mm, row.far_bound_mm) for row in rows],
    ]


def _percent(hits: int, count: int) -> str:
    share, low, high = wilson(hits, count)
    return f"{100 * share:.0f} [{100 * low:.0f}, {100 * high:.0f}]"


def _comparisons(rows: Sequence[Row]) -> list[str]:
    """Lines of a table that tests SSPE against each other system, overlap by overlap."""
    others = dict.fromkeys(row.system for row in rows if row.system != OURS)
    found = []
    for other in others:
        for overlap in sorted({first.overlap_mm for first, _ in _pairs(rows, OURS, other)}):
            alone, other_alone, p = sign_test(rows, OURS, other, overlap, SUCCESS_MM)
            found.append(f"| {overlap:g} | {other} | {alone} | {other_alone} | {p:.2g} |")
    if not found:
        return []
    return [
        "",
        f"Errors below {SUCCESS_MM:g} mm on the same cases, all starts, scans and variants (McNemar's exact test):",
        "",
        f"| overlap, mm | {OURS} against | {OURS} alone | the other alone | p |",
        "|---|---|---|---|---|",
        *found,
    ]


def draw(rows: Sequence[Row], path: Path) -> None:
    """Success below 5 and 10 mm, median error and time against overlap, a column per start; written as PNG or SVG."""
    from matplotlib.figure import Figure

    everything = groups(rows)
    starts = list(dict.fromkeys(row.start for row in rows))
    drawing = Figure(figsize=(5.5 * len(starts), 12), layout="constrained")
    axes = drawing.subplots(4, len(starts), squeeze=False, sharex=True, sharey="row")
    # Columns may hold different systems; one has the same color in all.
    kinds = list(dict.fromkeys((group.system, group.scan, group.variant) for group in everything))
    titles = ("below 5 mm, %", "below 10 mm, %", "median error, mm", "median time, s")
    for column, start in enumerate(starts):
        chosen = [group for group in everything if group.start == start]
        for system in dict.fromkeys((group.system, group.scan, group.variant) for group in chosen):
            own = [group for group in chosen if (group.system, group.scan, group.variant) == system]
            x = [group.overlap_mm for group in own]
            color = f"C{kinds.index(system)}"
            label = ", ".join(system[:2] if system[2] == "plain" else system)
            for panel, limit in enumerate((5.0, 10.0)):
                shares = np.array([group.share_below(limit) for group in own]) * 100
                axes[panel, column].plot(x, shares[:, 0], "o-", color=color, label=label)
                axes[panel, column].fill_between(x, shares[:, 1], shares[:, 2], color=color, alpha=0.12)
            axes[2, column].plot(x, [min(group.median_mm, 300.0) for group in own], "o-", color=color)
            axes[3, column].plot(x, [float(np.median(group.seconds)) for group in own], "o-", color=color)
        axes[0, column].set_title(f"{start} start")
        axes[2, column].set_yscale("log")
        axes[3, column].set_yscale("log")
        axes[3, column].set_xlabel("overlap, mm (negative: gap)")
        for panel, title in enumerate(titles):
            axes[panel, column].set_ylabel(title)
            axes[panel, column].grid(alpha=0.3)
    lines = {str(line.get_label()): line for axis in axes[0] for line in axis.get_lines()}
    drawing.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=2 * len(starts), fontsize=8)
    drawing.savefig(path, dpi=120)
