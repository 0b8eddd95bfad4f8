"""Registration cases with a known answer: one volume cut in two, the lower part moved by a known transform."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from SSPELib.errors import InputError
from SSPELib.registration.overlap import overlap_along_axis_mm
from SSPELib.registration.poses import (
    Matrix,
    about,
    apply,
    from_transform,
    nearest_rotation,
    rotation_matrix,
    to_transform,
)
from SSPELib.volume import Volume, body_axis, body_length_mm, body_mask, slices, with_slices

Start = Literal["near", "unknown"]
NEAR_ROTATION_DEGREES = 10.0
NEAR_SHIFT_MM = 20.0
UNKNOWN_ALONG_MM = 300.0
UNKNOWN_ACROSS_MM = 60.0
NOISE_HU = 20.0
BODY_POINTS = 400
SHORTEST_PART_MM = 40.0


@dataclass(frozen=True, eq=False)
class Case:
    """Two parts of one body and how they belong together.

    Attributes:
        fixed: the upper part, where it was.
        moving: the lower part, moved.
        truth: maps fixed points to moving points, LPS mm.
        points: (n, 3) body points of the fixed frame that lie in the moving part.
        overlap_mm: shared length along the body axis, negative for a gap.
    """

    fixed: Volume
    moving: Volume
    truth: sitk.Transform
    points: NDArray[np.floating[Any]]
    overlap_mm: float

    def error_mm(self, transform: sitk.Transform) -> float:
        """Mean distance between where a transform and the truth take the body points, mm."""
        found = apply(from_transform(transform), self.points)
        return float(np.linalg.norm(found - apply(from_transform(self.truth), self.points), axis=1).mean())

    @property
    def start_error_mm(self) -> float:
        """The error of trusting the headers, mm."""
        return self.error_mm(sitk.Transform(3, sitk.sitkIdentity))


def make_case(
    volume: Volume,
    overlap_mm: float,
    seed: int,
    start: Start = "near",
    affine: bool = False,
    noise_hu: float = NOISE_HU,
) -> Case:
    """Cut a volume near mid-length so that both parts share overlap_mm, and move the lower one.

    The motion changes origin and direction only, so the moving part's grid is truly oblique to the fixed one's and its
    voxels are as sharp; noise is drawn for both parts on its own. With affine the same motion also scales (to 5 % an
    axis) and shears (to 2 %), which takes a resampling; the overlap is then up to a slice more.

    Raises:
        InputError: the volume is too short for two parts.
    """
    random = np.random.default_rng(seed)
    upper, lower, really = cut(volume, overlap_mm, random)
    mask = body_mask(lower)
    inside = np.argwhere(mask)
    inside = inside[random.choice(len(inside), min(BODY_POINTS, len(inside)), replace=False)][:, ::-1]
    points = apply(lower.index_to_lps, inside.astype(np.float64))
    truth = random_motion(random, points.mean(axis=0), start)
    if affine:
        truth = _stretch(random, points.mean(axis=0)) @ truth
        placed = _shortened(upper, _resampled(_heightened(volume, lower), truth), truth, really)
        really = overlap_along_axis_mm(upper, placed, truth)
    else:
        placed = moved(lower, truth)
    center = points.mean(axis=0)
    return Case(
        fixed=replace(noisy(upper, random, noise_hu), name=f"upper part of {volume.name}"),
        moving=replace(noisy(placed, random, noise_hu), name=f"lower part of {volume.name}"),
        truth=to_transform(truth, "affine" if affine else "rigid", center),
        points=points,
        overlap_mm=really,
    )


def cut(volume: Volume, overlap_mm: float, random: np.random.Generator) -> tuple[Volume, Volume, float]:
    """Upper part, lower part, and the overlap in mm after rounding to slices (negative: a gap)."""
    axis = body_axis(volume)
    count, spacing = volume.size[axis.index], volume.spacing[axis.index]
    shared = round(overlap_mm / spacing)
    shortest = int(np.ceil(SHORTEST_PART_MM / spacing))
    middle = count / 2 + random.uniform(-0.05, 0.05) * count
    stop = round(middle + shared / 2)
    start = stop - shared
    if min(stop, count - start) < shortest:
        raise InputError(
            f"{volume.name} is {body_length_mm(volume):.0f} mm long, too short for two parts with "
            f"{overlap_mm:.0f} mm of overlap. Choose a longer volume."
        )
    low, high = slices(volume, 0, stop), slices(volume, start, count)
    upper, lower = (high, low) if axis.superior > 0 else (low, high)
    return upper, lower, shared * spacing


def beneath(volume: Volume, pose: Matrix, below: Volume) -> Volume:
    """The slices of a volume that lie in the lower part of another one or under it.

    Args:
        volume: to be cut.
        pose: (4, 4), points of the lower part to points of the volume.
        below: the lower part.

    Raises:
        InputError: all slices do, so that the volume ends too low, or hardly any.
    """
    axis, there = body_axis(volume), body_axis(below)
    index = np.tile((np.array(volume.size) - 1) / 2, (volume.size[axis.index], 1))
    index[:, axis.index] = np.arange(len(index))
    height = apply(np.linalg.inv(pose @ below.index_to_lps) @ volume.index_to_lps, index)[:, there.index]
    kept = np.flatnonzero(height <= below.size[there.index] - 0.5 if there.superior > 0 else height >= -0.5)
    if kept.size == len(index) or kept.size * volume.spacing[axis.index] < SHORTEST_PART_MM:
        raise InputError(f"{volume.name} does not show what the upper part lacks. Choose volumes of one region.")
    return slices(volume, int(kept[0]), int(kept[-1]) + 1)


def random_motion(random: np.random.Generator, center: NDArray[np.float64], start: Start) -> Matrix:
    """Rigid motion (4, 4) about the body's center, up to 10 degrees about each axis and 20 mm along (near), or far."""
    angles = np.radians(random.uniform(-NEAR_ROTATION_DEGREES, NEAR_ROTATION_DEGREES, 3))
    reach = [NEAR_SHIFT_MM] * 3 if start == "near" else [UNKNOWN_ACROSS_MM, UNKNOWN_ACROSS_MM, UNKNOWN_ALONG_MM]
    return about(rotation_matrix(angles), center, random.uniform(-1, 1, 3) * reach)


