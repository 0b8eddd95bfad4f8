"""An end at which the data stop along a tilted plane: slices parallel to it, from which an expansion can begin.

A volume that was turned and resampled, or a tilted series that was straightened, ends in a wedge. Upright slices are
whole only below all of it; slices parallel to the plane are whole up to the plane itself.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..volume import AIR_HU, BodyAxis, End, Provenance, Volume, body_axis
from ..volume.axis import in_plane_mm
from ..volume.body import coarse_in_plane_mm, coarse_slices, coarse_steps, mask_of_slices
from ..volume.points import at_indices, indices_at
from .working_grid import as_type

# Columns of the body whose data end within this many slices of the plane are taken to end at it.
NEAR_PLANE_SLICES = 1.5
NEAR_PLANE_SHARE = 0.6
FITS = 6
# No scanner and no pose of a patient is tilted more.
TILT_DEGREES = (1.0, 25.0)
# The body may grow by this much beyond what the last slices show of it.
AROUND_BODY_MM = 40.0


def parallel_to_border(volume: Volume, end: End, length_mm: float) -> Volume | None:
    """Resample what lies near one end onto slices that are parallel to the plane at which the data end there.

    Args:
        volume: a CT with `Provenance.NO_DATA` beyond the plane.
        end: which end.
        length_mm: how far into the volume slices are wanted.

    Returns:
        Float voxels with spacing and number of rows and columns of the volume; what it has no data for is air. The
        face of the last slice lies in the plane. None where the data end along no tilted plane.
    """
    axis = body_axis(volume)
    plane = _plane(volume, axis, end)
    if plane is None:
        return None
    anchor, normal = plane
    away = 1 if axis.at_last(end) else -1
    spacing_mm = volume.spacing[axis.index]
    inner = volume.size[axis.index] - 1 if away < 0 else 0
    within = abs(indices_at(volume, anchor[None])[0, axis.index] - inner) + 0.5
    count = max(1, int(min(np.ceil(length_mm / spacing_mm), within)))
    size, last = list(volume.size), indices_at(volume, anchor[None])[0]
    size[axis.index] = count
    # The place in the plane keeps its row and column; the grid is turned about it.
    last[axis.index] = (count - 1 if away > 0 else 0) + 0.5 * away
    turned = replace(volume, direction=_turn(volume.direction[:, axis.index] * away, normal) @ volume.direction)
    step = turned.index_to_lps[:3, :3] @ last
    grid = sitk.Image(size, sitk.sitkUInt8)
    grid.SetSpacing(volume.spacing)
    grid.SetDirection(turned.direction.ravel().tolist())
    grid.SetOrigin((anchor - step).tolist())
    data = ~volume.where(Provenance.NO_DATA)
    image = replace(volume, array=np.where(data, volume.array, 0).astype(np.float32), provenance=None)
    total, share = (
        sitk.GetArrayFromImage(sitk.Resample(part.to_image(), grid, sitk.Transform(), sitk.sitkLinear, 0.0))
        for part in (image, image.like(data.astype(np.float32)))
    )
    known = share > 0.5
    return Volume(
        array=np.where(known, total / np.maximum(share, 0.5), np.float32(AIR_HU)),
        spacing=grid.GetSpacing(),
        origin=grid.GetOrigin(),
        direction=turned.direction,
        name=volume.name,
        provenance=np.where(known, np.uint8(Provenance.REAL), np.uint8(Provenance.NO_DATA)),
    )


def slices_to_reach(tilted: Volume, volume: Volume, end: End, beyond: int) -> int:
    """Number of slices beyond a tilted grid by which a body gets as far as by slices beyond the end of a volume."""
    axis = body_axis(volume)
    away = 1 if axis.at_last(end) else -1
    body = mask_of_slices(coarse_slices(tilted, tilted.array), coarse_in_plane_mm(tilted))
    box = []
    for other, step, spacing in zip((2, 1), coarse_steps(tilted), in_plane_mm(tilted), strict=True):
        places = np.flatnonzero(body.any(axis=(0, other))) * step
        box.append([places.min() - AROUND_BODY_MM / spacing, places.max() + AROUND_BODY_MM / spacing])
    face = volume.size[axis.index] - 0.5 + beyond if away > 0 else -0.5 - beyond
    box.insert(axis.numpy_axis, [face, face])
    corners = np.array(np.meshgrid(*box[::-1])).reshape(3, -1).T
    reached = indices_at(tilted, at_indices(volume, corners))[:, axis.index] * away
    own = tilted.size[axis.index] - 0.5 if away > 0 else 0.5
    return max(1, int(np.ceil(reached.max() - own - 1e-6)))


def on_slices_of(volume: Volume, tilted: Volume, end: End, incomplete: int, beyond: int) -> NDArray[Any]:
    """Bring a tilted volume, expanded, to the last slices of an upright one and to slices beyond them.

    Args:
        volume: gives the grid and the data type.
        tilted: slices parallel to the border, and new ones beyond them.
        end: where it grew.
        incomplete, beyond: number of the volume's own last slices, and of slices beyond them.

    Returns:
        The slices (z, y, x) in the axis order of the volume; the nearest voxel goes on where the tilted grid ends.
    """
    axis = body_axis(volume)
    size, first = list(volume.size), np.zeros(3)
    size[axis.index] = incomplete + beyond
    first[axis.index] = volume.size[axis.index] - incomplete if axis.at_last(end) else -beyond
    image = sitk.Resample(
        tilted.to_image(),
        size,
        sitk.Transform(),
        sitk.sitkLinear,
        at_indices(volume, first[None])[0].tolist(),
        volume.spacing,
        volume.direction.ravel().tolist(),
        float(AIR_HU),
        sitk.sitkFloat32,
        True,
    )
    return as_type(sitk.GetArrayFromImage(image), volume.array.dtype)


def _plane(volume: Volume, axis: BodyAxis, end: End) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """A place (3,) in the plane at which the data of a body end, LPS mm, and the plane's normal (3,) outward.

    None where they end along no plane, or along one that is hardly tilted.
    """
    away = 1 if axis.at_last(end) else -1
    missing, stack = (
        coarse_slices(volume, array)[::away] for array in (volume.where(Provenance.NO_DATA), volume.array)
    )
    ends = len(missing) - 1 - np.argmin(missing[::-1], axis=0)
    body = mask_of_slices(np.where(missing, AIR_HU, stack), coarse_in_plane_mm(volume)).any(axis=0)
    free = body & (ends < len(missing) - 1) & ~missing.all(axis=0)
    rows, columns = np.nonzero(free)
    if len(rows) < 3:
        return None
    across = np.column_stack([rows, columns]) * coarse_in_plane_mm(volume)
    middle = across.mean(axis=0)
    places = np.column_stack([across - middle, np.ones(len(across))])
    spacing_mm = volume.spacing[axis.index]
    heights = (ends[free] + 0.5) * spacing_mm
    near = np.ones(len(heights), dtype=bool)
    for _ in range(FITS):
        slope = np.linalg.lstsq(places[near], heights[near], rcond=None)[0]
        off = np.abs(heights - places @ slope)
        near = off <= max(NEAR_PLANE_SLICES * spacing_mm, float(np.median(off)))
    degrees = np.degrees(np.arctan(np.hypot(*slope[:2])))
    share = np.mean(off <= NEAR_PLANE_SLICES * spacing_mm)
    if share < NEAR_PLANE_SHARE or not TILT_DEGREES[0] <= degrees <= TILT_DEGREES[1]:
        return None
    # Heights are counted from the center of the innermost slice, toward the end.
    index = np.insert(middle / in_plane_mm(volume), axis.numpy_axis, slope[2] / spacing_mm)[::-1]
    if away < 0:
        index[axis.index] = len(missing) - 1 - index[axis.index]
    normal = np.insert(-slope[:2], axis.numpy_axis, away)[::-1]
    return at_indices(volume, index[None])[0], volume.direction @ (normal / np.linalg.norm(normal))


def _turn(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """The smallest rotation (3, 3) that takes a unit vector to another one, neither along it nor opposite to it."""
    from scipy.spatial.transform import Rotation

    about = np.cross(one, other)
    angle = np.arctan2(np.linalg.norm(about), one @ other)
    return np.asarray(Rotation.from_rotvec(angle * about / np.linalg.norm(about)).as_matrix())
