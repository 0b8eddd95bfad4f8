"""The bundled model for people: what it was trained on, how well it does, and whether its files are complete."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

from slicer.i18n import tr as _

from SSPELib.bundle import ModelCard, load_bundle
from SSPELib.errors import ModelError


def modelProblem() -> str | None:
    """Return what is wrong with the bundled model, None where it is complete and unchanged."""
    try:
        load_bundle()
    except ModelError as error:
        return str(error)
    return None


def describeModel() -> str:
    """Rich text of the bundled model's card; empty where there is none."""
    try:
        return describeCard(load_bundle().card)
    except ModelError:
        return ""


def describeCard(card: ModelCard) -> str:
    """Rich text of a model card."""
    rows = [
        (_("Name"), card.name),
        (_("Step"), f"{card.step_mm:.0f} mm"),
        (_("Sees"), f"{card.scope_mm:.0f} mm"),
        (_("License"), card.license),
    ]
    errors = "".join(
        f"<tr><td>{distance:.0f} mm</td><td>{error:.0f} HU</td></tr>" for distance, error in card.error_by_distance
    )
    heading = _("Mean error by distance from the last real slice, patients never seen")
    return (
        _table(rows)
        + f"<p><b>{html.escape(heading)}</b></p><table cellpadding='2'>{errors}</table>"
        + _section(_("Training"), card.training)
        + _section(_("Held-out patients"), card.held_out)
        + f"<p><b>{html.escape(_('Limits'))}</b><br>{html.escape(card.limits)}</p>"
        + f"<p>{html.escape(card.research_use)}</p>"
    )


def _section(title: str, fields: Mapping[str, Any]) -> str:
    rows = [(name.replace("_", " "), _words(value)) for name, value in fields.items()]
    return f"<p><b>{html.escape(title)}</b></p>{_table(rows)}" if rows else ""


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{name.replace('_', ' ')}: {_words(inner)}" for name, inner in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_words(inner) for inner in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _table(rows: list[tuple[str, str]]) -> str:
    cells = "".join(f"<tr><td>{html.escape(name)}</td><td>{html.escape(value)}</td></tr>" for name, value in rows)
    return f"<table cellpadding='2'>{cells}</table>"
