"""Figures of a merged or stitched volume: all of it, where its voxels come from, and how its parts meet."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from matplotlib.figure import Figure

from .. import colors
from ..poses import to_transform
from .assembly import Assembly, Pair
from .figures import FIRST_PAGE_IN, draw_checkerboard, draw_gray, draw_overlay, legend, near, panels, tint
from .views import seam_height, shared_planes

HEIGHT_IN = 4.0
TINT = 0.32
SPECIAL_COLORS = {"both": colors.SEVERAL, "several": colors.SEVERAL, "synthetic": colors.SYNTHETIC}


def whole_and_sources(about: Assembly) -> Figure:
    """The result, coronal and sagittal, once in gray and once tinted by where its voxels come from."""
    root = next(iter(about.poses))
    planes = shared_planes([(about.volume, None)], about.parts[root])
    sources = about.volume.like(about.sources)
    shown = {value: words for value, words in about.legend.items() if value and (about.sources == value).any()}
    widths = [plane.horizontal[1] - plane.horizontal[0] for plane in planes for _ in range(2)]
    height = planes[0].vertical[1] - planes[0].vertical[0]
    figure = Figure(figsize=(max(6.0, HEIGHT_IN * sum(widths) / height + 0.6), HEIGHT_IN + 0.8), layout="constrained")
    axes = figure.subplots(1, 4, gridspec_kw={"width_ratios": widths})
    for number, plane in enumerate(planes):
        cut = plane.cut(about.volume)
        origins = plane.cut(sources, None, sitk.sitkNearestNeighbor)
        for column, tinted in ((2 * number, False), (2 * number + 1, True)):
            draw_gray(axes[column], plane, cut)
            axes[column].set_xticks([])
            axes[column].set_yticks([])
            axes[column].set_title(f"{plane.view}, sources" if tinted else plane.view, fontsize=10.5)
            if tinted:
                for value, words in shown.items():
                    tint(axes[column], plane, np.where(origins == value, 1.0, np.nan), color_of(value, words), TINT)
    legend(figure, [(color_of(value, words), words) for value, words in shown.items()])
    return figure


def joint(about: Assembly, pair: Pair) -> Figure:
    """Two parts where they meet in the result: overlay and checkerboard, coronal and sagittal."""
    fixed, moving = about.parts[pair.first], about.parts[pair.second]
    between = to_transform(about.poses[pair.second] @ np.linalg.inv(about.poses[pair.first]))
    planes = shared_planes([(fixed, None), (moving, between)], fixed)
    height = seam_height(fixed, moving, between)
    figure, axes = panels(planes, ["Overlay", "Overlay at the seam", "Checkerboard at the seam"], FIRST_PAGE_IN)
    for row, plane in enumerate(planes):
        for column in (0, 1):
            draw_overlay(axes[row][column], plane, fixed, moving, between)
        draw_checkerboard(axes[row][2], plane, fixed, moving, between)
        for column in (1, 2):
            near(axes[row][column], plane, height)
    entries = [(colors.FIXED, about.called(pair.first)), (colors.MOVING, about.called(pair.second))]
    legend(figure, [*entries, (colors.SEVERAL, "both agree")])
    return figure


def color_of(value: int, words: str) -> str:
    """The color of a value of the map of sources."""
    return SPECIAL_COLORS.get(words) or colors.PARTS[(value - 1) % len(colors.PARTS)]
