"""The result of a registration in a clinician's words; a result that cannot be relied on is impossible to overlook."""

from __future__ import annotations

import html
from typing import Any

from slicer.i18n import tr as _

from SSPELib import colors


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
    return f"{_bar(result['reliable'])}{error}{reasons}{figures}<p><i>{html.escape(meaning)}</i></p>"


def verdict(reliable: bool | None) -> str:
    """The verdict in one line; None where the alignment is not of SSPE."""
    if reliable is None:
        return _("No verdict: SSPE has not found this alignment")
    return _("Reliable") if reliable else _("NOT RELIABLE: do not use this alignment unchecked")


def _bar(reliable: bool) -> str:
    color = colors.RELIABLE if reliable else colors.UNRELIABLE
    sign = "✓" if reliable else "⚠"
    text = f'<b><font color="#ffffff">{sign} {html.escape(verdict(reliable))}</font></b>'
    return f'<table width="100%" bgcolor="{color}" cellpadding="6"><tr><td>{text}</td></tr></table>'


def _overlap(overlapMm: float) -> str:
    if overlapMm < 0:
        return _("none: a gap of {gap} mm").format(gap=f"{-overlapMm:.0f}")
    return _("{overlap} mm").format(overlap=f"{overlapMm:.0f}")


def _transform(result: dict[str, Any]) -> str:
    kinds = {"rigid": _("rigid"), "affine": _("affine")}
    kind = kinds[result["transform_type"]]
    seconds = f"{result['seconds']:.0f}"
    if result["backend"] == "evidence":
        return _("{kind}, by the search alone, in {seconds} s").format(kind=kind, seconds=seconds)
    text = _("{kind}, refined with {backend}, in {seconds} s")
    return text.format(kind=kind, backend=result["backend"], seconds=seconds)
