"""How much padding is found after a rotation, and what it cuts off the body: known, as the part comes from a whole."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from SSPELib.io import read_volume
from SSPELib.poses import Matrix, about, rotation_matrix
from SSPELib.progress import Progress, silent
from SSPELib.volume import Volume, body_axis, body_mask, slices
from SSPELib.volume.no_data import find_no_data

from .registration.scans import padded, sampled
from .rows import RowTable

DEGREES = (0.0, 3.0, 6.0, 10.0)
FILLS_HU = (-1024, -3024)
BACKGROUND_HU = -1024
# Of a volume along the body, so that what lies beyond the part is known.
PART = (0.25, 0.75)
LARGE, OWN = "large", "own"
# Of what surrounds a body; a scan has less outside the scanner's circle.
MASKED = 0.7


@dataclass(frozen=True)
class Row:
    """One part, turned and resampled, and what was found in it.

    Attributes:
        around: the body: "air", or one "other" value, or the "fill" itself.
        grid: "large", which holds all of the turned part, or its "own".
        found, no_data, right: numbers of voxels that were found, that are padding, and both; what is padding already
            in the whole volume (outside the scanner's circle) does not count.
        lost, lost_found: of padding where the whole volume shows a body, and of that found.
        body, body_taken: of body that is there, and of that taken for padding.
    """

    patient: str
    around: str
    grid: str
    degrees: float
    fill_hu: float
    found: float
    no_data: float
    right: float
    lost: float
    lost_found: float
    body: float
    body_taken: float

    @property
    def key(self) -> tuple[str, str, str, float, float]:
        """What makes a row the only one of its kind."""
        return self.patient, self.around, self.grid, self.degrees, self.fill_hu


def run(
    paths: Sequence[Path],
    table: Path,
    degrees: Sequence[float] = DEGREES,
    fills_hu: Sequence[float] = FILLS_HU,
    progress: Progress = silent,
) -> list[Row]:
    """Measure `find_no_data` on the middle half of every volume; rows already in a CSV are not done again.

    Raises:
        InputError: the table is no table of this benchmark, or a volume cannot be read.
    """
    done = RowTable(table, Row)
    for number, path in enumerate(paths):
        progress(number / len(paths), path.name)
        name = path.name.removesuffix(".gz").removesuffix(".nii")
        volume = replace(read_volume(path), provenance=None)
        for around, stored in _stored(volume):
            for angle in degrees:
                kinds = {fill: "fill" if around == "other" and fill == BACKGROUND_HU else around for fill in fills_hu}
                keys = [(name, kinds[fill], grid, angle, float(fill)) for fill in fills_hu for grid in (LARGE, OWN)]
                if all(key in done for key in keys):
                    continue
                pose = _turn(stored, angle, zlib.crc32(f"{name} {angle:g}".encode()))
                for key, counts in zip(keys, _counts(stored, pose, fills_hu), strict=True):
                    if key not in done:
                        done.add(Row(*key, **counts))
    progress(1.0, "Done")
    return done.rows


def _stored(volume: Volume) -> list[tuple[str, Volume]]:
    """The volume as it is, and with one value around the body; that alone where it came so."""
    body = body_mask(volume)
    masked = volume.like(np.where(body, volume.array, BACKGROUND_HU).astype(np.int16))
    around = volume.array[~body]
    if np.count_nonzero(around == BACKGROUND_HU) > MASKED * around.size:
        return [("other", masked)]
    return [("air", volume), ("other", masked)]


def _turn(volume: Volume, degrees: float, seed: int) -> Matrix:
    """A rotation (4, 4) about the middle and a random axis, mostly one that tilts slices."""
    axis = body_axis(volume).index
    turn = np.random.default_rng(seed).normal(size=3)
    turn[axis] *= 0.4
    turn = volume.direction @ (turn / np.linalg.norm(turn)) * np.radians(degrees)
    middle = volume.index_to_lps @ np.append((np.array(volume.size) - 1) / 2, 1.0)
    return about(rotation_matrix(turn), middle[:3], np.zeros(3))


def _counts(volume: Volume, pose: Matrix, fills_hu: Sequence[float]) -> Iterable[dict[str, Any]]:
    """The counts of rows: fills in the outer, grids in the inner order."""
    axis = body_axis(volume)
    count = volume.size[axis.index]
    part = slices(volume, round(PART[0] * count), round(PART[1] * count))
    turned, data = padded(part, pose)
    body, outside = (
        sampled(volume.like(mask).to_image(), turned, np.array(turned.size), pose, sitk.sitkNearestNeighbor).array > 0.5
        for mask in (body_mask(volume).astype(np.uint8), find_no_data(volume).astype(np.uint8))
    )
    first = np.rint(np.linalg.inv(turned.index_to_lps) @ np.append(part.origin, 1.0))[2::-1].astype(int)
    own = tuple(slice(low, low + size) for low, size in zip(first, part.array.shape, strict=True))
    for fill in fills_hu:
        filled = turned.like(np.where(data, np.rint(turned.array), fill).astype(np.int16))
        for window in (tuple(slice(None) for _ in range(3)), own):
            cropped = replace(filled, array=np.ascontiguousarray(filled.array[window]))
            yield _compared(find_no_data(cropped) & ~(outside & data)[window], data[window], body[window])


def _compared(found: NDArray[np.bool_], data: NDArray[np.bool_], body: NDArray[np.bool_]) -> dict[str, Any]:
    sets: dict[str, Any] = {
        "found": found,
        "no_data": ~data,
        "right": found & ~data,
        "lost": body & ~data,
        "lost_found": body & ~data & found,
        "body": body & data,
        "body_taken": body & data & found,
    }
    return {name: float(np.count_nonzero(voxels)) for name, voxels in sets.items()}


def markdown(rows: Sequence[Row]) -> str:
    """Shares over all voxels of a kind, and in the worst case."""
    lines = [
        "| around the body | turned by | cases | precision | recall | lost body found | worst | body taken | worst |",
        "|---" * 9 + "|",
    ]
    for around in ("air", "other", "fill"):
        for angle in sorted({row.degrees for row in rows}):
            some = [row for row in rows if row.around == around and row.degrees == angle]
            if not some:
                continue
            cells = [
                _share(some, "right", "found"),
                _share(some, "right", "no_data"),
                _share(some, "lost_found", "lost"),
                _worst(some, "lost_found", "lost", min),
                _share(some, "body_taken", "body"),
                _worst(some, "body_taken", "body", max),
            ]
            lines.append(f"| {around} | {angle:g}° | {len(some)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _share(rows: Sequence[Row], part: str, whole: str) -> str:
    size = sum(getattr(row, whole) for row in rows)
    return f"{sum(getattr(row, part) for row in rows) / size:.4f}" if size else "-"


def _worst(rows: Sequence[Row], part: str, whole: str, worst: Any) -> str:
    """Of cases in which there is enough to tell."""
    shares = [getattr(row, part) / getattr(row, whole) for row in rows if getattr(row, whole) >= 200]
    return f"{worst(shares):.4f}" if shares else "-"