def _stretch(random: np.random.Generator, center: NDArray[np.float64]) -> Matrix:
    """Scale up to 5 % an axis and shear up to 2 %."""
    linear = np.diag(1 + random.uniform(-0.05, 0.05, 3)) + np.triu(random.uniform(-0.02, 0.02, (3, 3)), 1)
    return about(linear, center, np.zeros(3))


def moved(volume: Volume, pose: Matrix) -> Volume:
    """The volume after a rigid motion (4, 4): other origin and direction, the same voxels."""
    origin = apply(pose, np.array([volume.origin]))[0]
    return replace(volume, origin=tuple(origin), direction=pose[:3, :3] @ volume.direction)


def _resampled(volume: Volume, pose: Matrix) -> Volume:
    """The volume after an affine motion, on a grid moved by its rigid part, as far as the volume fills whole slices."""
    center = apply(volume.index_to_lps, (np.array([volume.size]) - 1) / 2.0)[0]
    shift = apply(pose, center[None])[0] - center
    grid = _lengthened(moved(volume, about(nearest_rotation(pose[:3, :3]), center, shift)))
    inverse = to_transform(np.linalg.inv(pose), "affine", np.zeros(3))
    image = sitk.Resample(volume.to_image(), grid.to_image(), inverse, sitk.sitkBSpline, float(volume.array.min()))
    array = sitk.GetArrayFromImage(image).astype(volume.array.dtype)
    # No scan ends in slices of air, and an expansion would go on with them.
    filled = _filled_slices(grid, volume, pose)
    return slices(grid.like(array), int(filled[0]), int(filled[-1]) + 1)


def _heightened(volume: Volume, lower: Volume) -> Volume:
    """The lower part of a volume with a tenth more slices at its top."""
    axis = body_axis(volume)
    count, kept = volume.size[axis.index], lower.size[axis.index]
    kept = min(count, kept + kept // 10 + 1)
    return slices(volume, 0, kept) if axis.superior > 0 else slices(volume, count - kept, count)


def _shortened(upper: Volume, lower: Volume, pose: Matrix, overlap_mm: float) -> Volume:
    """The lower part without the slices at its top that it overlaps the upper one too much with, by a pose."""
    superior, count = body_axis(lower).superior, lower.size[body_axis(lower).index]

    def without(lost: int) -> Volume:
        return slices(lower, 0, count - lost) if superior > 0 else slices(lower, lost, count)

    overlaps = [overlap_along_axis_mm(upper, without(lost), pose) for lost in (0, 1)]
    return without(max(0, int((overlaps[0] - overlap_mm) / (overlaps[0] - overlaps[1]))))


def _lengthened(volume: Volume) -> Volume:
    """The grid with a tenth of its slices more at both ends, for what a stretch pushes out of it."""
    axis = body_axis(volume)
    more = np.take(volume.array, range(volume.size[axis.index] // 10 + 1), axis.numpy_axis)
    return with_slices(volume, more, more)


def _filled_slices(grid: Volume, volume: Volume, pose: Matrix) -> NDArray[np.int64]:
    """Slices of a grid whose corners all come from within a volume that a pose moves there."""
    along = body_axis(volume).index
    ends = [np.arange(n) if axis == along else np.array([0, n - 1]) for axis, n in enumerate(grid.size)]
    corners = np.moveaxis(np.stack(np.meshgrid(*ends, indexing="ij"), axis=-1), along, 0).reshape(-1, 3)
    back = np.linalg.inv(pose @ volume.index_to_lps) @ grid.index_to_lps
    place = apply(back, corners.astype(np.float64)).reshape(grid.size[along], 4, 3)[..., along]
    return np.flatnonzero(((place >= -0.5) & (place <= volume.size[along] - 0.5)).all(axis=1))


def noisy(volume: Volume, random: np.random.Generator, sigma_hu: float = NOISE_HU) -> Volume:
    """The volume with normal noise."""
    return with_voxels(volume, volume.array + random.normal(0.0, sigma_hu, volume.array.shape))


def with_voxels(volume: Volume, array: NDArray[np.floating[Any]]) -> Volume:
    """Other voxels (z, y, x) on the grid of a volume, as a scanner stores them: int16, -1024 to 3071 HU."""
    return volume.like(np.clip(np.rint(array), -1024, 3071).astype(np.int16))
