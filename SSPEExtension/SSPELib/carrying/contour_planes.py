"""Closed planar contours drawn anew in the slices of another scan, against which their planes are tilted.

Between two drawn planes the shape goes on as their signed distances do (shape-based interpolation, Raya and Udupa
1990); the outermost planes stand for the body as far as half way to the next, as drawn structures mean it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..errors import InputError
from ..volume import Volume
from ..volume.points import at_indices, indices_at
from .points import point_map

PIXELS_ACROSS = 400
FINEST_MM, COARSEST_MM = 0.4, 1.0
SAME_PLANE_MM = 0.5
FAR_MM = 1000.0
MARGIN = 2

Points = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Plane:
    """Where contours lie: the first two axes in their planes, the third across (3, 3 by columns), and a point of it."""

    axes: Points
    middle: Points

    @classmethod
    def of(cls, contours: Sequence[Points]) -> Plane:
        """The plane of the contour with most points."""
        points = max(contours, key=len)
        middle = points.mean(axis=0)
        across = np.linalg.svd(points - middle, full_matrices=False)[2]
        return cls(across.T, middle)

    def within(self, points: Points) -> Points:
        """Coordinates (n, 3) of points: two in the plane, the third across."""
        return np.asarray((points - self.middle) @ self.axes)


def in_slices(
    contours: Sequence[Points], transform: sitk.Transform, volume: Volume, name: str
) -> list[tuple[int, Points]]:
    """Draw one structure anew in the slices of a volume, also beyond its borders.

    Args:
        contours: its closed contours (n, 3), LPS mm of the input, in parallel planes.
        transform: maps points of the volume to points of the input.
        volume: whose slices (planes of its z index axis) are drawn in.
        name: for messages.

    Returns:
        The index of the slice and the points (n, 3) of each new contour, LPS mm; holes are contours of their own.

    Raises:
        InputError: the planes are not parallel.
    """
    from contourpy import contour_generator

    distances = _distances(contours, volume.spacing[2], name)
    pixel, _, step = distances.GetSpacing()
    # As fine within the slices as the shape is known, however coarse the volume.
    fine = np.minimum(volume.spacing, [pixel, pixel, np.inf])
    reach = indices_at(volume, point_map(transform)(np.concatenate(contours)))
    # A plane stands for half the way to the next.
    slack = MARGIN + np.ceil(step / np.array(volume.spacing))
    low, high = np.floor(reach.min(axis=0)) - slack, np.ceil(reach.max(axis=0)) + slack
    grid = sitk.Image(np.ceil((high - low) * volume.spacing / fine + 1).astype(int).tolist(), sitk.sitkUInt8)
    grid.SetSpacing(fine.tolist())
    grid.SetDirection(volume.direction.ravel().tolist())
    grid.SetOrigin(at_indices(volume, low[None])[0].tolist())
    shape = sitk.GetArrayFromImage(sitk.Resample(distances, grid, transform, sitk.sitkLinear, FAR_MM, sitk.sitkFloat32))
    found = []
    for index, plane in enumerate(shape):
        for line in contour_generator(z=plane).lines(0.0):
            points = np.asarray(line)[:-1]
            if len(points) >= 3:
                steps = np.column_stack([points, np.full(len(points), float(index))]) * fine / volume.spacing
                found.append((int(low[2]) + index, at_indices(volume, steps + low)))
    return found


def _distances(contours: Sequence[Points], only_mm: float, name: str) -> sitk.Image:
    """Signed distance from the structure (below 0 inside), mm, on a grid that lies along its planes.

    A structure drawn in one plane alone is taken to be only_mm thick.
    """
    plane = Plane.of(contours)
    places = [plane.within(points) for points in contours]
    if any(np.ptp(place[:, 2]) > SAME_PLANE_MM for place in places):
        raise InputError(
            f"{name} has contours in planes that are not parallel, which cannot be drawn anew in the slices of the "
            "reference; carry the structures as a label map."
        )
    heights = np.array([place[:, 2].mean() for place in places])
    levels = np.unique(np.round(heights, 2))
    step = float(np.median(np.diff(levels))) if len(levels) > 1 else only_mm
    steps = np.rint((heights - heights.min()) / step).astype(int) + 1
    flat = np.concatenate(places)[:, :2]
    extent = float(np.ptp(flat, axis=0).max())
    pixel = float(np.clip(extent / PIXELS_ACROSS, FINEST_MM, COARSEST_MM))
    start = flat.min(axis=0) - MARGIN * pixel
    columns, rows = (np.ceil(np.ptp(flat, axis=0) / pixel) + 2 * MARGIN + 1).astype(int)
    # One plane beyond each end, where the structure ends half way.
    stack = np.full((steps.max() + 2, rows, columns), FAR_MM, dtype=np.float32)
    drawn = {}
    for level in np.unique(steps):
        chosen = [(place[:, :2] - start) / pixel for place, own in zip(places, steps, strict=True) if own == level]
        drawn[int(level)] = _signed_distance(_filled(chosen, (rows, columns)), pixel)
        stack[level] = drawn[int(level)]
    for level in range(len(stack)):
        beside = [np.abs(drawn[near]) for near in (level - 1, level + 1) if near in drawn]
        if level not in drawn and beside:
            stack[level] = np.min(beside, axis=0)
    image = sitk.GetImageFromArray(stack)
    image.SetSpacing([pixel, pixel, step])
    image.SetDirection(plane.axes.ravel().tolist())
    image.SetOrigin((plane.middle + plane.axes @ [*start, heights.min() - step]).tolist())
    return image


def _filled(polygons: Sequence[Points], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Pixels (row, column) inside an odd number of polygons (n, 2) in pixels x, y."""
    from matplotlib.path import Path

    inside = np.zeros(shape, dtype=bool)
    for polygon in polygons:
        left, top = np.maximum(np.floor(polygon.min(axis=0)).astype(int), 0)
        right, bottom = np.ceil(polygon.max(axis=0)).astype(int) + 1
        window = inside[top:bottom, left:right]
        y, x = np.mgrid[top : top + window.shape[0], left : left + window.shape[1]]
        window ^= Path(polygon).contains_points(np.column_stack([x.ravel(), y.ravel()])).reshape(window.shape)
    return inside.astype(np.uint8)


def _signed_distance(mask: NDArray[np.uint8], pixel: float) -> NDArray[np.float32]:
    """Distance (row, column) from the edge between pixels inside and outside, mm; below 0 inside."""
    if not mask.any():
        return np.full(mask.shape, FAR_MM, dtype=np.float32)
    # The distance is 0 in the outermost pixels of what is inside, so that both ways round the edge lies between.
    inward, outward = (
        sitk.GetArrayFromImage(sitk.SignedMaurerDistanceMap(sitk.GetImageFromArray(side), False, False, False))
        for side in (mask, 1 - mask)
    )
    return np.asarray((inward - outward) / 2 * pixel, dtype=np.float32)
