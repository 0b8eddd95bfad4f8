"""NIfTI, NRRD and MetaImage."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from dicom_series import VOLUME

from .kinds import Make


def nifti(
    sform: np.ndarray | None = None,
    codes: tuple[int, int] = (1, 1),
    nudge: float = 0.0,
    name: str = "ct.nii",
) -> Make:
    """A NIfTI file whose (qform, sform) codes and sform (4, 4, RAS) are given; nudge tilts the sform's axes."""

    def make(folder: Path) -> Path:
        path = folder / "ct.nii"
        sitk.WriteImage(VOLUME.to_image(), str(path))
        data = bytearray(path.read_bytes())
        matrix = np.diag([-1.0, -1, 1, 1]) @ VOLUME.index_to_lps if sform is None else sform
        matrix = matrix.copy()
        matrix[0, 1] += nudge * VOLUME.spacing[1]
        struct.pack_into("<2h", data, 252, *codes)
        struct.pack_into("<12f", data, 280, *matrix[:3].ravel())
        path.write_bytes(bytes(data))
        if name.endswith(".gz"):
            (folder / name).write_bytes(gzip.compress(bytes(data), 1))
            path.unlink()
        return folder / name

    return make


def patched_nifti(layout: str, at: int, *values: float, codes: tuple[int, int] = (1, 1)) -> Make:
    """A NIfTI file with some numbers of its header, laid out as struct says, written over at a byte."""

    def make(folder: Path) -> Path:
        path = nifti(codes=codes)(folder)
        data = bytearray(path.read_bytes())
        struct.pack_into(layout, data, at, *values)
        path.write_bytes(bytes(data))
        return path

    return make


def raw_with_header(folder: Path) -> Path:
    """A MetaImage file whose voxels, in a file of their own, begin with something else."""
    path = as_file(".mhd")(folder)
    voxels = folder / "ct.raw"
    voxels.write_bytes(bytes(48) + voxels.read_bytes())
    return path


def _ras() -> np.ndarray:
    return np.diag([-1.0, -1, 1, 1]) @ VOLUME.index_to_lps


def moved(mm: float) -> np.ndarray:
    matrix = _ras()
    matrix[2, 3] += mm
    return matrix


def text_header(suffix: str, *lines: str, drop: tuple[str, ...] = ()) -> Make:
    """An uncompressed NRRD or MetaImage file, without the lines that begin with some words and with others added."""

    def make(folder: Path) -> Path:
        path = folder / f"ct{suffix}"
        sitk.WriteImage(VOLUME.to_image(), str(path), useCompression=False)
        head, mark, voxels = _halves(path.read_bytes(), suffix)
        kept = (
            [line for line in head.decode().splitlines() if not line.startswith(drop)]
            if drop
            else head.decode().splitlines()
        )
        after = next(index for index, line in enumerate(kept) if line.startswith(("sizes", "NDims"))) + 1
        kept[after:after] = lines
        path.write_bytes("\n".join(kept).encode() + mark + voxels)
        return path

    return make


def _halves(whole: bytes, suffix: str) -> tuple[bytes, bytes, bytes]:
    if suffix == ".nrrd":
        head, _, voxels = whole.partition(b"\n\n")
        return head, b"\n\n", voxels
    key = b"ElementDataFile = "
    at = whole.index(key)
    end = whole.index(b"\n", at)
    return whole[:end], b"\n", whole[end + 1 :]


def as_file(suffix: str) -> Make:
    """The body as one file."""

    def make(folder: Path) -> Path:
        sitk.WriteImage(VOLUME.to_image(), str(folder / f"ct{suffix}"))
        return folder / f"ct{suffix}"

    return make


def zipped_meta_image(cut: int = 0, more: int = 0) -> Make:
    """A MetaImage file with compressed voxels whose last bytes lack, or whose header gives another size for them."""

    def make(folder: Path) -> Path:
        path = folder / "ct.mha"
        sitk.WriteImage(VOLUME.to_image(), str(path), useCompression=True)
        whole = path.read_bytes()
        size = int(whole.partition(b"CompressedDataSize = ")[2].partition(b"\n")[0])
        said = f"CompressedDataSize = {size - cut + more}"
        whole = whole.replace(f"CompressedDataSize = {size}".encode(), said.encode())
        path.write_bytes(whole[: len(whole) - cut])
        return path

    return make


def detached_nrrd(*lines: str, ahead: int = 0, big_endian: bool = False) -> Make:
    """An NRRD header with its voxels in a file of their own, so many other bytes ahead of them."""

    def make(folder: Path) -> Path:
        whole = folder / "ct.nrrd"
        sitk.WriteImage(VOLUME.to_image(), str(whole), useCompression=False)
        head, _, voxels = _halves(whole.read_bytes(), ".nrrd")
        whole.unlink()
        if big_endian:
            head = head.replace(b"endian: little", b"endian: big")
            voxels = np.frombuffer(voxels, "<i2").astype(">i2").tobytes()
        (folder / "ct.raw").write_bytes(bytes(ahead) + voxels)
        (folder / "ct.nhdr").write_text("\n".join([head.decode(), *lines, "data file: ct.raw\n\n"]))
        return folder / "ct.nhdr"

    return make
