"""Which index axis runs along the body, and cutting or counting slices along it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .volume import Volume


@dataclass(frozen=True)
class BodyAxis:
    """The index axis nearest to the patient's inferior-superior line.

    Attributes:
        index: 0, 1 or 2 for the x, y or z index axis.
        superior: +1 where the index grows toward the head, -1 where it grows toward the feet.
    """

    index: int
    superior: int

    @property
    def numpy_axis(self) -> int:
        """The same axis in an array (z, y, x)."""
        return 2 - self.index


def body_axis(volume: Volume) -> BodyAxis:
    """Find the body axis from the direction matrix; oblique, flipped and left-handed volumes too."""
    superior_parts = volume.direction[2]
    index = int(np.argmax(np.abs(superior_parts)))
    return BodyAxis(index, 1 if superior_parts[index] >= 0 else -1)


def body_length_mm(volume: Volume) -> float:
    """Extent along the body axis, mm: number of slices times their spacing."""
    axis = body_axis(volume)
    return volume.size[axis.index] * volume.spacing[axis.index]


def slices(volume: Volume, start: int, stop: int) -> Volume:
    """Keep the slices start to stop - 1 along the body axis (index order); the origin moves along."""
    axis = body_axis(volume)
    window: list[slice] = [slice(None)] * 3
    window[axis.numpy_axis] = slice(start, stop)
    return replace(
        volume,
        array=volume.array[tuple(window)],
        origin=_origin_moved(volume, axis, start),
    )


def with_slices(volume: Volume, before: NDArray[Any] | None, after: NDArray[Any] | None) -> Volume:
    """Append slices (z, y, x, in the volume's own axis order) before the first and after the last along the body.

    Raises:
        ValueError: the data types differ, which would change the volume's own voxels.
    """
    axis = body_axis(volume)
    pieces = [piece for piece in (before, volume.array, after) if piece is not None]
    if any(piece.dtype != volume.array.dtype for piece in pieces):
        raise ValueError("Appended slices must have the data type of the volume.")
    added_before = 0 if before is None else before.shape[axis.numpy_axis]
    return replace(
        volume,
        array=np.concatenate(pieces, axis=axis.numpy_axis),
        origin=_origin_moved(volume, axis, -added_before),
    )


def _origin_moved(volume: Volume, axis: BodyAxis, count: int) -> tuple[float, float, float]:
    step = volume.direction[:, axis.index] * volume.spacing[axis.index]
    x, y, z = np.array(volume.origin) + step * count
    return float(x), float(y), float(z)
