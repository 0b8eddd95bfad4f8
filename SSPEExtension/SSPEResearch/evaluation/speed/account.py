"""A run as JSON, as tables and as a figure, and against an older one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from SSPELib import colors
from SSPELib.errors import InputError
from SSPELib.stages import STAGES

from .process import ELSEWHERE, Measured
from .run import PARTS, Speed


def as_json(speed: Speed) -> str:
    """The run with full precision."""
    rows = {part: [asdict(row) for row in rows] for part, rows in speed.rows.items()}
    return json.dumps({"machine": speed.machine, "rows": rows}, indent=1)


def from_json(path: Path) -> Speed:
    """Read what `as_json` wrote.

    Raises:
        InputError: it is not such a file.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        rows = {part: [Measured(**row) for row in found["rows"].get(part, [])] for part in PARTS}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is not the JSON file of an earlier sspe benchmark speed; choose that.") from error
    return Speed(found["machine"], {part: measured for part, measured in rows.items() if measured})


@dataclass(frozen=True)
class Change:
    """A row then and now; ratio is that of the seconds, infinite where it fails now."""

    name: str
    before: Measured
    now: Measured

    @property
    def ratio(self) -> float:
        """Seconds now over seconds before."""
        return float("inf") if self.now.failure else self.now.seconds / self.before.seconds


def changes(before: Speed, now: Speed) -> list[Change]:
    """The rows that both runs have and that did not fail before."""
    older = before.by_name()
    return [
        Change(name, older[name], row)
        for name, row in now.by_name().items()
        if name in older and not older[name].failure
    ]


def told_changes(found: Sequence[Change], factor: float) -> str:
    """A table of changes; those slower by more than a factor are marked."""
    lines = ["| | before, s | now, s | ratio | memory before, GiB | now, GiB |", "|---" * 6 + "|"]
    for change in found:
        mark = " SLOWER" if change.ratio > factor else ""
        before, now = change.before, change.now
        lines.append(
            f"| {change.name} | {before.seconds:.2f} | {now.seconds:.2f} | {change.ratio:.2f}{mark} | "
            f"{before.memory_gib:.2f} | {now.memory_gib:.2f} |"
        )
    return "\n".join(lines)


def markdown(speed: Speed) -> str:
    """Tables of a run."""
    lines = [", ".join(f"{key}: {value}" for key, value in speed.machine.items()), ""]
    whole = [*speed.rows.get("commands", []), *speed.rows.get("peers", [])]
    if whole:
        lines += [*_processes(whole), ""]
    if "network" in speed.rows:
        lines += [*_networks(speed.rows["network"]), ""]
    if "growth" in speed.rows:
        lines += [*_processes(speed.rows["growth"]), ""]
    lines += [f"- {row.name} failed: {row.failure}" for row in speed.failed]
    return "\n".join(lines).rstrip() + "\n"


def _processes(rows: Sequence[Measured]) -> list[str]:
    used = _stages(rows)
    head = ["", "seconds", "until the answer", "of CPU", "memory, GiB", *used]
    if any(row.device_memory_gib for row in rows):
        head.insert(5, "on the GPU, GiB")
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for row in rows:
        if row.failure:
            continue
        answer = f"{row.answer_seconds:.2f}" if row.answer_seconds else ""
        cells = [row.name, f"{row.seconds:.2f}", answer, f"{row.cpu_seconds:.2f}", f"{row.memory_gib:.2f}"]
        if len(head) > 5 + len(used):
            cells.append(f"{row.device_memory_gib:.2f}")
        cells += [f"{row.stages[name]:.2f}" if name in row.stages else "" for name in used]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _networks(rows: Sequence[Measured]) -> list[str]:
    lines = [
        "| scope | plain float32, s | SSPE, s | times faster | limit, s | times the limit | memory, GiB | "
        "float32 and bfloat16 matrix rate, GFLOP/s |",
        "|---" * 8 + "|",
    ]
    by_size: dict[str, dict[str, Measured]] = {}
    for row in rows:
        way, size = row.name.split(" ", 1)
        by_size.setdefault(size, {})[way] = row
    for size, ways in by_size.items():
        if any(row.failure for row in ways.values()) or len(ways) < 2:
            continue
        plain, ours = ways["plain"].result, ways["sspe"].result
        limit = network_limit_s(ours)
        lines.append(
            f"| {size} | {plain['seconds']:.2f} | {ours['seconds']:.2f} | {plain['seconds'] / ours['seconds']:.1f} | "
            f"{limit:.2f} | {ours['seconds'] / limit:.1f} | {ways['sspe'].memory_gib:.2f} | "
            f"{ours['float32_rate']:.0f}, {ours['bfloat16_rate']:.0f} |"
        )
    return lines


def network_limit_s(result: dict[str, Any]) -> float:
    """Seconds in which a pass would be done at the higher rate of a matrix product in the same process."""
    return float(result["gflop"] / max(result["float32_rate"], result["bfloat16_rate"]))


def draw(speed: Speed, path: Path) -> None:
    """Bars by stage of whole processes, and growth where that was measured, as a figure."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    whole = [row for part in ("commands", "peers", "growth") for row in speed.rows.get(part, []) if not row.failure]
    figure = Figure(figsize=(9, 1.6 + 0.3 * len(whole)), layout="constrained")
    bars, memory = figure.subplots(1, 2, sharey=True, width_ratios=[3, 1])
    names = [row.name for row in whole]
    left = [0.0] * len(whole)
    for number, stage in enumerate(_stages(whole)):
        widths = [max(row.stages.get(stage, 0.0), 0.0) for row in whole]
        color = colors.MUTED if stage == ELSEWHERE else colormaps["tab20"](number % 20)
        bars.barh(names, widths, left=left, label=stage, color=color)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    memory.barh(names, [row.memory_gib for row in whole], color=colors.MUTED)
    # Other programs take many times as long: their bars end at the edge, with their seconds.
    own = [row.seconds for part in ("commands", "growth") for row in speed.rows.get(part, []) if not row.failure]
    if own:
        edge = 1.1 * max(own)
        bars.set_xlim(0, edge)
        for row in whole:
            if row.seconds > edge:
                bars.text(edge, row.name, f"{row.seconds:.0f} s ", ha="right", va="center", fontsize="small")
    bars.invert_yaxis()
    bars.set_xlabel("seconds of a whole process")
    memory.set_xlabel("highest memory, GiB")
    figure.legend(*bars.get_legend_handles_labels(), loc="outside upper center", ncols=6, fontsize="small")
    figure.savefig(path, dpi=120)


def _stages(rows: Sequence[Measured]) -> list[str]:
    """The stages that any row has, in the order of the work."""
    return [name for name in (*STAGES, ELSEWHERE) if any(name in row.stages for row in rows)]
