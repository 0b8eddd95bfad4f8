"""The small picture of a row: a coronal and a sagittal cut through what was made."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk
from matplotlib.figure import Figure

from SSPELib.report.figures import PANEL_COLOR, draw_expansion, draw_overlay
from SSPELib.report.views import shared_planes
from SSPELib.volume import Volume

SIZE_INCHES = (2.4, 1.6)
DPI = 100


def draw_thumbnail(placed: list[tuple[Volume, sitk.Transform | None]], path: Path) -> None:
    """Draw one volume with its synthetic part tinted, or the second one laid over the first.

    Args:
        placed: one or two volumes with the transform that maps points of the picture to their points, LPS mm.
        path: a .png.
    """
    figure = Figure(figsize=SIZE_INCHES, facecolor=PANEL_COLOR, layout="constrained")
    for axes, plane in zip(figure.subplots(1, 2), shared_planes(placed, placed[0][0]), strict=True):
        axes.set_axis_off()
        if len(placed) == 2:
            draw_overlay(axes, plane, placed[0][0], placed[1][0], placed[1][1])
        else:
            draw_expansion(axes, plane, placed[0][0])
    figure.savefig(path, dpi=DPI)
