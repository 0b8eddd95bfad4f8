"""Which voxels are padding that says nothing about the body, as air does: outside the scanner's circle, or wedges.

What a scanner measured fills a convex body (a box, cut by a cylinder), and a rotation or shear keeps it convex. So
padding is what has one constant value, reaches the border of the volume, and lies outside the convex hull of all else.
Where the air around a body was set to one value as well (masked volumes), the hull is that of the body alone and says
nothing about the air beside it; then only what lies beyond a plane that cuts the body off obliquely is padding.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .axis import body_axis, in_plane_mm, real_part
from .body import mask_of_slices
from .provenance import Provenance
from .volume import AIR_HU, Volume

STEP_MM = 4.0
# Values that programs pad with: what no scanner measures, air, and water where the air of HU was not thought of.
PADDING_AT_MOST_HU = -1000.0
ZERO = 0.0
BORDER_SHARE = 0.005
# Planes are rounded to be counted once. A voxel of padding that is missed counts as air within the body.
DECIMALS = 6
ROUNDING_MM = 0.002
# What a scanner measured fills its convex hull (0.96 to 1.00 of it in 25 whole scans), a masked head and neck does not
# (0.49 to 0.73 in 33); and it holds noisy air around the body, which begins beyond the shell that the interpolation of
# a masked body leaves (0.07 to 0.84 of it, against at most 0.03 in nine masked trunks that were turned).
SOLID = 0.92
AIR_HU_AT_MOST = -850.0
SHELL_MM = 12.0
AIR_SHARE = 0.05
# A plane cuts a body off where much of it ends within this distance of the plane, and little of it close below.
CONTACT_SLICES = 1.5
BELOW_MM = 12.0
BELOW_SLICES = 4.0
CONTACT_SHARE = 0.6
CONTACT_MM2 = 2500.0
# Of a plane that is parallel to a sure one at the other end.
CONTACT_MM2_PARALLEL = 500.0
STEEPEST = 0.94
# The sine of the steepest wedge is 0.34 (20 degrees): shoulders are steeper.
POINTS_AT_MOST = 6000


def find_no_data(volume: Volume, padding_hu: float | None = None) -> NDArray[np.bool_]:
    """Return which voxels (z, y, x) are padding.

    Args:
        volume: a CT in HU; its provenance is not looked at.
        padding_hu: the value of its padding, where known; else constants at or below -1000 HU, and 0, are looked for.
    """
    axis = body_axis(volume)
    stack = np.moveaxis(volume.array, axis.numpy_axis, 0)
    found = np.zeros(stack.shape, dtype=bool)
    for value in _paddings(stack, padding_hu):
        low, high = np.float32(value - 0.5), np.float32(value + 0.5)
        constant = (stack > low) & (stack < high) if stack.dtype.kind == "f" else stack == round(value)
        constant &= ~found
        found |= constant & _beyond(stack, constant | found, in_plane_mm(volume), volume.spacing[axis.index])
    return np.moveaxis(found, 0, axis.numpy_axis)


def with_no_data(volume: Volume, padding_hu: float | None = None) -> Volume:
    """Return a volume with its padding marked, where nobody has said before where its voxels come from.

    Slices at its ends that are all padding are left out, and padding that looks like tissue (0 HU) becomes air.
    """
    if volume.provenance is not None:
        return volume
    padding = find_no_data(volume, padding_hu)
    if not padding.any():
        return volume
    tissue = padding & (volume.array > PADDING_AT_MOST_HU)
    array = np.where(tissue, np.asarray(AIR_HU, volume.array.dtype), volume.array) if tissue.any() else volume.array
    provenance = np.where(padding, np.uint8(Provenance.NO_DATA), np.uint8(Provenance.REAL))
    return real_part(replace(volume, array=array, provenance=provenance))


def _paddings(stack: NDArray[Any], padding_hu: float | None) -> list[float]:
    """Values that much of the volume's border has without noise, that is several times in a row, the lowest first."""
    runs = []
    size = 0
    for face in (stack[0], stack[-1], stack[:, 0], stack[:, -1], stack[:, :, 0], stack[:, :, -1]):
        whole = np.rint(face)
        alike = np.all([whole[:, :-3] == whole[:, shift : whole.shape[1] - 3 + shift] for shift in (1, 2, 3)], axis=0)
        runs.append(whole[:, :-3][alike])
        size += whole.size
    values, counts = np.unique(np.concatenate(runs), return_counts=True)
    often = values[counts >= BORDER_SHARE * size]
    return [float(value) for value in often if value <= PADDING_AT_MOST_HU or value in (ZERO, padding_hu)]


