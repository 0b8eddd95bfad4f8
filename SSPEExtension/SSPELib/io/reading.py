"""From a file or a folder to a `Volume`, or to one sentence on why not."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from os import PathLike
from pathlib import Path

import SimpleITK as sitk

from ..errors import InputError
from ..options import ReadOptions
from ..stages import stage
from ..volume.checks import check_finite, check_length
from ..volume.volume import Volume
from .dicom import read_file, read_folder
from .dicom.header import says_dicom
from .images import read_image


@stage("reading")
def read_volume(path: str | PathLike[str], options: ReadOptions = ReadOptions()) -> Volume:
    """Read a scalar 3-D volume: NIfTI, NRRD, MetaImage, an enhanced DICOM file, or a folder with DICOM in it.

    What was assumed, left out or resampled on the way is in the volume's remarks, which `check_ct` hands on as
    warnings. Whether the values are those of a CT is for `check_ct` to say.

    Args:
        path: the file or folder; the volume is named by it.
        options: which series of a folder, and whether a file without orientation may be read.

    Raises:
        InputError: missing, no image, not 3-D and scalar, not finite, no orientation, shorter than 30 mm along the
            body, several DICOM series, or one with tags missing or slices that make no stack.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist; check the path.")
    remarks: list[str] = []
    if path.is_dir():
        volume = read_folder(path, options.series, remarks)
    elif says_dicom(path):
        volume = read_file(path, options.series, remarks)
    else:
        volume = read_image(path, options.assume_lps, remarks)
    check_length(volume)
    check_finite(volume)
    return replace(volume, remarks=tuple(remarks))


@stage("reading")
def read_volumes(paths: Sequence[str | PathLike[str]], options: Sequence[ReadOptions]) -> list[Volume]:
    """Read several volumes as `read_volume` does, as many at a time as there are cores."""
    with ThreadPoolExecutor(int(sitk.ProcessObject.GetGlobalDefaultNumberOfThreads())) as pool:
        return list(pool.map(read_volume, paths, options))
