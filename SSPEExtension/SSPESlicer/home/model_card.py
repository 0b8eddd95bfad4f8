"""The bundled model for people: what it was trained on, how well it does, and whether its files are complete."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from slicer.i18n import tr as _

from SSPELib.errors import ModelError
from SSPELib.model.bundle import ModelCard, load_bundle

FILE_PATTERN = re.compile(r"(/[^/,]*\*[^/,]*|\.nii\.gz)(?=,|$)")
MOST_DISTANCES = 9
# Where the name of a file may go on in the next line, so that the table fits into a narrow panel.
BREAKS = re.compile(r"(?<=[/_])")
ZERO_WIDTH_SPACE = "\u200b"


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
    """Rich text of a model card: its limits first, then how far it errs, then what it is made of."""
    made = [
        (_("Name"), card.name),
        (_("Sees"), f"{card.scope_mm:.0f} mm"),
        (_("Adds in a step"), f"{card.step_mm:.0f} mm"),
        *((title, str(card.training[name])) for name, title in _trainingTitles().items() if name in card.training),
        (_("License"), card.license),
    ]
    return (
        f"<p>{html.escape(card.limits)}</p><p><b>{html.escape(card.research_use)}</b></p>"
        + _heading(_("Mean error on people it was not trained on"))
        + _table([(_("Volumes, length"), _("Error, HU"), _("Edge repeated, HU"), _("Better, %")), *_heldOutRows(card)])
        + _heading(_("The same by distance from the last real slice"))
        + _table([(f"{distance:.0f} mm", f"{error:.0f} HU") for distance, error in _thinned(card.error_by_distance)])
        + _heading(_("The network"))
        + _table(made)
    )


def _trainingTitles() -> dict[str, str]:
    return {
        "volumes": _("Volumes trained on"),
        "iterations": _("Iterations"),
        "hours": _("Hours of training"),
        "data_licenses": _("Data"),
    }


def _heldOutRows(card: ModelCard) -> list[tuple[str, ...]]:
    """One row for each set of volumes: what the network errs, what repeating the edge slice does, how often it wins."""
    figures = ("error_hu", "repeated_hu", "better_percent")
    rows = []
    for name, values in card.held_out.items():
        cells = [f"{values[figure]:.0f}" if figure in values else "" for figure in figures]
        rows.append((BREAKS.sub(ZERO_WIDTH_SPACE, FILE_PATTERN.sub("", name)), *cells))
    return rows


def _thinned(pairs: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most MOST_DISTANCES of the distances, the last one among them."""
    step = -(-len(pairs) // MOST_DISTANCES) or 1
    return list(pairs[::-1][::step][::-1])


def _heading(text: str) -> str:
    return f"<p><b>{html.escape(text)}</b></p>"


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    lines = ("".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows)
    return "<table cellpadding='2'>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"
