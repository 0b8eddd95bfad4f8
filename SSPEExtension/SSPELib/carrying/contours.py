"""Contours of structures (DICOM RTSTRUCT)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .points import PointMap

if TYPE_CHECKING:
    from pydicom.dataset import Dataset, FileDataset

    from ..dicom_objects.source import Source
    from ..volume import Volume

RT_STUDY = "1.2.840.10008.3.1.2.3.1"
TILT_DEGREES = 0.5


def frame_of_contours(data: FileDataset) -> str | None:
    """Frame of reference UID that the contours of a structure set lie in, where it says so."""
    for item in data.get("ReferencedFrameOfReferenceSequence", []):
        if item.get("FrameOfReferenceUID"):
            return str(item.FrameOfReferenceUID)
    return str(data.FrameOfReferenceUID) if data.get("FrameOfReferenceUID") else None


def contour_points(data: FileDataset) -> NDArray[np.float64]:
    """All points (n, 3) of all contours, LPS mm."""
    points = [np.array(one.ContourData, dtype=np.float64).reshape(-1, 3) for one in _contours(data)]
    return np.concatenate(points) if points else np.zeros((0, 3))


def carry_contours(data: FileDataset, place: PointMap, reference: Source, volume: Volume, name: str) -> list[str]:
    """Move all contours of a structure set and let it refer to the scan of the reference; return warnings.

    Contours stay planar, but where the scans are turned against each other their planes are not the reference's.

    Args:
        data: the structure set, which is changed.
        place: maps points (n, 3) of the input to points of the reference, LPS mm.
        reference: the scan that they are carried to.
        volume: its voxels' geometry.
        name: of the file, for messages.

    Raises:
        InputError: no contours.
    """
    from ..dicom_objects.source import decimal

    contours = _contours(data)
    if not contours:
        raise InputError(f"{name} holds no contours; there is nothing to carry along.")
    for contour in contours:
        moved = place(np.array(contour.ContourData, dtype=np.float64).reshape(-1, 3))
        contour.ContourData = [decimal(value) for value in moved.ravel()]
        contour.NumberOfContourPoints = len(moved)
        # The images that it was drawn on are not those of the reference.
        if "ContourImageSequence" in contour:
            del contour.ContourImageSequence
    _refer_to(data, reference)
    tilt = _tilt_degrees(contours, volume.direction[:, 2])
    if tilt <= TILT_DEGREES:
        return []
    return [
        f"{name}: its contours are tilted by {tilt:.1f} degrees against the slices of the reference; where a program "
        "wants contours in slices, carry the structures as a label map instead."
    ]


def _contours(data: FileDataset) -> list[Dataset]:
    return [
        contour
        for structure in data.get("ROIContourSequence", [])
        for contour in structure.get("ContourSequence", [])
        if contour.get("ContourData")
    ]


def _refer_to(data: FileDataset, reference: Source) -> None:
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    scan = Dataset()
    scan.FrameOfReferenceUID = reference.frame
    if reference.instances:
        images = []
        for sop_class, instance in reference.instances:
            image = Dataset()
            image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = sop_class, instance
            images.append(image)
        series = Dataset()
        series.SeriesInstanceUID, series.ContourImageSequence = reference.series, Sequence(images)
        study = Dataset()
        study.ReferencedSOPClassUID, study.ReferencedSOPInstanceUID = RT_STUDY, reference.study
        study.RTReferencedSeriesSequence = Sequence([series])
        scan.RTReferencedStudySequence = Sequence([study])
    data.ReferencedFrameOfReferenceSequence = Sequence([scan])
    if "FrameOfReferenceUID" in data:
        data.FrameOfReferenceUID = reference.frame
    for structure in data.get("StructureSetROISequence", []):
        structure.ReferencedFrameOfReferenceUID = reference.frame


def _tilt_degrees(contours: list[Dataset], normal: NDArray[np.float64]) -> float:
    """Angle of the largest planar contour against the slices with a normal."""
    planar = [one for one in contours if str(one.get("ContourGeometricType", "")).endswith("PLANAR")]
    if not planar:
        return 0.0
    points = np.array(max(planar, key=lambda one: len(one.ContourData)).ContourData, dtype=np.float64).reshape(-1, 3)
    if len(points) < 3:
        return 0.0
    across = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)[2][2]
    return float(np.degrees(np.arccos(np.clip(abs(across @ normal), 0.0, 1.0))))
