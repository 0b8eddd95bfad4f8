"""Where the header of a NIfTI file says that its voxels lie; ITK takes one of its two answers without a word."""

from __future__ import annotations

import gzip
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

SUFFIXES = (".nii", ".nii.gz")
PAIR = (".hdr", ".img")
MAGICS = (b"n+1\0", b"ni1\0")
BYTES = 544
# Size of the header, as it stands in its first four bytes, to the byte order as struct writes it.
ORDERS = {348: "<", 540: "<", 1543569408: ">", 469893120: ">"}
TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
MM_PER_UNIT = {1: 1000.0, 2: 1.0, 3: 0.001}
SMALLEST_VOLUME = 1e-9
# A unit quaternion whose numbers were rounded is longer than 1 by this much at most.
ROUNDED = 1e-3


@dataclass(frozen=True, eq=False)
class NiftiPlaces:
    """The two ways in which a NIfTI header says where voxels lie.

    Attributes:
        sform, qform: (4, 4) from (i, j, k, 1) to LPS mm; None where not given, or not one to one.
        spacing: voxel size, mm.
    """

    sform: NDArray[np.float64] | None
    qform: NDArray[np.float64] | None
    spacing: NDArray[np.float64]


def opened(path: Path) -> BinaryIO:
    """Open a NIfTI file, zipped or not."""
    return cast(BinaryIO, gzip.open(path)) if is_zipped(path) else path.open("rb")


def is_zipped(path: Path) -> bool:
    """Tell by its first bytes whether a file is zipped."""
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def byte_order(head: bytes) -> str | None:
    """How numbers are written, by the first 544 bytes of a file; None where these are no NIfTI header."""
    return ORDERS.get(struct.unpack_from("<i", head)[0]) if len(head) == BYTES else None


def is_nifti_1(head: bytes, order: str) -> bool:
    """NIfTI-1, not NIfTI-2."""
    return bool(struct.unpack_from(f"{order}i", head)[0] == 348)


def is_nifti(path: Path) -> bool:
    """True for NIfTI by the name, in one file or in two."""
    return path.name.lower().endswith(SUFFIXES + PAIR)


def places(path: Path) -> NiftiPlaces | None:
    """What the header says; None where it is none. Analyze, the older format of such pairs, gives no place at all."""
    with opened(path.with_suffix(".hdr") if path.suffix.lower() in PAIR else path) as stream:
        head = stream.read(BYTES).ljust(BYTES, b"\0")
    order = byte_order(head)
    if order is None:
        return None
    if is_nifti_1(head, order):
        pixdim = struct.unpack_from(f"{order}8f", head, 76)
        units = head[123]
        codes = struct.unpack_from(f"{order}2h", head, 252) if head[344:348] in MAGICS else (0, 0)
        numbers = struct.unpack_from(f"{order}18f", head, 256)
    else:
        pixdim = struct.unpack_from(f"{order}8d", head, 104)
        [units] = struct.unpack_from(f"{order}i", head, 500)
        codes = struct.unpack_from(f"{order}2i", head, 344)
        numbers = struct.unpack_from(f"{order}18d", head, 352)
    scale = np.diag([*[MM_PER_UNIT.get(units & 7, 1.0)] * 3, 1.0])
    # Voxel sizes of a qform are above 0; for others, programs take the size, its opposite or 1 mm.
    sized = codes[0] > 0 and min(pixdim[1:4]) > 0
    qform = _turned(pixdim, np.array(numbers[:3]), np.array(numbers[3:6])) if sized else None
    sform = np.vstack([np.reshape(numbers[6:], (3, 4)), [0, 0, 0, 1]]) if codes[1] > 0 else None
    return NiftiPlaces(
        sform=_one_to_one(sform, scale),
        qform=_one_to_one(qform, scale),
        spacing=np.array(pixdim[1:4]) * scale[0, 0],
    )


def _turned(
    pixdim: tuple[float, ...], bcd: NDArray[np.float64], offset: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """The matrix that a quaternion, voxel sizes and an offset stand for (NIfTI-1, method 2); None of no rotation."""
    length = float(np.linalg.norm(bcd))
    if not length <= 1.0 + ROUNDED:
        return None
    b, c, d = bcd = bcd / max(1.0, length)
    a = np.sqrt(max(0.0, 1.0 - float(bcd @ bcd)))
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    matrix = np.eye(4)
    matrix[:3, :3] = rotation * np.array([pixdim[1], pixdim[2], pixdim[3] * (-1.0 if pixdim[0] < 0 else 1.0)])
    matrix[:3, 3] = offset
    return matrix


def _one_to_one(matrix: NDArray[np.float64] | None, scale: NDArray[np.float64]) -> NDArray[np.float64] | None:
    if matrix is None or not np.all(np.isfinite(matrix)) or abs(np.linalg.det(matrix)) < SMALLEST_VOLUME:
        return None
    return np.asarray(TO_LPS @ scale @ matrix, dtype=np.float64)
