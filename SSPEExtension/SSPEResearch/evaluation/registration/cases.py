"""Registration cases with a known answer: one volume cut in two, the lower part moved by a known transform."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from SSPELib.errors import InputError
from SSPELib.poses import (
    Matrix,
    about,
    apply,
    matrix_of,
    mean_distance,
    rotation_matrix,
    to_transform,
)
from SSPELib.volume import Volume, body_axis, body_length_mm, body_mask, slices
from SSPELib.volume.points import at_indices

from .scans import PADDING_HU, SHORTEST_PART_MM, Scan, moved, padded, rescanned, top_of

Start = Literal["near", "unknown"]
NEAR_ROTATION_DEGREES = 10.0
NEAR_SHIFT_MM = 20.0
UNKNOWN_ALONG_MM = 300.0
UNKNOWN_ACROSS_MM = 60.0
NOISE_HU = 20.0
BODY_POINTS = 400
END_MM = 30.0


@dataclass(frozen=True, eq=False)
class Case:
    """Two parts of one body and how they belong together.

    Attributes:
        fixed: the upper part, where it was.
        moving: the lower part, moved.
        truth: maps fixed points to moving points, LPS mm.
        points: (n, 3) body points of the fixed frame that lie in the moving part.
        overlap_mm: shared length along the body axis, negative for a gap; of a rescanned part in the body's middle.
    """

    fixed: Volume
    moving: Volume
    truth: sitk.Transform
    points: NDArray[np.floating[Any]]
    overlap_mm: float

    def error_mm(self, transform: sitk.Transform, points: NDArray[np.floating[Any]] | None = None) -> float:
        """Mean distance between where a transform and the truth take the body points (or some of them), mm."""
        chosen = self.points if points is None else points
        return mean_distance(matrix_of(transform), matrix_of(self.truth), chosen)

    @property
    def junction(self) -> NDArray[np.floating[Any]]:
        """The points within END_MM of the end of the moving part that looks toward the fixed one."""
        height = self._height()
        return self.points[height >= height.max() - END_MM]

    @property
    def far_end(self) -> NDArray[np.floating[Any]]:
        """The points within END_MM of the other end."""
        height = self._height()
        return self.points[height <= height.min() + END_MM]

    def _height(self) -> NDArray[np.floating[Any]]:
        """Of the points along the moving part, toward the head, mm."""
        axis = body_axis(self.moving)
        return apply(matrix_of(self.truth), self.points) @ self.moving.direction[:, axis.index] * axis.superior

    @property
    def start_error_mm(self) -> float:
        """The error of trusting the headers, mm."""
        return self.error_mm(sitk.Transform(3, sitk.sitkIdentity))


def make_case(
    volume: Volume,
    overlap_mm: float,
    seed: int,
    start: Start = "near",
    scan: Scan = "rescanned",
    affine: bool = False,
    noise_hu: float = NOISE_HU,
) -> Case:
    """Cut a volume near mid-length so that both parts share overlap_mm, and move the lower one.

    The motion is the same whichever way the second scan is made (see `scans`); noise is drawn for both parts on its
    own. With affine the motion also scales (to 5 % an axis) and shears (to 2 %).

    Raises:
        InputError: the volume is too short for two parts, or a part was to be stretched and keep its voxels.
    """
    if affine and scan == "cut":
        raise InputError("A part that is cut keeps its voxels and cannot be stretched. Choose rescanned or padded.")
    random = np.random.default_rng(seed)
    upper, lower, really = cut(volume, overlap_mm, random)
    points = _body_points(lower, random)
    center = points.mean(axis=0)
    truth = random_motion(random, center, start)
    if affine:
        truth = _stretch(random, center) @ truth
    data = None
    if scan == "cut":
        placed = moved(lower, truth)
    elif scan == "padded":
        placed, data = padded(lower, truth)
    else:
        placed = rescanned(volume, truth, top_of(lower))
        points = apply(np.linalg.inv(truth), _body_points(placed, random))
    fixed, moving = noisy(upper, random, noise_hu), noisy(placed, random, noise_hu)
    if data is not None:
        moving = moving.like(np.where(data, moving.array, np.int16(random.choice(PADDING_HU))))
    return Case(
        fixed=replace(fixed, name=f"upper part of {volume.name}"),
        moving=replace(moving, name=f"lower part of {volume.name}"),
        truth=to_transform(truth, "affine" if affine else "rigid", center),
        points=points,
        overlap_mm=really,
    )


def _body_points(volume: Volume, random: np.random.Generator) -> Matrix:
    """Centers (n, 3) of BODY_POINTS body voxels drawn at random, LPS mm."""
    inside = np.argwhere(body_mask(volume))
    chosen = inside[random.choice(len(inside), min(BODY_POINTS, len(inside)), replace=False)][:, ::-1]
    return at_indices(volume, chosen.astype(np.float64))


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


def noisy(volume: Volume, random: np.random.Generator, sigma_hu: float = NOISE_HU) -> Volume:
    """The volume with normal noise."""
    return with_voxels(volume, volume.array + random.normal(0.0, sigma_hu, volume.array.shape))


def with_voxels(volume: Volume, array: NDArray[np.floating[Any]]) -> Volume:
    """Other voxels (z, y, x) on the grid of a volume, as a scanner stores them: int16, -1024 to 3071 HU."""
    return volume.like(np.clip(np.rint(array), -1024, 3071).astype(np.int16))
