"""The pixels of DICOM files in HU. GDCM, which SimpleITK brings, undoes all compressions; the rescale is done here.

GDCM alone would turn MONOCHROME1 upside down and know no rescale that differs from frame to frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ...errors import InputError
from ...volume.volume import AIR_HU
from ..silence import libraries_silenced
from .header import read_dataset
from .plane import Header, Plane

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

PIXEL_GROUPS = (0x0028, 0x7FE0)
# Elements of group 0028 that would make GDCM change the stored values.
RESCALE = ("RescaleSlope", "RescaleIntercept", "RescaleType", "ModalityLUTSequence", "PixelPaddingValue")
IMPLICIT, EXPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"


# What a CT shows, metal included.
HIGHEST_HU = 3071.0


class BitsError(ValueError):
    """Which bits of a pixel hold its value is not certain."""


def hounsfield(planes: Sequence[Plane], place: Path) -> NDArray[Any]:
    """Voxels (n, rows, columns) of planes in HU; whole numbers where all slopes and intercepts are.

    Padding that has another value from slice to slice, or values of a range, gets the one value of the first slice.

    Raises:
        InputError: pixels that cannot be read; the file is named, and place, the folder.
    """
    kept: dict[Path, NDArray[Any]] = {}
    found = []
    for plane in planes:
        header = plane.header
        if header.file not in kept:
            kept = {header.file: stored_values(header, place)}
        stored = kept[header.file][plane.frame]
        found.append(_same_padding(_rescaled(stored, plane), stored, plane, planes[0].padding_hu))
    return np.stack(found)


def stored_values(header: Header, place: Path) -> NDArray[Any]:
    """Pixels (frame, row, column) of a file as they are stored, signed where it says so.

    Raises:
        InputError: damaged, a compression that is not known, or tags that leave open which bits hold the values.
    """
    try:
        dataset = read_dataset(header.file)
        _name_encoding(dataset)
        syntax = dataset.file_meta.TransferSyntaxUID
        array = _decompressed(dataset) if syntax.is_encapsulated else dataset.pixel_array
        shape = (header.frames, header.size[1], header.size[0])
        return _used_bits(array.reshape(shape), dataset)
    except BitsError as error:
        raise InputError(f"{place}: {header.file.name}: {error}; export the whole series again.") from error
    except Exception as error:
        # A damaged file makes the libraries raise almost anything.
        raise InputError(
            f"{place}: the pixels of {header.file.name} cannot be read (damaged or incomplete, or a compression that "
            "is not known); export the whole series again without compression."
        ) from error


def _name_encoding(dataset: FileDataset) -> None:
    """A file without meta information has no transfer syntax; how it was found to be encoded says it."""
    if "TransferSyntaxUID" in dataset.file_meta:
        return
    from pydicom.uid import UID

    implicit, little = dataset.original_encoding
    dataset.file_meta.TransferSyntaxUID = UID(IMPLICIT if implicit else EXPLICIT if little else BIG_ENDIAN)


def _decompressed(dataset: FileDataset) -> NDArray[Any]:
    """Have GDCM undo the compression of a copy that tells of nothing but its pixels."""
    import pydicom

    for element in list(dataset):
        if element.tag.group not in PIXEL_GROUPS and element.keyword not in ("SOPClassUID", "SOPInstanceUID"):
            del dataset[element.tag]
    for keyword in RESCALE:
        if keyword in dataset:
            del dataset[keyword]
    frames = int(dataset.get("NumberOfFrames") or 1)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = pydicom.uid.UID(
        "1.2.840.10008.5.1.4.1.1.7.3" if frames > 1 else "1.2.840.10008.5.1.4.1.1.7"
    )
    dataset.PhotometricInterpretation = "MONOCHROME2"
    with TemporaryDirectory() as folder, libraries_silenced():
        copy = Path(folder) / "pixels.dcm"
        pydicom.dcmwrite(copy, dataset)
        return sitk.GetArrayFromImage(sitk.ReadImage(str(copy), imageIO="GDCMImageIO"))


def _used_bits(array: NDArray[Any], dataset: FileDataset) -> NDArray[Any]:
    """Clear the bits above the highest one that is used; some scanners keep other things there, or no sign."""
    allocated, stored = int(dataset.BitsAllocated), int(dataset.BitsStored)
    signed = int(dataset.get("PixelRepresentation") or 0) == 1
    bits = array.dtype.itemsize * 8
    if allocated not in (8, 16, 32) or array.dtype.kind not in "iu":
        raise ValueError(f"pixels of {allocated} bits")
    exact = array.astype(f"{'i' if signed else 'u'}{bits // 8}", copy=False)
    unused = bits - stored
    if int(dataset.get("HighBit", stored - 1)) != stored - 1:
        raise BitsError(f"HighBit {dataset.HighBit} does not go with BitsStored {stored}")
    if unused <= 0:
        return exact
    return np.right_shift(np.left_shift(exact, unused), unused)


def _rescaled(stored: NDArray[Any], plane: Plane) -> NDArray[Any]:
    slope, intercept = (1.0 if plane.rescale[0] is None else plane.rescale[0]), plane.rescale[1] or 0.0
    if not (slope.is_integer() and intercept.is_integer()):
        return (stored * np.float64(slope) + intercept).astype(np.float32)
    values = stored.astype(np.int64) * int(slope) + int(intercept)
    limits = np.iinfo(np.int16)
    fits = limits.min <= values.min() and values.max() <= limits.max
    return values.astype(np.int16 if fits else np.int32)


def _same_padding(values: NDArray[Any], stored: NDArray[Any], plane: Plane, wanted_hu: float | None) -> NDArray[Any]:
    """HU of a plane with one value where it is padding; values that tissue may have stay as they are."""
    padding, own_hu = plane.header.padding, plane.padding_hu
    if padding is None or own_hu is None or wanted_hu is None or (padding[0] == padding[1] and own_hu == wanted_hu):
        return values
    if any(AIR_HU < hu <= HIGHEST_HU for hu in (own_hu, wanted_hu)):
        return values
    dtype = values.dtype
    if dtype.kind in "iu":
        dtype = np.result_type(dtype, np.min_scalar_type(int(wanted_hu)))
    where = (stored >= padding[0]) & (stored <= padding[1])
    return np.where(where, np.asarray(wanted_hu, dtype), values.astype(dtype, copy=False))
