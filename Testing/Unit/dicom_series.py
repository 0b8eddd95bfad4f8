"""DICOM series written by code, regular or with any fault that a test needs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from phantoms import torso
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from SSPELib.volume import Volume

VOLUME = torso(size=(24, 20, 24), spacing=(14.0, 13.0, 6.0), name="dicom")
FRAME = generate_uid(entropy_srcs=["frame"])


def write_series(
    folder: Path,
    volume: Volume = VOLUME,
    series: str = "A",
    positions: NDArray[np.float64] | None = None,
    slope: float = 1.0,
    intercept: float | None = -1024.0,
    prefix: str = "",
    **tags: object,
) -> list[Path]:
    """Write the slices of a volume as DICOM files in shuffled name order; positions (n, 3) override its own."""
    folder.mkdir(parents=True, exist_ok=True)
    count = volume.size[2]
    own = np.array([(volume.index_to_lps @ [0, 0, k, 1])[:3] for k in range(count)])
    names = np.random.default_rng(3).permutation(count)
    files = []
    for index, position in enumerate(own if positions is None else positions):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = CTImageStorage, ExplicitVRLittleEndian
        meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[series, str(index)])
        file = folder / f"{prefix}{names[index]:03d}.dcm"
        data = FileDataset(str(file), {}, file_meta=meta, preamble=b"\0" * 128)
        data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        data.Modality, data.SeriesInstanceUID = "CT", generate_uid(entropy_srcs=[series])
        data.StudyInstanceUID, data.FrameOfReferenceUID = generate_uid(entropy_srcs=["study"]), FRAME
        data.SeriesNumber, data.SeriesDescription, data.InstanceNumber = 3, f"CHEST {series}", index + 1
        data.ImagePositionPatient = [f"{value:.6f}" for value in position]
        data.ImageOrientationPatient = [f"{value:.8f}" for value in volume.direction[:, :2].T.ravel()]
        data.PixelSpacing = [volume.spacing[1], volume.spacing[0]]
        data.SliceThickness = volume.spacing[2]
        data.Rows, data.Columns, data.SamplesPerPixel = volume.size[1], volume.size[0], 1
        data.PhotometricInterpretation, data.PixelRepresentation = "MONOCHROME2", 0
        data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
        stored = (volume.array[index] - (-1024.0 if intercept is None else intercept)) / slope
        data.PixelData = np.rint(stored).astype(np.uint16).tobytes()
        if intercept is not None:
            data.RescaleSlope, data.RescaleIntercept = slope, intercept
        for key, value in tags.items():
            setattr(data, key, value)
        data.save_as(file, enforce_file_format=True)
        files.append(file)
    return files
