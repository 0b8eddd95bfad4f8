"""Figures: what went in, what was made, and how it fits."""

from __future__ import annotations

import io

import numpy as np
import SimpleITK as sitk
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from .. import colors
from ..volume import Provenance, Volume, body_mask
from .subject import Subject
from .views import PIXEL_MM, Plane, seam_height, shared_planes

WINDOW_HU = (-200.0, 500.0)
LUNG_WINDOW_LOW_HU = -1000.0
PANEL_COLOR = "#05070a"
TILE_MM = 18.0
SEAM_REACH_MM = 80.0
# Narrow panels keep their words large where a page shrinks them to its width.
FIRST_PAGE_IN = 2.6
DPI = 110
# Half the time of the usual 6, for files that are a tenth larger.
PNG_LEVEL = 3

_FIXED_MAP = LinearSegmentedColormap.from_list("fixed", ["#000000", colors.FIXED])
_MOVING_MAP = LinearSegmentedColormap.from_list("moving", ["#000000", colors.MOVING])


def png_of(figure: Figure) -> bytes:
    """Render a figure to PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, facecolor="white", pil_kwargs={"compress_level": PNG_LEVEL})
    return buffer.getvalue()


def before_and_after(subject: Subject, before: sitk.Transform | None = None) -> Figure:
    """Overlays of the real voxels at the start (by the headers) and as registered, and a checkerboard at the seam."""
    fixed, moving = subject.real
    found = subject.registration.transform
    body = moving.like(body_mask(moving).astype(np.uint8))
    planes = shared_planes([(fixed, None), (moving, before), (moving, found)], fixed)
    seam = seam_height(fixed, moving, found)
    titles = ["Before: as the headers say", "After registration", "Checkerboard at the seam"]
    figure, axes = panels(planes, titles, FIRST_PAGE_IN)
    for row, plane in enumerate(planes):
        for column, transform in enumerate((before, found)):
            draw_overlay(axes[row][column], plane, fixed, moving, transform)
        draw_bound(axes[row][1], plane, subject, body)
        draw_checkerboard(axes[row][2], plane, fixed, moving, found)
        near(axes[row][2], plane, seam)
    entries = [(colors.FIXED, "fixed"), (colors.MOVING, "moving"), (colors.SEVERAL, "both agree")]
    if np.isfinite(subject.registration.far_end.bound_mm):
        entries.append((colors.BOUND, "9 of 10 such results: outline of moving between these lines"))
    legend(figure, entries)
    return figure


def checkerboard(subject: Subject) -> Figure:
    """Fixed and moving volume in turn, also the expanded ones where they were expanded."""
    fixed, moving = subject.fixed, subject.moving
    found = subject.registration.transform
    planes = shared_planes([(fixed, None), (moving, found)], subject.real[0])
    sides = [subject.real] if subject.model is None else [subject.real, (fixed, moving)]
    figure, axes = panels(planes, ["Real voxels", "With synthetic slices"][: len(sides)])
    for row, plane in enumerate(planes):
        for column, side in enumerate(sides):
            draw_checkerboard(axes[row][column], plane, *side, found)
    legend(figure, [(colors.FIXED, "tiles of the fixed volume"), (colors.MOVING, "tiles of the moving volume")])
    return figure


def near(axes: Axes, plane: Plane, height: float) -> None:
    """Show only what is near a height, LPS z in mm."""
    axes.set_ylim(max(plane.extent[2], height - SEAM_REACH_MM), min(plane.extent[3], height + SEAM_REACH_MM))


def draw_checkerboard(axes: Axes, plane: Plane, fixed: Volume, moving: Volume, found: sitk.Transform) -> None:
    """Show tiles of both in turn where both have voxels, else the one that has."""
    one, other = plane.cut(fixed), plane.cut(moving, found)
    tiles = _tiles(plane, one.shape)
    # Where one of them has no voxels the other stands in, so that holes do not look like errors.
    take_one = (tiles & ~np.isnan(one)) | np.isnan(other)
    draw_gray(axes, plane, np.where(take_one, one, other))
    both = ~np.isnan(one) & ~np.isnan(other)
    tint(axes, plane, np.where(both & tiles, 1.0, np.nan), colors.FIXED, 0.10)
    tint(axes, plane, np.where(both & ~tiles, 1.0, np.nan), colors.MOVING, 0.10)


def real_and_synthetic(subject: Subject) -> Figure:
    """Each side in the place that was found for it, its synthetic part tinted, and where both meet."""
    found = subject.registration.transform
    sides = ((subject.fixed, None), (subject.moving, found))
    planes = shared_planes([(side, transform) for side, transform in sides], subject.real[0])
    figure, axes = panels(planes, ["Fixed", "Moving, as registered", "Where they meet"])
    kinds_colors = {"real": colors.RELIABLE, "mixed": colors.SYNTHETIC, "synthetic": colors.SYNTHETIC_ON_SYNTHETIC}
    for row, plane in enumerate(planes):
        for column, (side, transform) in enumerate(sides):
            draw_expansion(axes[row][column], plane, side, transform)
        last = axes[row][2]
        kinds = [_kind(plane, side, transform) for side, transform in sides]
        one, other = (plane.cut(side, transform) for side, transform in sides)
        draw_gray(last, plane, np.where(np.isnan(one), other, np.where(np.isnan(other), one, (one + other) / 2)))
        tint(last, plane, np.where((kinds[0] == 1) & (kinds[1] == 1), 1.0, np.nan), kinds_colors["real"], 0.45)
        tint(last, plane, np.where(kinds[0] + kinds[1] == 3, 1.0, np.nan), kinds_colors["mixed"], 0.35)
        tint(last, plane, np.where((kinds[0] == 2) & (kinds[1] == 2), 1.0, np.nan), kinds_colors["synthetic"], 0.40)
    legend(
        figure,
        [
            (colors.SYNTHETIC, "synthetic, or real on synthetic"),
            (kinds_colors["real"], "real on real"),
            (kinds_colors["synthetic"], "synthetic on synthetic"),
        ],
    )
    return figure


def candidates(subject: Subject) -> Figure:
    """Evidence of every position that was weighed, the chosen one marked."""
    ranked = subject.registration.candidates
    figure = Figure(figsize=(7.6, 1.3 + 0.34 * max(1, len(ranked))), layout="constrained")
    axes = figure.add_subplot()
    scores = [candidate.evidence for candidate in ranked]
    bars = axes.barh(
        range(len(ranked)), scores, color=[colors.RELIABLE] + [colors.MUTED] * (len(ranked) - 1), height=0.66
    )
    axes.bar_label(bars, fmt="%.1f", padding=4, fontsize=8.5)
    axes.set_yticks(
        range(len(ranked)),
        [
            f"{'chosen: ' if rank == 0 else ''}overlap {one.overlap_mm:.0f} mm, shift {one.shift_mm:.0f} mm, "
            f"turn {one.rotation_degrees:.1f}\N{DEGREE SIGN}"
            for rank, one in enumerate(ranked)
        ],
        fontsize=8.5,
    )
    axes.set_ylim(max(len(ranked), 3) - 0.5, -0.5)
    axes.margins(x=0.14)
    axes.axvline(0, color="#333333", linewidth=0.8)
    axes.set_xlabel("evidence that the two belong together here (log-likelihood ratio)", fontsize=9)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return figure


def draw_gray(axes: Axes, plane: Plane, values: NDArray[np.floating]) -> None:
    """Show a cut in gray: air dark but not black, so that the field of view can be seen."""
    axes.set_facecolor(PANEL_COLOR)
    axes.imshow(compressed(values), cmap="gray", vmin=0, vmax=1, origin="lower", extent=plane.extent)


def draw_overlay(axes: Axes, plane: Plane, fixed: Volume, moving: Volume, transform: sitk.Transform | None) -> None:
    """Show the fixed cut and the moving cut in complementary colors, which add up to gray where they agree."""
    one, other = (np.nan_to_num(compressed(cut)) for cut in (plane.cut(fixed), plane.cut(moving, transform)))
    color = _FIXED_MAP(one)[..., :3] + _MOVING_MAP(other)[..., :3]
    axes.set_facecolor(PANEL_COLOR)
    axes.imshow(np.clip(color, 0, 1), origin="lower", extent=plane.extent)


def draw_bound(axes: Axes, plane: Plane, subject: Subject, body: Volume) -> None:
    """Draw the shell around the skin of the moving body within which it lies by the error bound, if there is one.

    The bound goes evenly from that of the end toward the fixed body to that of the far end.

    Args:
        axes, plane: to draw on.
        subject: of the report.
        body: 1 inside the moving body, as it was scanned, 0 outside.
    """
    found = subject.registration
    ends = found.junction.bound_mm, found.far_end.bound_mm
    inside = np.nan_to_num(plane.cut(body, found.transform, sitk.sitkNearestNeighbor)) > 0.5
    if not np.isfinite(ends).all() or not inside.any():
        return
    rows = np.flatnonzero(inside.any(axis=1))
    junction_above = seam_height(*subject.real, found.transform) > _height(plane, rows)
    from_feet = ends[::-1] if junction_above else ends
    bound = np.interp(np.arange(len(inside)), rows[[0, -1]], from_feet)
    away = PIXEL_MM * np.where(inside, distance_transform_edt(inside), distance_transform_edt(~inside))
    left, right, bottom, top = plane.extent
    x, y = (
        low + (np.arange(count) + 0.5) * (high - low) / count
        for low, high, count in ((left, right, inside.shape[1]), (bottom, top, inside.shape[0]))
    )
    axes.contour(x, y, away - bound[:, None], levels=[0.0], colors=[colors.BOUND], linewidths=0.7)


def _height(plane: Plane, rows: NDArray[np.int64]) -> float:
    """LPS z in the middle of some rows of a cut, mm."""
    return float(plane.vertical[0] + rows.mean() * PIXEL_MM)


def draw_expansion(axes: Axes, plane: Plane, side: Volume, transform: sitk.Transform | None = None) -> None:
    """Show a volume in gray, its synthetic part tinted and outlined."""
    draw_gray(axes, plane, plane.cut(side, transform))
    synthetic = _kind(plane, side, transform) == 2
    tint(axes, plane, np.where(synthetic, 1.0, np.nan), colors.SYNTHETIC, 0.26)
    if synthetic.any() and not synthetic.all():
        left, right, bottom, top = plane.extent
        rows, columns = synthetic.shape
        x = left + (np.arange(columns) + 0.5) * (right - left) / columns
        y = bottom + (np.arange(rows) + 0.5) * (top - bottom) / rows
        axes.contour(x, y, synthetic, levels=[0.5], colors=[colors.SYNTHETIC], linewidths=1.0)


def compressed(hu: NDArray[np.floating]) -> NDArray[np.floating]:
    """HU to 0 .. 1: the soft-tissue window takes most of it, lungs and air the darkest fifth."""
    low, high = WINDOW_HU
    lungs = np.clip((hu - LUNG_WINDOW_LOW_HU) / (low - LUNG_WINDOW_LOW_HU), 0, 1) * 0.2
    return np.asarray(lungs + np.clip((hu - low) / (high - low), 0, 1) * 0.8)


def _kind(plane: Plane, side: Volume, transform: sitk.Transform | None) -> NDArray[np.int64]:
    """0 where a side has no voxels, 1 where real ones, 2 where synthetic ones."""
    marks = side if side.provenance is None else side.like(side.provenance)
    values = plane.cut(marks, transform, sitk.sitkNearestNeighbor)
    synthetic = (side.provenance is not None) & (values == Provenance.SYNTHETIC)
    return np.where(np.isnan(values), 0, np.where(synthetic, 2, 1))


def _tiles(plane: Plane, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    left, right, bottom, top = plane.extent
    rows = ((np.arange(shape[0]) + 0.5) * (top - bottom) / shape[0] // TILE_MM).astype(int)
    columns = ((np.arange(shape[1]) + 0.5) * (right - left) / shape[1] // TILE_MM).astype(int)
    return np.asarray((rows[:, None] + columns) % 2 == 0)


def tint(axes: Axes, plane: Plane, where: NDArray[np.floating], color: str, alpha: float) -> None:
    """Lay a color over a cut where there are numbers."""
    color_map = LinearSegmentedColormap.from_list("tint", [color, color])
    axes.imshow(where, cmap=color_map, alpha=alpha, origin="lower", extent=plane.extent, interpolation="nearest")


def panels(planes: tuple[Plane, Plane], titles: list[str], width: float = 3.3) -> tuple[Figure, list[list[Axes]]]:
    """A row of panels a plane, a column a title, all at one scale."""
    heights = [(plane.vertical[1] - plane.vertical[0]) for plane in planes]
    widest = max(plane.horizontal[1] - plane.horizontal[0] for plane in planes)
    scale = width / widest
    figure = Figure(figsize=(width * len(titles) + 0.5, sum(heights) * scale + 0.95), layout="constrained")
    grid = figure.subplots(2, len(titles), squeeze=False, gridspec_kw={"height_ratios": heights})
    for row, plane in enumerate(planes):
        for column, title in enumerate(titles):
            axes = grid[row][column]
            axes.set_xticks([])
            axes.set_yticks([])
            for spine in axes.spines.values():
                spine.set_visible(False)
            if row == 0:
                axes.set_title(title, fontsize=10.5, fontweight="bold", pad=7)
            if column == 0:
                axes.set_ylabel(plane.view, fontsize=10.5, labelpad=6)
    return figure, [list(row) for row in grid]


def legend(figure: Figure, entries: list[tuple[str, str]]) -> None:
    """Colors and their names under a figure."""
    handles = [Patch(color=color, label=label) for color, label in entries]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=9)