def _beyond(
    stack: NDArray[Any], constant: NDArray[np.bool_], in_plane: list[float], slice_mm: float
) -> NDArray[np.bool_]:
    """Which voxels of a stack lie outside of what was measured, if those of a constant value are padding."""
    steps = [max(1, int(STEP_MM / spacing)) for spacing in (slice_mm, *in_plane)]
    thinned = tuple(slice(None, None, step) for step in steps)
    spacing = np.array([slice_mm, *in_plane])
    measured = ~constant[thinned]
    if not measured.any():
        return np.zeros(stack.shape, dtype=bool)
    values = np.where(measured, stack[thinned], AIR_HU)
    body = mask_of_slices(values, (spacing * steps)[1:].tolist())
    air = measured & ~_widened(body, (spacing * steps)[1:]) & (values < AIR_HU_AT_MOST)
    if np.count_nonzero(air) >= AIR_SHARE * np.count_nonzero(measured):
        planes = _hull(_outline(measured) * steps * spacing)
        inside = ~_outside(planes, measured.shape, spacing * steps, slack_mm=ROUNDING_MM)
        if np.count_nonzero(measured) >= SOLID * np.count_nonzero(inside):
            return _outside(planes, stack.shape, spacing, slack_mm=ROUNDING_MM)
    lying = np.zeros(stack.shape, dtype=bool)
    for plane in _cuts(~constant[:, :: steps[1], :: steps[2]], spacing * [1, *steps[1:]]):
        lying |= _outside(plane[None], stack.shape, spacing, slack_mm=ROUNDING_MM)
    return lying


def _widened(body: NDArray[np.bool_], in_plane: NDArray[np.float64]) -> NDArray[np.bool_]:
    """A body (slice, row, column) with what lies beside it in its slices; in_plane: spacing of rows and columns, mm."""
    from scipy.ndimage import maximum_filter1d

    for axis, step in zip((1, 2), in_plane, strict=True):
        body = maximum_filter1d(body, 2 * max(1, round(SHELL_MM / step)) + 1, axis=axis)
    return body


