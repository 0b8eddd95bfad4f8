"""What lies beside a CT in its folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pydicom
from dicom_series import write_series
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from .kinds import Make, series


def small_dicom(path: Path, sop_class: str, modality: str, **tags: object) -> None:
    """A DICOM file of another kind, with or without an image."""
    meta = pydicom.dataset.FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = UID(sop_class), ExplicitVRLittleEndian
    meta.MediaStorageSOPInstanceUID = generate_uid()
    data = pydicom.FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.Modality, data.SeriesInstanceUID, data.StudyInstanceUID = modality, generate_uid(), generate_uid()
    for key, value in tags.items():
        setattr(data, key, value)
    path.parent.mkdir(exist_ok=True, parents=True)
    pydicom.dcmwrite(path, data, enforce_file_format=True)


IMAGE = {
    "Rows": 30, "Columns": 40, "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "BitsAllocated": 16,
    "BitsStored": 16, "HighBit": 15, "PixelRepresentation": 0, "PixelData": b"\1\1" * 1200,
}  # fmt: skip
CT, CAPTURE, REPORT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.88.67"
STATE, RAW = "1.2.840.10008.5.1.4.1.1.11.1", "1.2.840.10008.5.1.4.1.1.66"
SIDEWAYS = {
    "ImagePositionPatient": [0, -250, 100], "ImageOrientationPatient": [0, 1, 0, 0, 0, -1], "PixelSpacing": [1, 1],
}  # fmt: skip


def scout_of_the_series(path: Path) -> None:
    uid = next(iter(pydicom.dcmread(file).SeriesInstanceUID for file in path.iterdir()))
    small_dicom(path / "000scout", CT, "CT", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], **SIDEWAYS, **IMAGE)
    scout = pydicom.dcmread(path / "000scout")
    scout.SeriesInstanceUID = uid
    scout.save_as(path / "000scout")


def unnamed_scout_of_the_series(path: Path) -> None:
    scout_of_the_series(path)
    scout = pydicom.dcmread(path / "000scout")
    other = next(pydicom.dcmread(file) for file in path.iterdir() if file.name != "000scout")
    scout.ImageType, scout.FrameOfReferenceUID = ["ORIGINAL", "PRIMARY"], other.FrameOfReferenceUID
    scout.RescaleSlope, scout.RescaleIntercept, scout.PatientID = 1, -1024, other.get("PatientID", "")
    scout.save_as(path / "000scout")


def dicomdir(folder: Path) -> Path:
    path = series(folder)
    small_dicom(folder / "DICOMDIR", "1.2.840.10008.1.3.10", "")
    return path


def copies(path: Path) -> None:
    (path / "again").mkdir()
    for file in sorted(path.glob("*.dcm"))[3:6]:
        shutil.copy(file, path / "again" / f"copy of {file.name}")


def again(minutes: int, brighter: int = 500, numbers: tuple[int, ...] = (6,), **tags: object) -> Make:
    """Some slices acquired twice, the other time so many HU brighter and so many minutes later."""

    def make(folder: Path) -> Path:
        files = write_series(folder / "series", AcquisitionDate="20200101", AcquisitionTime="081000")
        for number in numbers:
            data = pydicom.dcmread(files[number])
            pixels = np.frombuffer(data.PixelData, "u2") + brighter
            data.PixelData = pixels.astype(np.uint16).tobytes()
            data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            data.AcquisitionTime = f"08{10 + minutes:02d}00"
            for key, value in tags.items():
                setattr(data, key, value)
            data.save_as(folder / "series" / f"again{number}.dcm")
        return folder / "series"

    return make


def beside_modality(folder: Path) -> Path:
    """The body beside a PET of the same person."""
    path = series(folder)
    write_series(path / "pet", series="PET", SeriesNumber=9, Modality="PT", prefix="p")
    return path
