"""The result of a registration in a clinician's words."""

from __future__ import annotations

import html
from typing import Any

from slicer.i18n import tr as _

GOOD_COLOR, DOUBTFUL_COLOR = "#2e7d32", "#b26a00"


def describe(result: dict[str, Any]) -> str:
    """Rich text: reliable or not, why, and the figures behind it."""
    color = GOOD_COLOR if result["reliable"] else DOUBTFUL_COLOR
    verdict = _("Reliable") if result["reliable"] else _("Doubtful: check it by eye")
    rows = [
        (_("Confidence"), f"{100 * result['confidence']:.0f} %"),
        (_("Real overlap"), _overlap(result["overlap_mm"])),
        (_("Similarity"), f"{result['metric']:.2f} ({result['metric_name']})"),
        (_("Transform"), f"{_(result['transform_type'])}, {result['backend']}, {result['seconds']:.0f} s"),
    ]
    table = "".join(
        f'<tr><td style="padding-right:12px">{html.escape(name)}</td><td>{html.escape(value)}</td></tr>'
        for name, value in rows
    )
    reasons = "".join(f"<p>{html.escape(reason)}</p>" for reason in result["reasons"])
    return f'<p style="color:{color}"><b>{html.escape(verdict)}</b></p>{reasons}<table>{table}</table>'


def _overlap(overlapMm: float) -> str:
    if overlapMm < 0:
        return _("none: a gap of {gap} mm").format(gap=f"{-overlapMm:.0f}")
    return f"{overlapMm:.0f} mm"
