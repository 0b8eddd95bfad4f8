"""Three ways of making the second scan of a body that was moved, from one volume of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from SSPELib.errors import InputError
from SSPELib.poses import Matrix, apply, to_transform
from SSPELib.volume import Volume, body_axis, body_length_mm, body_mask, slices
from SSPELib.volume.points import at_indices, body_points, coordinate_on_grid, indices_at

Scan = Literal["rescanned", "cut", "padded"]
SCANS: tuple[Scan, ...] = get_args(Scan)

SHORTEST_PART_MM = 40.0
# Air is left around the body, and air found this near to it is not taken on where the volume ends.
AROUND_BODY_MM = 12.0
# A second scan of less than this of the body's cross-sections is none.
LEAST_KEPT = 0.25
# What scanners and programs fill in where there are no data.
PADDING_HU = (-1024, -2000, -3024)


def checked_scans(names: Sequence[str]) -> list[Scan]:
    """The ways of that name.

    Raises:
        InputError: one is unknown.
    """
    for name in names:
        if name not in SCANS:
            raise InputError(f"The way {name!r} of making a second scan is unknown. Choose among {', '.join(SCANS)}.")
    return [scan for scan in SCANS if scan in names]


def moved(volume: Volume, pose: Matrix) -> Volume:
    """*cut*: the volume after a rigid motion (4, 4); other origin and direction, the same voxels."""
    origin = apply(pose, np.array([volume.origin]))[0]
    return replace(volume, origin=tuple(origin), direction=pose[:3, :3] @ volume.direction)


def top_of(volume: Volume) -> NDArray[np.float64]:
    """The point (3,) where the body's middle meets the face of a volume that looks toward the head, LPS mm."""
    axis = body_axis(volume)
    last = volume.size[axis.index] - 1 if axis.superior > 0 else 0
    plane = np.argwhere(np.take(body_mask(volume), last, axis.numpy_axis))
    rows, columns = plane.mean(axis=0) if len(plane) else (np.array(plane.shape) - 1) / 2
    index = np.insert([columns, rows], axis.index, last + 0.5 * axis.superior)
    return np.asarray(at_indices(volume, index[None])[0])


def rescanned(volume: Volume, pose: Matrix, top: NDArray[np.float64]) -> Volume:
    """*rescanned*: what lies under a point of the moved body, sampled on whole slices along the volume's own axes.

    So a scanner takes somebody who lies differently the second time. Where the volume ends in air, air goes on;
    slices of which the volume does not hold all of the body are left out, and sides where its field of view
    cuts the body are cut off, so that no voxel is padding.

    Args:
        volume: the whole body, float voxels (z, y, x) in the result.
        pose: (4, 4) body points to points of the second scan; rigid or affine.
        top: (3,) body point through which the upper face of the first slice goes, LPS mm.

    Raises:
        InputError: less than SHORTEST_PART_MM of whole slices lie under the point.
    """
    axis = body_axis(volume)
    along = axis.index
    grid = replace(volume, origin=tuple(apply(pose, top[None])[0]))
    reach = indices_at(grid, np.asarray(apply(pose, body_points(volume)), dtype=np.float64))
    margin = AROUND_BODY_MM / np.array(volume.spacing)
    low = np.floor(reach.min(axis=0) - margin).astype(int)
    high = np.ceil(reach.max(axis=0) + margin).astype(int)
    origin = low.astype(np.float64)
    # Slices are counted from the upper face.
    origin[along] = low[along] + 0.5 if axis.superior > 0 else 0.5
    size = high - low + 1
    size[along] = -low[along] if axis.superior > 0 else high[along]
    if size[along] * volume.spacing[along] < SHORTEST_PART_MM:
        raise InputError(f"{volume.name} shows too little under its upper part. Choose a longer volume.")
    grid = replace(grid, origin=tuple(at_indices(grid, origin[None])[0]))
    found = sampled(volume.to_image(), grid, size, pose, sitk.sitkBSpline)
    beyond_end, beyond_side = _beyond(volume, found, pose)
    near_body = _near_body(volume, found, pose)
    return _whole(found, beyond_end & near_body, beyond_side & near_body)


def padded(volume: Volume, pose: Matrix) -> tuple[Volume, NDArray[np.bool_]]:
    """*padded*: a part after a motion (4, 4), resampled on the upright grid that holds all of it.

    Returns:
        Float voxels on the grid, and which of them (z, y, x) are data; the others are wedges of padding.
    """
    corners = np.array(np.meshgrid(*[[-0.5, count - 0.5] for count in volume.size])).reshape(3, -1).T
    reach = indices_at(volume, np.asarray(apply(pose, at_indices(volume, corners)), dtype=np.float64))
    low, high = np.floor(reach.min(axis=0)), np.ceil(reach.max(axis=0))
    grid = replace(volume, origin=tuple(at_indices(volume, low[None])[0]))
    found = sampled(volume.to_image(), grid, (high - low + 1).astype(int), pose, sitk.sitkBSpline)
    beyond_end, beyond_side = _beyond(volume, found, pose)
    return found, ~(beyond_end | beyond_side)


