"""What the header of a CT tells before anything else is read: that it is there, and how large."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk

from SSPELib.errors import InputError
from SSPELib.io.silence import libraries_silenced

BYTES_OF_NO_SLICE = 132


def voxels_in(path: Path) -> int:
    """Return the number of voxels of a file or DICOM folder, as its headers say (of a folder, the first slice's).

    Raises:
        InputError: missing, or no 3-D image.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist; check the path.")
    files = sorted(file for file in path.iterdir() if _may_be_slice(file)) if path.is_dir() else [path]
    for file in files:
        size = _size(file)
        if size is None:
            continue
        columns, rows, slices = (*size, 1)[:3]
        if len(files) == 1 and slices == 1 and not path.is_dir():
            raise InputError(f"{path} is a 2-D image; choose a 3-D CT volume, or the folder of its DICOM series.")
        return columns * rows * max(slices, len(files))
    raise InputError(f"{path} holds no image that can be read; check the file, or choose the folder of one series.")


def _may_be_slice(file: Path) -> bool:
    return file.is_file() and file.stat().st_size > BYTES_OF_NO_SLICE


def _size(file: Path) -> tuple[int, ...] | None:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(file))
    try:
        with libraries_silenced():
            reader.ReadImageInformation()
    except RuntimeError:
        return None
    return tuple(reader.GetSize())
