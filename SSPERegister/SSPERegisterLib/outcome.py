"""The result of a registration in a clinician's words; a result that cannot be relied on is impossible to overlook."""

from __future__ import annotations

import html
import math
from typing import Any

from slicer.i18n import tr as _

from SSPELib import colors
from SSPELib.options import RegisterOptions
from SSPELib.registration.confidence import doubt


def describe(result: dict[str, Any]) -> str:
    """Rich text: reliable or not on a colored bar, why, the figures behind it, and what they do not mean."""
    metric, name = f"{result['metric']:.2f}", result["metric_name"]
    rows = [
        (_("Real overlap"), _overlap(result["overlap_mm"])),
        (
            _("Similarity"),
            _("{value} of 1 ({name})").format(value=metric, name=name),
        ),
        (_("Transform"), _transform(result)),
    ]
    table = "".join(
        f'<tr><td style="padding-right:12px">{html.escape(title)}</td><td>{html.escape(value)}</td></tr>'
        for title, value in rows
    )
    reasons = "".join(f"<p>{html.escape(reason)}</p>" for reason in result["reasons"])
    meaning = _(
        "The error is SSPE's own estimate, learned from people whose true alignment is known. It is no measurement and "
        "can be wrong: check every alignment by eye."
    )
    figures = f'<table style="margin-top:8px">{table}</table>'
    error = f"<p><b>{html.escape(result['error_sentence'])}.</b></p>"
    return f"{_bar(result)}{error}{reasons}{figures}<p><i>{html.escape(meaning)}</i></p>"


def verdict(reliable: bool | None, toleranceMm: float | None = None) -> str:
    """The verdict in one line; None where the alignment is not of SSPE."""
    if reliable is None:
        return _("No verdict: SSPE has not found this alignment")
    if not reliable:
        return _("NOT RELIABLE: do not use this alignment unchecked")
    return _("Reliable") if toleranceMm is None else _("Reliable within {mm} mm").format(mm=f"{toleranceMm:g}")


def judgedBy(result: dict[str, Any], toleranceMm: float) -> dict[str, Any]:
    """The same result, judged by another tolerance in mm; a result of an earlier version keeps its verdict."""
    if toleranceMm == toleranceOf(result) or "reliable_from_mm" not in result:
        return result
    reliable = result["reliable_from_mm"] <= toleranceMm
    reasons = [reason for reason in result["reasons"] if reason != doubt(toleranceOf(result))]
    if not reliable and math.isfinite(result["reliable_from_mm"]):
        reasons.append(doubt(toleranceMm))
    return {**result, "tolerance_mm": toleranceMm, "reliable": reliable, "reasons": reasons}


def toleranceOf(result: dict[str, Any]) -> float:
    """The tolerance in mm that a result was judged by."""
    return float(result.get("tolerance_mm", RegisterOptions.tolerance_mm))


def _bar(result: dict[str, Any]) -> str:
    color = colors.RELIABLE if result["reliable"] else colors.UNRELIABLE
    sign = "✓" if result["reliable"] else "⚠"
    text = f'<b><font color="#ffffff">{sign} {html.escape(verdict(result["reliable"], toleranceOf(result)))}</font></b>'
    return f'<table width="100%" bgcolor="{color}" cellpadding="6"><tr><td>{text}</td></tr></table>'


def _overlap(overlapMm: float) -> str:
    if overlapMm < 0:
        return _("none (gap of {gap} mm)").format(gap=f"{-overlapMm:.0f}")
    return _("{overlap} mm").format(overlap=f"{overlapMm:.0f}")


def _transform(result: dict[str, Any]) -> str:
    kinds = {"rigid": _("rigid"), "affine": _("affine")}
    kind = kinds[result["transform_type"]]
    seconds = f"{result['seconds']:.0f}"
    if result["backend"] == "evidence":
        return _("{kind}, by the search alone, in {seconds} s").format(kind=kind, seconds=seconds)
    text = _("{kind}, refined with {backend}, in {seconds} s")
    return text.format(kind=kind, backend=result["backend"], seconds=seconds)