def sampled(image: sitk.Image, grid: Volume, size: NDArray[np.int_], pose: Matrix, interpolator: int) -> Volume:
    """An image of a body after a motion (4, 4), float32; the nearest voxel goes on where the image ends.

    Args:
        image: the body where it was.
        grid: spacing, direction and origin to sample with.
        size: x, y, z.
    """
    back = to_transform(np.linalg.inv(pose))
    direction = grid.direction.ravel().tolist()
    return Volume.from_image(
        sitk.Resample(
            image,
            [int(count) for count in size],
            back,
            interpolator,
            grid.origin,
            grid.spacing,
            direction,
            0.0,
            sitk.sitkFloat32,
            True,
        ),
        name=grid.name,
        frame_of_reference=grid.frame_of_reference,
    )


def _beyond(volume: Volume, grid: Volume, pose: Matrix) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Voxels (z, y, x) of a grid that a motion brings from beyond the ends of a volume, and from beyond its sides."""
    back = np.linalg.inv(pose @ volume.index_to_lps) @ grid.index_to_lps
    index = [np.arange(count, dtype=np.float64) for count in grid.size]
    beyond = []
    for row, count in enumerate(volume.size):
        place = coordinate_on_grid(back[row, :3], back[row, 3], *index)
        beyond.append((place < -0.5) | (place > count - 0.5))
    end = beyond.pop(body_axis(volume).index)
    return end, beyond[0] | beyond[1]


def _near_body(volume: Volume, grid: Volume, pose: Matrix) -> NDArray[np.bool_]:
    """Voxels (z, y, x) of a grid that a motion fills with the body, or with what lies near it in its slices."""
    axis = body_axis(volume)
    image = volume.like(body_mask(volume).astype(np.uint8)).to_image()
    radius = [0 if i == axis.index else round(AROUND_BODY_MM / volume.spacing[i]) for i in range(3)]
    wide = sitk.BinaryDilate(image, radius, sitk.sitkBox)
    return sampled(wide, grid, np.array(grid.size), pose, sitk.sitkNearestNeighbor).array > 0.5


def _whole(volume: Volume, cut_ends: NDArray[np.bool_], cut_sides: NDArray[np.bool_]) -> Volume:
    """The slices from the top down that are whole, without the sides at which body lacks.

    Args:
        volume: to be cropped.
        cut_ends, cut_sides: (z, y, x) voxels where body lies beyond the ends and beyond the sides of what is known.
    """
    axis = body_axis(volume)
    across = tuple(i for i in range(3) if i != axis.numpy_axis)
    lacking: NDArray[np.bool_] = np.asarray((cut_ends & ~cut_sides).any(axis=across))
    order = np.arange(len(lacking))[:: -axis.superior]
    whole = len(lacking) if not lacking.any() else int(np.argmax(lacking[order]))
    kept = np.sort(order[:whole])
    if whole * volume.spacing[axis.index] < SHORTEST_PART_MM:
        raise InputError(
            f"{volume.name} shows {whole * volume.spacing[axis.index]:.0f} of its {body_length_mm(volume):.0f} mm in "
            "whole slices under its upper part. Choose a longer volume."
        )
    first, last = int(kept[0]), int(kept[-1]) + 1
    either = np.moveaxis(cut_ends | cut_sides, axis.numpy_axis, 0)[first:last]
    rows, columns = _without(np.asarray(either.any(axis=0)))
    window = [rows, columns]
    window.insert(axis.numpy_axis, slice(0, volume.array.shape[axis.numpy_axis]))
    whole_slices = slices(volume, first, last)
    body = body_mask(whole_slices)
    share = float(body[tuple(window)].sum() / max(body.sum(), 1))
    if share < LEAST_KEPT:
        raise InputError(
            f"{volume.name}: only {share:.0%} of the body stay in the field of view after the motion. Choose a volume "
            "with a wider one."
        )
    start = np.array([part.start for part in window[::-1]], dtype=np.float64)
    return replace(
        whole_slices,
        array=np.ascontiguousarray(whole_slices.array[tuple(window)]),
        origin=tuple(at_indices(whole_slices, start[None])[0]),
    )


def _without(plane: NDArray[Any]) -> tuple[slice, slice]:
    """Rows and columns of a large rectangle that holds no true voxel: the fullest side goes until none is left."""
    low, high = [0, 0], list(plane.shape)
    while True:
        inner = plane[low[0] : high[0], low[1] : high[1]]
        if not inner.any():
            return slice(low[0], high[0]), slice(low[1], high[1])
        sides = {(0, 0): inner[0], (0, 1): inner[-1], (1, 0): inner[:, 0], (1, 1): inner[:, -1]}
        axis, end = max(sides, key=lambda side: sides[side].mean())
        if end:
            high[axis] -= 1
        else:
            low[axis] += 1
