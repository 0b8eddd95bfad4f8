"""The figure of the demo: inputs, expansions and overlay before and after, coronal and sagittal."""

from __future__ import annotations

from collections.abc import Mapping

from SSPELib import colors
from SSPELib.report.figures import draw_expansion, draw_overlay, legend, panels, png_of
from SSPELib.report.subject import Subject
from SSPELib.report.views import shared_planes


def overview_of(subject: Subject, errors_mm: Mapping[str, float | None]) -> bytes:
    """Return the figure as PNG; errors_mm holds the mean errors at "start" and "with_expansion", mm."""
    fixed, moving = subject.real
    found = subject.registration.transform
    planes = shared_planes([(subject.fixed, None), (subject.moving, None), (subject.moving, found)], fixed)
    titles = [
        "Upper part",
        "Lower part, moved",
        "Upper, expanded",
        "Lower, expanded",
        f"Before: {errors_mm['start']:.1f} mm off",
        f"After: {errors_mm['with_expansion']:.1f} mm off",
    ]
    figure, axes = panels(planes, titles, width=2.5)
    for row, plane in enumerate(planes):
        for column, side in enumerate((fixed, moving, subject.fixed, subject.moving)):
            draw_expansion(axes[row][column], plane, side)
        draw_overlay(axes[row][4], plane, fixed, moving, None)
        draw_overlay(axes[row][5], plane, fixed, moving, found)
    legend(
        figure,
        [
            (colors.SYNTHETIC, "synthetic slices"),
            (colors.FIXED, "upper part (fixed)"),
            (colors.MOVING, "lower part (moving)"),
            ("#dcdcdc", "both agree"),
        ],
    )
    return png_of(figure)
