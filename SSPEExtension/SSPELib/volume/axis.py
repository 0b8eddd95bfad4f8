"""Which index axis runs along the body, and cutting or counting slices along it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .provenance import Provenance
from .volume import Volume

End = Literal["inferior", "superior"]
"""An end of the body axis."""


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

    def at_last(self, end: End) -> bool:
        """Whether an end of the body is where the index is highest."""
        return (end == "superior") == (self.superior > 0)


def body_axis(volume: Volume) -> BodyAxis:
    """Find the body axis from the direction matrix; oblique, flipped and left-handed volumes too."""
    superior_parts = volume.direction[2]
    index = int(np.argmax(np.abs(superior_parts)))
    return BodyAxis(index, 1 if superior_parts[index] >= 0 else -1)


def in_plane_mm(volume: Volume) -> list[float]:
    """Spacing of the rows and columns of slices across the body axis, in the order of the array, mm."""
    along = body_axis(volume).index
    return [volume.spacing[index] for index in (2, 1, 0) if index != along]


def body_length_mm(volume: Volume) -> float:
    """Extent along the body axis, mm: number of slices times their spacing."""
    axis = body_axis(volume)
    return volume.size[axis.index] * volume.spacing[axis.index]


def slices(volume: Volume, start: int, stop: int) -> Volume:
    """Keep the slices start to stop - 1 along the body axis (index order); the origin moves along."""
    axis = body_axis(volume)
    window: list[slice] = [slice(None)] * 3
    window[axis.numpy_axis] = slice(start, stop)
    kept = tuple(window)
    return replace(
        volume,
        array=volume.array[kept],
        origin=_origin_moved(volume, axis, start),
        provenance=None if volume.provenance is None else volume.provenance[kept],
    )


def with_slices(
    volume: Volume, before: NDArray[Any] | None, after: NDArray[Any] | None, provenance: Provenance
) -> Volume:
    """Append slices before the first and after the last along the body.

    Args:
        volume: what is made longer.
        before, after: slices (z, y, x) in the volume's own axis order.
        provenance: where the appended slices come from.

    Raises:
        ValueError: the data types differ, which would change the volume's own voxels.
    """
    axis = body_axis(volume)
    pieces = [piece for piece in (before, volume.array, after) if piece is not None]
    if any(piece.dtype != volume.array.dtype for piece in pieces):
        raise ValueError("Appended slices must have the data type of the volume.")
    array = np.concatenate(pieces, axis=axis.numpy_axis)
    added_before = 0 if before is None else before.shape[axis.numpy_axis]
    sources = np.full(array.shape, provenance, dtype=np.uint8)
    own: list[slice] = [slice(None)] * 3
    own[axis.numpy_axis] = slice(added_before, added_before + volume.array.shape[axis.numpy_axis])
    sources[tuple(own)] = Provenance.REAL if volume.provenance is None else volume.provenance
    return replace(
        volume,
        array=array,
        origin=_origin_moved(volume, axis, -added_before),
        provenance=sources if sources.any() else None,
    )


def real_part(volume: Volume) -> Volume:
    """Return a volume as it was scanned: from its first to its last slice that holds real voxels, bit-identical.

    Synthetic voxels that filled a wedge of such a slice become `Provenance.NO_DATA`, which they were.
    """
    if volume.provenance is None:
        return volume
    first, stop = _real_range(volume)
    scanned = slices(volume, first, stop)
    others = np.asarray(scanned.provenance) != Provenance.REAL
    return replace(scanned, provenance=others * np.uint8(Provenance.NO_DATA) if others.any() else None)


def synthetic_mm(volume: Volume) -> dict[End, float]:
    """Return the length of the synthetic slices beyond the real ones at both ends of the body, mm."""
    axis = body_axis(volume)
    count = volume.size[axis.index]
    first, stop = (0, count) if volume.provenance is None else _real_range(volume)
    before, after = first * volume.spacing[axis.index], (count - stop) * volume.spacing[axis.index]
    return {"inferior": before, "superior": after} if axis.superior > 0 else {"inferior": after, "superior": before}


def _real_range(volume: Volume) -> tuple[int, int]:
    """First slice along the body that holds real voxels, and one past the last."""
    stack = np.moveaxis(np.asarray(volume.provenance), body_axis(volume).numpy_axis, 0)
    # Looked for from both ends, as most slices hold some.
    first, behind = (
        next((number for number, slice_ in enumerate(order) if (slice_ == Provenance.REAL).any()), None)
        for order in (stack, stack[::-1])
    )
    if first is None or behind is None:
        raise InputError(f"{volume.name} has no real voxels; choose the CT that it was made from.")
    return first, len(stack) - behind


def _origin_moved(volume: Volume, axis: BodyAxis, count: int) -> tuple[float, float, float]:
    step = volume.direction[:, axis.index] * volume.spacing[axis.index]
    x, y, z = np.array(volume.origin) + step * count
    return float(x), float(y), float(z)
