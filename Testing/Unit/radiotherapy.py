"""Doses and structure sets written by code, as planning systems export them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, RTDoseStorage, RTStructureSetStorage, generate_uid

from SSPELib.volume import Volume

MOVING_FRAME = generate_uid(entropy_srcs=["moving frame"])


def _object(sop_class: str, modality: str, **tags: object) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = sop_class, ExplicitVRLittleEndian
    meta.MediaStorageSOPInstanceUID = generate_uid()
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    data.Modality, data.PatientID, data.PatientName = modality, "P1", "Someone"
    data.StudyInstanceUID, data.SeriesInstanceUID = generate_uid(), generate_uid()
    data.FrameOfReferenceUID = MOVING_FRAME
    for key, value in tags.items():
        setattr(data, key, value)
    return data


def write_dose(path: Path, stored: NDArray[np.uint32], grid: Volume, **tags: object) -> Path:
    """Write stored values (z, y, x) as RTDOSE on the grid of a volume; a tag of None is left out."""
    data = _object(RTDoseStorage, "RTDOSE", DoseUnits="GY", DoseType="PHYSICAL", DoseSummationType="PLAN")
    data.DoseGridScaling = "0.00025"
    data.NumberOfFrames, data.Rows, data.Columns = stored.shape
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 0
    data.BitsAllocated = data.BitsStored = 32
    data.HighBit = 31
    data.PixelSpacing = [grid.spacing[1], grid.spacing[0]]
    data.ImageOrientationPatient = [f"{value:.10f}" for value in grid.direction[:, :2].T.ravel()]
    data.ImagePositionPatient = [f"{value:.6f}" for value in grid.origin]
    normal = np.cross(grid.direction[:, 0], grid.direction[:, 1])
    step = grid.spacing[2] * np.sign(normal @ grid.direction[:, 2])
    data.GridFrameOffsetVector = [f"{step * k:.6f}" for k in range(len(stored))]
    data.FrameIncrementPointer = 0x3004000C
    data.ApprovalStatus = "APPROVED"
    data.PixelData = stored.astype(np.uint32).tobytes()
    for key, value in tags.items():
        if value is None:
            delattr(data, key)
        else:
            setattr(data, key, value)
    data.save_as(path, enforce_file_format=True)
    return path


def write_structures(path: Path, contours: list[NDArray[np.float64]], frame: str = MOVING_FRAME) -> Path:
    """Write closed planar contours (n, 3), LPS mm, of one structure as RTSTRUCT."""
    data = _object(RTStructureSetStorage, "RTSTRUCT", StructureSetLabel="PLAN")
    scan = Dataset()
    scan.FrameOfReferenceUID = frame
    data.ReferencedFrameOfReferenceSequence = Sequence([scan])
    structure = Dataset()
    structure.ROINumber, structure.ROIName, structure.ReferencedFrameOfReferenceUID = 1, "heart", frame
    structure.ROIGenerationAlgorithm = "MANUAL"
    data.StructureSetROISequence = Sequence([structure])
    drawn = Dataset()
    drawn.ReferencedROINumber, drawn.ContourSequence = 1, Sequence()
    for points in contours:
        contour = Dataset()
        contour.ContourGeometricType, contour.NumberOfContourPoints = "CLOSED_PLANAR", len(points)
        contour.ContourData = [f"{value:.4f}" for value in points.ravel()]
        image = Dataset()
        image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = RTStructureSetStorage, generate_uid()
        contour.ContourImageSequence = Sequence([image])
        drawn.ContourSequence.append(contour)
    data.ROIContourSequence = Sequence([drawn])
    data.save_as(path, enforce_file_format=True)
    return path
