"""Multi-frame files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from dicom_series import VOLUME, write_series
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from SSPELib.volume import Volume

from .kinds import Make


def enhanced(
    volume: Volume = VOLUME, order: list[int] | None = None, shared: bool = True, per_frame_rescale: bool = False
) -> pydicom.FileDataset:
    """An enhanced CT of a volume, its frames in any order, what all frames share said once or at every frame."""
    meta = pydicom.dataset.FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = UID("1.2.840.10008.5.1.4.1.1.2.1"), ExplicitVRLittleEndian
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["enhanced"])
    data = pydicom.FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.Modality, data.SeriesInstanceUID = "CT", generate_uid(entropy_srcs=["enhanced series"])
    data.SeriesNumber, data.SeriesDescription = 7, "ENHANCED"
    data.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    data.FrameOfReferenceUID = generate_uid(entropy_srcs=["frame"])
    order = order or list(range(volume.size[2]))
    data.NumberOfFrames, data.Rows, data.Columns = len(order), volume.size[1], volume.size[0]
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
    stored, frames = [], []
    for rank, index in enumerate(order):
        slope, intercept = ((0.5, 0.25, 1.0)[rank % 3], -1024.0 - 7 * rank) if per_frame_rescale else (1.0, -1024.0)
        stored.append(np.rint((volume.array[index] - intercept) / slope).astype(np.uint16))
        frame = pydicom.Dataset()
        place = pydicom.Dataset()
        place.ImagePositionPatient = [f"{v:.6f}" for v in (volume.index_to_lps @ [0, 0, index, 1])[:3]]
        frame.PlanePositionSequence = [place]
        if not shared or per_frame_rescale:
            frame.PixelValueTransformationSequence = [_rescale(slope, intercept)]
        if not shared:
            frame.update(_grid(volume))
        frames.append(frame)
    common = pydicom.Dataset()
    if shared:
        common.update(_grid(volume))
        if not per_frame_rescale:
            common.PixelValueTransformationSequence = [_rescale(1.0, -1024.0)]
    data.SharedFunctionalGroupsSequence, data.PerFrameFunctionalGroupsSequence = [common], frames
    data.PixelData = np.stack(stored).tobytes()
    return data


def _grid(volume: Volume) -> pydicom.Dataset:
    group, measures, axes = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
    measures.PixelSpacing, measures.SliceThickness = [volume.spacing[1], volume.spacing[0]], volume.spacing[2]
    axes.ImageOrientationPatient = [f"{value:.8f}" for value in volume.direction[:, :2].T.ravel()]
    group.PixelMeasuresSequence, group.PlaneOrientationSequence = [measures], [axes]
    return group


def _rescale(slope: float, intercept: float) -> pydicom.Dataset:
    rescale = pydicom.Dataset()
    rescale.RescaleSlope, rescale.RescaleIntercept, rescale.RescaleType = slope, intercept, "HU"
    return rescale


def multi_frame(
    change: Callable[[pydicom.FileDataset], object] = lambda data: None, in_folder: bool = False, **how: Any
) -> Make:
    """An enhanced CT as a file, or as a folder with that file."""

    def make(folder: Path) -> Path:
        data = enhanced(**how)
        change(data)
        path = folder / "enhanced" / "IM0"
        path.parent.mkdir()
        pydicom.dcmwrite(path, data, enforce_file_format=True)
        return path.parent if in_folder else path

    return make


def legacy_converted(folder: Path) -> Path:
    """By another hand: highdicom's conversion of a series of single slices."""
    import highdicom

    files = write_series(folder / "single")
    slices = [pydicom.dcmread(file) for file in files]
    for data in slices:
        data.PatientID, data.PatientName, data.PatientBirthDate, data.PatientSex = "P", "P", "", ""
        data.StudyID, data.StudyDate, data.StudyTime, data.AccessionNumber = "1", "20200101", "080000", ""
        data.ReferringPhysicianName, data.Manufacturer, data.PositionReferenceIndicator = "", "X", ""
        data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        data.AcquisitionDateTime, data.ContentDate, data.ContentTime = "20200101080000", "20200101", "080000"
        data.RescaleType, data.BurnedInAnnotation = "HU", "NO"
    converted = highdicom.legacy.LegacyConvertedEnhancedCTImage(
        slices, generate_uid(), 5, generate_uid(), 1, transfer_syntax_uid=ExplicitVRLittleEndian
    )
    shutil.rmtree(folder / "single")
    converted.save_as(folder / "converted.dcm")
    return folder / "converted.dcm"


def frame_without_place(data: pydicom.FileDataset) -> None:
    del data.PerFrameFunctionalGroupsSequence[4].PlanePositionSequence


def old_multi_frame(folder: Path) -> Path:
    """Many frames with the place of one only."""
    data = enhanced()
    common, first = data.SharedFunctionalGroupsSequence[0], data.PerFrameFunctionalGroupsSequence[0]
    data.ImagePositionPatient = first.PlanePositionSequence[0].ImagePositionPatient
    data.ImageOrientationPatient = common.PlaneOrientationSequence[0].ImageOrientationPatient
    data.PixelSpacing = common.PixelMeasuresSequence[0].PixelSpacing
    data.RescaleSlope, data.RescaleIntercept = 1, -1024
    del data.SharedFunctionalGroupsSequence, data.PerFrameFunctionalGroupsSequence
    pydicom.dcmwrite(folder / "frames.dcm", data, enforce_file_format=True)
    return folder / "frames.dcm"
