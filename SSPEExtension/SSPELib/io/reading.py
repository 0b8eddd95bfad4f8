"""From a file or a DICOM folder to a `Volume`, or to one sentence on why not."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..volume.checks import check_finite, check_length, raise_not_finite
from ..volume.volume import Volume
from .dicom import read_series
from .nifti import apart, stored_voxels
from .silence import libraries_silenced

FORMATS = "NIfTI (.nii, .nii.gz), NRRD (.nrrd), MetaImage (.mha, .mhd) or a folder with one DICOM series"
SOP_INSTANCE_UID = "0008|0018"
FRAME_OF_REFERENCE_UID = "0020|0052"


def read_volume(path: str | PathLike[str]) -> Volume:
    """Read a scalar 3-D volume: NIfTI, NRRD, MetaImage, or a folder with one DICOM series.

    The data type of the voxels is kept. Whether the values are those of a CT is for `check_ct` to say, which also
    returns warnings.

    Args:
        path: the file or folder; the volume is named by it.

    Raises:
        InputError: missing, no image, not 3-D and scalar, not finite, shorter than 30 mm along the body, or an
            irregular DICOM series.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist; check the path.")
    volume = read_series(path) if path.is_dir() else _read_file(path)
    check_length(volume)
    check_finite(volume)
    return volume


def _read_file(path: Path) -> Volume:
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes); copy or export it again.")
    reader = sitk.ImageFileReader()
    try:
        with libraries_silenced(), apart(path) as place:
            reader.SetFileName(str(place))
            reader.ReadImageInformation()
            _check_kind(path, reader)
            image = reader.Execute()
    except RuntimeError as error:
        raise InputError(_reason(path, error)) from error
    if image.GetDimension() == 4:
        image = image[:, :, :, 0]
    _check_geometry(path, image)
    stored = stored_voxels(path)
    if not stored.complete:
        raise InputError(_damaged(path))
    raise_not_finite(str(path), stored.not_finite)
    return Volume.from_image(image, name=str(path), frame_of_reference=_frame_of_reference(reader))


def _check_kind(path: Path, reader: sitk.ImageFileReader) -> None:
    """Raise InputError unless the file holds one scalar 3-D image; reads the header only."""
    size = list(reader.GetSize())
    shape = " x ".join(str(count) for count in size)
    components = reader.GetNumberOfComponents()
    if components != 1:
        raise InputError(
            f"{path} has {components} values a voxel (a color or vector image); choose a CT with one value a voxel."
        )
    if "complex" in sitk.GetPixelIDValueAsString(reader.GetPixelID()):
        raise InputError(f"{path} holds complex numbers; choose a CT with one real value a voxel.")
    if len(size) < 3:
        raise InputError(f"{path} is a 2-D image ({shape}); choose a 3-D CT volume, or the folder of its DICOM series.")
    if any(count > 1 for count in size[3:]):
        raise InputError(f"{path} is {len(size)}-D ({shape}); save one time point as a 3-D volume and choose that.")
    if reader.HasMetaDataKey(SOP_INSTANCE_UID) and size[2] == 1:
        raise InputError(f"{path} is a single slice of a DICOM series; choose the folder that holds the whole series.")


def _check_geometry(path: Path, image: sitk.Image) -> None:
    direction = np.array(image.GetDirection()).reshape(3, 3)
    numbers = [*image.GetSpacing(), *image.GetOrigin(), *direction.ravel()]
    if not np.all(np.isfinite(numbers)) or min(image.GetSpacing()) <= 0:
        raise InputError(f"{path} has a damaged header (spacing, origin or direction); export it again.")
    if not np.allclose(direction.T @ direction, np.eye(3), atol=1e-3):
        raise InputError(_sheared(path))


def _reason(path: Path, error: RuntimeError) -> str:
    text = str(error)
    if "orthonormal" in text:
        return _sheared(path)
    if "Unable to determine ImageIO" in text:
        return f"{path} is not an image that can be read, or is damaged; choose {FORMATS}."
    return _damaged(path)


def _damaged(path: Path) -> str:
    return f"{path} is damaged or incomplete and cannot be read; copy or export it again."


def _sheared(path: Path) -> str:
    return (
        f"{path} has axes that are not at right angles (a gantry tilt or shear); resample it to a straight grid, for "
        "example with Slicer's module Resample Scalar/Vector/DWI Volume, and choose the result."
    )


def _frame_of_reference(reader: sitk.ImageFileReader) -> str | None:
    if not reader.HasMetaDataKey(FRAME_OF_REFERENCE_UID):
        return None
    return str(reader.GetMetaData(FRAME_OF_REFERENCE_UID)).strip(" \0") or None
