"""Radiotherapy doses (DICOM RTDOSE): unit and scaling stay as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from ..errors import InputError

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

UNEVEN_MM = 0.01
# Histograms of the volume were computed on the original grid.
DROPPED = ("DVHSequence", "DVHNormalizationPoint", "DVHNormalizationDoseValue")


def stored_dose(data: FileDataset, name: str) -> sitk.Image:
    """The grid of a dose as stored, before the scaling, as float64.

    Raises:
        InputError: without scaling or unit, uneven planes, or no pixels.
    """
    for keyword, tag in (("DoseGridScaling", "(3004,000E)"), ("DoseUnits", "(3004,0002)")):
        if data.get(keyword) in (None, ""):
            raise InputError(
                f"{name}: the DICOM dose has no {keyword} {tag}, so its values mean nothing; export the dose again."
            )
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        if data.get(keyword) in (None, ""):
            raise InputError(f"{name}: the DICOM dose has no {keyword}, so its place is unknown; export it again.")
    if "PixelData" not in data:
        raise InputError(f"{name}: the DICOM dose holds no grid of doses (points or histograms only).")
    stored = data.pixel_array.astype(np.float64)
    stored = stored[None] if stored.ndim == 2 else stored
    axes = np.array(data.ImageOrientationPatient, dtype=np.float64).reshape(2, 3)
    normal = np.cross(axes[0], axes[1])
    position = np.array(data.ImagePositionPatient, dtype=np.float64)
    offsets = np.array(data.get("GridFrameOffsetVector", [0.0]), dtype=np.float64).ravel()
    if len(offsets) != len(stored):
        raise InputError(f"{name}: the dose has {len(stored)} planes but {len(offsets)} offsets; export it again.")
    gaps = np.diff(offsets)
    if len(gaps) and (np.ptp(gaps) > UNEVEN_MM or abs(gaps[0]) < UNEVEN_MM):
        raise InputError(f"{name}: the planes of the dose are not evenly spaced; export it on an even grid.")
    # Offsets are relative where the first is 0, else they are patient coordinates across the planes (PS3.3 C.8.8.3.2).
    if offsets[0] != 0:
        position = position + normal * (offsets[0] - position @ normal)
    step = float(gaps[0]) if len(gaps) else float(data.get("SliceThickness") or data.PixelSpacing[0])
    image = sitk.GetImageFromArray(stored)
    image.SetSpacing([float(data.PixelSpacing[1]), float(data.PixelSpacing[0]), abs(step)])
    image.SetOrigin(position.tolist())
    image.SetDirection(np.column_stack([axes[0], axes[1], normal * np.sign(step)]).ravel().tolist())
    return image


def in_units(data: FileDataset, stored: sitk.Image) -> sitk.Image:
    """Stored values to the dose's unit, float32."""
    return sitk.Cast(stored * float(data.DoseGridScaling), sitk.sitkFloat32)


def replace_grid(data: FileDataset, stored: sitk.Image, frame: str) -> None:
    """Put other stored values and their geometry into a dose; its unit, scaling and bits stay."""
    from ..dicom_objects.source import decimal

    array = sitk.GetArrayViewFromImage(stored)
    kind = np.dtype(f"{'i' if data.PixelRepresentation else 'u'}{data.BitsAllocated // 8}")
    direction = np.array(stored.GetDirection()).reshape(3, 3)
    axes, normal = direction[:, :2], np.cross(direction[:, 0], direction[:, 1])
    across = stored.GetSpacing()[2] * float(np.sign(normal @ direction[:, 2]))
    data.Columns, data.Rows, data.NumberOfFrames = stored.GetSize()
    data.PixelSpacing = [decimal(stored.GetSpacing()[1]), decimal(stored.GetSpacing()[0])]
    data.SliceThickness = decimal(stored.GetSpacing()[2])
    data.ImageOrientationPatient = [decimal(value) for value in axes.T.ravel()]
    data.ImagePositionPatient = [decimal(value) for value in stored.GetOrigin()]
    data.GridFrameOffsetVector = [decimal(across * index) for index in range(stored.GetSize()[2])]
    data.FrameIncrementPointer = 0x3004000C
    data.FrameOfReferenceUID = frame
    data.PixelData = np.rint(array).astype(kind).tobytes()
    for keyword in DROPPED:
        if keyword in data:
            delattr(data, keyword)
