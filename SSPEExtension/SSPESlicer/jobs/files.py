"""The files of a job, written in pieces while the application goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

PIECE_BYTES = 16 << 20

Files = Mapping[str, NDArray[Any] | sitk.Transform]
"""What is to be written, by the name of the file."""


def write(files: Files, folder: Path) -> Iterator[None]:
    """Write files piece by piece, one each time that the iterator is advanced.

    Raises:
        OSError: the disk is full, for example.
    """
    for name, content in files.items():
        if isinstance(content, sitk.Transform):
            sitk.WriteTransform(content, str(folder / name))
            yield
        else:
            yield from _writeArray(content, folder / name)


def _writeArray(array: NDArray[Any], path: Path) -> Iterator[None]:
    array = np.ascontiguousarray(array)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        voxels = array.reshape(-1).view(np.uint8).data
        for start in range(0, len(voxels), PIECE_BYTES):
            file.write(voxels[start : start + PIECE_BYTES])
            yield