def _outline(measured: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Indices (n, 3) of the first and last voxel of every row: all corners of the hull are among them."""
    rows = measured.any(axis=2)
    z, y = np.nonzero(rows)
    inside = measured[z, y]
    first, last = inside.argmax(axis=1), inside.shape[1] - 1 - inside[:, ::-1].argmax(axis=1)
    return np.concatenate([np.column_stack([z, y, x]) for x in (first, last)]).astype(np.float64)


def _hull(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Planes (n, 4) around points (m, 3), mm: outside of one of them, normal @ point + offset is above 0."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        return np.unique(np.round(ConvexHull(points).equations, DECIMALS), axis=0)
    except QhullError:
        # All points lie in a plane: nothing is known.
        return np.zeros((0, 4))


def _outside(
    planes: NDArray[np.float64], shape: tuple[int, ...], spacing: NDArray[np.float64], slack_mm: float
) -> NDArray[np.bool_]:
    """Which voxels of a grid lie more than some mm outside one of several planes."""
    z, y, x = (np.arange(count) * step for count, step in zip(shape, spacing, strict=True))
    low, high = np.full(shape[:2], -np.inf), np.full(shape[:2], np.inf)
    empty = np.zeros(shape[:2], dtype=bool)
    for a, b, c, offset in planes:
        # Along a row, all voxels on one side of a place are outside.
        rest = slack_mm - offset - a * z[:, None] - b * y
        if abs(c) < 1e-6:
            empty |= rest < 0
        elif c > 0:
            np.minimum(high, rest / c, out=high)
        else:
            np.maximum(low, rest / c, out=low)
    outside = np.empty(shape, dtype=bool)
    # One layer at a time stays in the cache.
    for layer, first, last, whole in zip(outside, low[..., None], high[..., None], empty[..., None], strict=True):
        layer[:] = (x < first) | (x > last) | whole
    return outside


def _cuts(measured: NDArray[np.bool_], spacing: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """The planes (4,) that cut a body off at the first and at the last slices of a stack, where any do.

    Resampling leaves the ends of a scan parallel. So where a plane was found at one end, less is asked of the other.

    Args:
        measured: what is not constant.
        spacing: (3,) of its slices, rows and columns, mm.
    """
    sides = [_End.of(measured, spacing, last) for last in (True, False)]
    surest: _Cut | None = None
    for side in sides:
        found = side.cut(side.facets())
        if found is not None and (surest is None or found.area > surest.area):
            surest = found
    if surest is None:
        return []
    parallel = [side.cut(surest.plane[None, :3], CONTACT_MM2_PARALLEL) for side in sides]
    return [found.plane for found in parallel if found is not None]


@dataclass(frozen=True)
class _Cut:
    """A plane (4,) in mm, first, second and third coordinate along slices, rows and columns; and its contact, mm2."""

    plane: NDArray[np.float64]
    area: float


@dataclass(frozen=True)
class _End:
    """Where the columns of a body end, at one end of a stack.

    Attributes:
        outward: 1 at the last slices, -1 at the first.
        points: (n, 3) outermost voxels of columns, mm.
        free: (n,) which of them do not lie in the outermost slice, which ends the body where no plane does.
        step: of slices, mm.
        area: of a column, mm2.
    """

    outward: float
    points: NDArray[np.float64]
    free: NDArray[np.bool_]
    step: float
    area: float

    @staticmethod
    def of(measured: NDArray[np.bool_], spacing: NDArray[np.float64], last: bool) -> _End:
        """The last or the first end of what is measured (slice, row, column)."""
        ends = measured.shape[0] - 1 - measured[::-1].argmax(axis=0) if last else measured.argmax(axis=0)
        y, x = np.nonzero(measured.any(axis=0))
        points = np.column_stack([ends[y, x], y, x]) * spacing
        free = ends[y, x] != (measured.shape[0] - 1 if last else 0)
        return _End(1.0 if last else -1.0, points, free, float(spacing[0]), float(spacing[1] * spacing[2]))

    def facets(self) -> NDArray[np.float64]:
        """Normals (m, 3) of the hull that look outward, and do not lean more than a scan is turned; first along it."""
        planes = _hull(self.points)[:, :3] if len(self.points) >= 4 else np.zeros((0, 3))
        return np.vstack([[self.outward, 0.0, 0.0], planes[planes[:, 0] * self.outward > STEEPEST]])

    def cut(self, normals: NDArray[np.float64], contact_mm2: float = CONTACT_MM2) -> _Cut | None:
        """The plane of one of several normals (m, 3) that cuts off most of the body; None where none does.

        A plane cuts a body off where much of it ends within a slice of the plane, and little of it close below.
        """
        free = self.points[self.free]
        if not len(free):
            return None
        normals = normals * np.sign(normals[:, :1]) * self.outward
        thin = max(1, len(free) // POINTS_AT_MOST)
        heights = (self.points @ normals.T).max(axis=0)
        depths = heights - free[::thin] @ normals.T
        best = int(np.argmax((depths <= CONTACT_SLICES * self.step).sum(axis=0)))
        depth = heights[best] - free @ normals[best]
        contact = np.count_nonzero(depth <= CONTACT_SLICES * self.step)
        close = np.count_nonzero(depth <= max(BELOW_MM, BELOW_SLICES * self.step))
        if contact * self.area < contact_mm2 or contact < CONTACT_SHARE * close:
            return None
        return _Cut(np.append(normals[best], -heights[best]), contact * self.area)
