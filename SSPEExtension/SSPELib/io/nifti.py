"""What the NIfTI library hides: it silently reads 0 for NaN, for infinity and for the voxels that a cut-off file lacks.

To a CT, 0 is soft tissue. And of a.nii.gz it reads the voxels of a.nii where such a file lies beside it.
"""

from __future__ import annotations

import gzip
import math
import shutil
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, cast

import numpy as np

HEADER_BYTES = {348: "<", 540: "<", 1543569408: ">", 469893120: ">"}
FLOAT_TYPES = {16: "f4", 64: "f8"}
CHUNK_BYTES = 1 << 24


@dataclass(frozen=True)
class StoredVoxels:
    """What a file holds.

    Attributes:
        complete: all voxels that its header speaks of are there, and their checksum, where the file has one, is right.
        not_finite: number of voxels that are NaN or infinite.
    """

    complete: bool = True
    not_finite: int = 0


@dataclass(frozen=True)
class _Layout:
    """Data type code, offset and length of the voxels in bytes, byte order as struct and NumPy write it."""

    kind: int
    offset: int
    length: int
    order: str


def stored_voxels(path: Path) -> StoredVoxels:
    """Look at the voxels of a NIfTI-1 or NIfTI-2 file, plain or zipped; files of other formats pass."""
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        return StoredVoxels()
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    with cast(BinaryIO, gzip.open(path)) if zipped else path.open("rb") as stream:
        try:
            return _looked_through(stream)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            return StoredVoxels(complete=False)


@contextmanager
def apart(path: Path) -> Iterator[Path]:
    """Yield a file as it is, or a copy of it where another one beside it would be read in its place."""
    unzipped = path.with_name(path.name[: -len(".gz")])
    if not path.name.lower().endswith(".nii.gz") or not unzipped.exists():
        yield path
        return
    with TemporaryDirectory() as folder:
        yield Path(shutil.copyfile(path, Path(folder) / path.name))


def _looked_through(stream: BinaryIO) -> StoredVoxels:
    layout = _layout(stream.read(544))
    if layout is None:
        return StoredVoxels()
    dtype = np.dtype(f"{layout.order}{FLOAT_TYPES.get(layout.kind, 'u1')}")
    floating = layout.kind in FLOAT_TYPES
    stream.seek(layout.offset)
    length = not_finite = 0
    # Read to the end, which is where the checksum is.
    while chunk := stream.read(CHUNK_BYTES):
        if floating:
            values = np.frombuffer(chunk, dtype=dtype, count=len(chunk) // dtype.itemsize)
            not_finite += int(values.size - np.count_nonzero(np.isfinite(values)))
        length += len(chunk)
    return StoredVoxels(length >= layout.length, not_finite)


def _layout(head: bytes) -> _Layout | None:
    """Where the voxels are, by the first 544 bytes of a file; None where these are no header."""
    order = HEADER_BYTES.get(struct.unpack_from("<i", head)[0]) if len(head) == 544 else None
    if order is None:
        return None
    if struct.unpack_from(f"{order}i", head)[0] == 348:
        count, *sizes = struct.unpack_from(f"{order}8h", head, 40)
        kind, bits = struct.unpack_from(f"{order}2h", head, 70)
        offset = int(struct.unpack_from(f"{order}f", head, 108)[0])
    else:
        kind, bits, count, *sizes = struct.unpack_from(f"{order}2h8q", head, 12)
        [offset] = struct.unpack_from(f"{order}q", head, 168)
    return _Layout(kind, offset, math.prod(sizes[: max(0, count)]) * bits // 8, order)
