"""NIfTI files: what the NIfTI library hides, and zipping on all cores.

The library silently reads 0 for NaN, for infinity and for the voxels that a cut-off file lacks. To a CT, 0 is soft
tissue. And of a.nii.gz it reads the voxels of a.nii where such a file lies beside it.
"""

from __future__ import annotations

import errno
import gzip
import math
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import numpy as np
import SimpleITK as sitk

from .nifti_header import BYTES, SUFFIXES, byte_order, is_nifti_1, is_zipped, opened
from .zipping import unzip_file, zip_pieces

FLOAT_TYPES = {16: "f4", 64: "f8"}
# Of a voxel, by the code of its data type, which the library goes by; a header says the bits once more (bitpix).
TYPE_BITS = {2: 8, 4: 16, 8: 32, 16: 32, 64: 64, 256: 8, 512: 16, 768: 32, 1024: 64, 1280: 64}
# No voxels can lie before the end of the smaller of both headers.
HEADER_BYTES = 352
CHUNK_BYTES = 1 << 24
LONGEST_AXIS = 32767
# Stands in the description of a NIfTI header, the only text that one has.
NOTE_KEY = "ITK_FileNotes"
HEAD_BYTES = 352
STUB_SIDE = 2
PERMISSIVE = "ITK_NIFTI_SFORM_PERMISSIVE"


@dataclass(frozen=True)
class StoredVoxels:
    """What a file holds.

    Attributes:
        complete: all voxels that its header speaks of are there, and their checksum, where the file has one, is right.
        not_finite: number of voxels that are NaN or infinite.
        unread: bytes behind the last voxel that its header speaks of.
        lone_intercept: an intercept whose slope is 0: by the standard it does not count, but ITK adds it.
        bits: of a voxel by its data type and by the header's other word on it, where they differ.
    """

    complete: bool = True
    not_finite: int = 0
    unread: int = 0
    lone_intercept: float = 0.0
    bits: tuple[int, int] | None = None


@dataclass(frozen=True)
class _Layout:
    """Data type code and bits, offset and length of the voxels in bytes, byte order as NumPy writes it; scaling."""

    kind: int
    bits: int
    offset: int
    length: int
    order: str
    slope: float
    intercept: float


def stored_voxels(path: Path) -> StoredVoxels:
    """Look at the voxels of a NIfTI-1 or NIfTI-2 file, plain or zipped; files of other formats pass."""
    if not path.name.lower().endswith(SUFFIXES):
        return StoredVoxels()
    with opened(path) as stream:
        try:
            return _looked_through(stream)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            return StoredVoxels(complete=False)


@contextmanager
def unzipped(path: Path) -> Iterator[Path]:
    """Yield a file as it is, or, of zipped NIfTI, what is in it: ITK would unzip it again, and read a.nii for a.nii.gz.

    Raises:
        EOFError, zlib.error: it is cut off or damaged.
        OSError: there is no room for what is in it.
    """
    if not (path.name.lower().endswith(SUFFIXES) and is_zipped(path)):
        yield path
        return
    with TemporaryDirectory() as folder:
        plain = Path(folder) / "unzipped.nii"
        unzip_file(path, plain)
        yield plain


@contextmanager
def any_sform_read() -> Iterator[None]:
    """While the context lasts, ITK reads the voxels of a NIfTI file whatever its sform is, which it else refuses."""
    before = os.environ.get(PERMISSIVE)
    os.environ[PERMISSIVE] = "ON"
    try:
        yield
    finally:
        if before is None:
            del os.environ[PERMISSIVE]
        else:
            os.environ[PERMISSIVE] = before


def write_zipped(image: sitk.Image, path: Path) -> bool:
    """Write a scalar 3-D image as zipped NIfTI-1 on all cores; false, and nothing is written, for any other.

    ITK, which zips on one core, writes the header.

    Raises:
        OSError, RuntimeError: the disk is full, or something else is wrong with it.
    """
    scalar = image.GetDimension() == 3 and image.GetNumberOfComponentsPerPixel() == 1
    if not path.name.lower().endswith(".nii.gz") or not scalar or max(image.GetSize()) > LONGEST_AXIS:
        return False
    voxels = sitk.GetArrayViewFromImage(image)
    with TemporaryDirectory() as folder:
        stub = Path(folder) / "stub.nii"
        sitk.WriteImage(_stub(image), str(stub))
        head = bytearray(stub.read_bytes()[: -(STUB_SIDE**3) * voxels.dtype.itemsize])
    if len(head) != HEAD_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    struct.pack_into("3h", head, 42, *image.GetSize())
    if image.HasMetaDataKey(NOTE_KEY):
        # Earlier versions of ITK leave it out.
        struct.pack_into("80s", head, 148, image.GetMetaData(NOTE_KEY).encode()[:79])
    zip_pieces([memoryview(head), voxels.reshape(-1).view(np.uint8).data], path)
    return True


def _stub(image: sitk.Image) -> sitk.Image:
    """A few voxels of the same kind at the same place."""
    stub = sitk.Image([STUB_SIDE] * 3, image.GetPixelID())
    stub.SetSpacing(image.GetSpacing())
    stub.SetOrigin(image.GetOrigin())
    stub.SetDirection(image.GetDirection())
    for key in image.GetMetaDataKeys():
        stub.SetMetaData(key, image.GetMetaData(key))
    return stub


def _looked_through(stream: BinaryIO) -> StoredVoxels:
    layout = _layout(stream.read(BYTES))
    if layout is None:
        return StoredVoxels()
    if layout.offset < HEADER_BYTES:
        return StoredVoxels(complete=False)
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
    lone = layout.intercept if layout.slope == 0 and math.isfinite(layout.intercept) else 0.0
    own = TYPE_BITS.get(layout.kind, layout.bits)
    bits = None if own == layout.bits else (own, layout.bits)
    return StoredVoxels(length >= layout.length, not_finite, max(0, length - layout.length), lone, bits)


def _layout(head: bytes) -> _Layout | None:
    """Where the voxels are, by the first 544 bytes of a file; None where these are no header."""
    order = byte_order(head)
    if order is None:
        return None
    if is_nifti_1(head, order):
        count, *sizes = struct.unpack_from(f"{order}8h", head, 40)
        kind, bits = struct.unpack_from(f"{order}2h", head, 70)
        offset, slope, intercept = struct.unpack_from(f"{order}3f", head, 108)
    else:
        kind, bits, count, *sizes = struct.unpack_from(f"{order}2h8q", head, 12)
        offset, slope, intercept = struct.unpack_from(f"{order}q2d", head, 168)
    length = math.prod(sizes[: max(0, count)]) * TYPE_BITS.get(kind, bits) // 8
    return _Layout(kind, bits, int(offset), length, order, slope, intercept)
