"""Upright coronal and sagittal cuts through volumes of any grid, on planes that several volumes share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..volume import Volume
from ..volume.points import at_indices, body_points, indices_at, taken_back

View = Literal["coronal", "sagittal"]
PIXEL_MM = 1.25
MARGIN_MM = 8.0
OUTSIDE = -1.0e6


@dataclass(frozen=True)
class Plane:
    """An upright plane in LPS with square pixels, seen as radiologists do (patient's right, or front, on the left).

    Attributes:
        view: coronal (y fixed) or sagittal (x fixed).
        depth: LPS coordinate across the plane, mm.
        horizontal, vertical: limits, LPS mm.
    """

    view: View
    depth: float
    horizontal: tuple[float, float]
    vertical: tuple[float, float]

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, right, bottom and top edge in mm, as matplotlib wants them."""
        columns, rows = self._shape
        (left, _), (bottom, _) = self.horizontal, self.vertical
        return left, left + columns * PIXEL_MM, bottom, bottom + rows * PIXEL_MM

    @property
    def _shape(self) -> tuple[int, int]:
        columns, rows = (max(1, round((high - low) / PIXEL_MM)) for low, high in (self.horizontal, self.vertical))
        return columns, rows

    def reference(self) -> sitk.Image:
        """The plane as an image one voxel thick."""
        columns, rows = self._shape
        first = (self.horizontal[0] + PIXEL_MM / 2, self.vertical[0] + PIXEL_MM / 2)
        coronal = self.view == "coronal"
        image = sitk.Image([columns, 1, rows] if coronal else [1, columns, rows], sitk.sitkUInt8)
        image.SetSpacing([PIXEL_MM] * 3)
        image.SetOrigin([first[0], self.depth, first[1]] if coronal else [self.depth, first[0], first[1]])
        return image

    def cut(
        self, volume: Volume, transform: sitk.Transform | None = None, interpolator: int = sitk.sitkLinear
    ) -> NDArray[np.float32]:
        """Cut a volume: (row from the feet up, column), NaN where it has no voxels.

        Args:
            volume: what to cut.
            transform: maps points of the plane to points of the volume, LPS mm; linear.
            interpolator: linear, or nearest neighbor for masks.
        """
        reference, transform = self.reference(), transform or sitk.Transform(3, sitk.sitkIdentity)
        passed = _passed(volume, reference, transform)
        image = sitk.Resample(passed.to_image(), reference, transform, interpolator, OUTSIDE, sitk.sitkFloat32)
        flat: NDArray[np.float32] = sitk.GetArrayFromImage(image).reshape(self._shape[::-1])
        flat[flat < OUTSIDE / 2] = np.nan
        return flat


def shared_planes(placed: Iterable[tuple[Volume, sitk.Transform | None]], anchor: Volume) -> tuple[Plane, Plane]:
    """A coronal and a sagittal plane through the middle of the anchor's body, as large as all bodies together.

    Args:
        placed: volumes with the transform that maps points of the plane to their points (None: identity).
        anchor: a volume at its own place.
    """
    clouds = [_body_points(volume, transform) for volume, transform in placed]
    low = np.min([cloud.min(axis=0) for cloud in clouds], axis=0) - MARGIN_MM
    high = np.max([cloud.max(axis=0) for cloud in clouds], axis=0) + MARGIN_MM
    middle = np.median(_body_points(anchor, None), axis=0)
    vertical = (float(low[2]), float(high[2]))
    return (
        Plane("coronal", float(middle[1]), (float(low[0]), float(high[0])), vertical),
        Plane("sagittal", float(middle[0]), (float(low[1]), float(high[1])), vertical),
    )


def seam_height(fixed: Volume, moving: Volume, transform: sitk.Transform) -> float:
    """LPS z in the middle of the overlap of two bodies, or of the gap between them, mm; fixed to moving transform."""
    one, other = _body_points(fixed, None)[:, 2], _body_points(moving, transform)[:, 2]
    return float(max(one.min(), other.min()) + min(one.max(), other.max())) / 2


def _passed(volume: Volume, plane: sitk.Image, transform: sitk.Transform) -> Volume:
    """The box of a volume that a plane passes through, at least one voxel; transform: plane to volume, linear."""
    last = [count - 1 for count in plane.GetSize()]
    corners = [plane.TransformIndexToPhysicalPoint(index) for index in product(*((0, end) for end in last))]
    index = indices_at(volume, np.array([transform.TransformPoint(corner) for corner in corners]))
    size = np.array(volume.size)
    first = np.clip(np.floor(index.min(axis=0)).astype(int) - 1, 0, size - 1)
    stop = np.clip(np.ceil(index.max(axis=0)).astype(int) + 2, first + 1, size)
    box = tuple(slice(a, b) for a, b in zip(first[::-1], stop[::-1], strict=True))
    x, y, z = at_indices(volume, first[None].astype(np.float64))[0]
    return replace(volume, array=volume.array[box], origin=(x, y, z), provenance=None)


def _body_points(volume: Volume, transform: sitk.Transform | None) -> NDArray[np.float64]:
    """Points (n, 3) of the body where the plane sees them, LPS mm; corners of the volume where there is no body."""
    points = body_points(volume)
    if not len(points):
        points = at_indices(volume, np.array([[0.0, 0.0, 0.0], np.array(volume.size) - 1.0]))
    return points if transform is None else taken_back(points, transform)
