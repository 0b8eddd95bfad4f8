"""A transform as a DICOM spatial registration (REG), and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .source import Source, decimal, new_object

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

SPATIAL_REGISTRATION_STORAGE = "1.2.840.10008.5.1.4.1.1.66.1"
RIGID_TOLERANCE = 1e-6


def spatial_registration(
    matrix: NDArray[np.float64], fixed: Source, moving: Source, *, description: str = "SSPE registration"
) -> Dataset:
    """Return the data set of a spatial registration, ready to be saved.

    The standard (PS3.3 C.20.2) asks for matrices that map the coordinates of a frame of reference into the registered
    one, which is the fixed scan's here: moving points to fixed points, the inverse of the transform that images are
    resampled with.

    Args:
        matrix: (4, 4), fixed points to moving points, LPS mm.
        fixed, moving: the scans; the patient and the study are those of the fixed one.
        description: what the object says of itself, up to 64 characters.
    """
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    data = new_object(SPATIAL_REGISTRATION_STORAGE, "REG", fixed)
    data.SeriesDescription = description[:64]
    data.FrameOfReferenceUID = fixed.frame
    data.ContentDate, data.ContentTime = data.InstanceCreationDate, data.InstanceCreationTime
    data.InstanceNumber = 1
    data.ContentLabel, data.ContentDescription, data.ContentCreatorName = "REGISTRATION", description[:64], ""
    items = []
    stays, back = np.eye(4), np.asarray(np.linalg.inv(matrix), dtype=np.float64)
    for scan, to_registered, comment in (
        (fixed, stays, "Fixed scan: stays where it is."),
        (moving, back, "Moving scan: its points to points of the fixed scan."),
    ):
        step = Dataset()
        step.FrameOfReferenceTransformationMatrix = [decimal(value) for value in to_registered.ravel()]
        step.FrameOfReferenceTransformationMatrixType = _matrix_type(to_registered)
        whole = Dataset()
        whole.FrameOfReferenceTransformationComment = comment
        whole.RegistrationTypeCodeSequence = Sequence()
        whole.MatrixSequence = Sequence([step])
        item = Dataset()
        item.FrameOfReferenceUID = scan.frame
        if scan.instances:
            item.ReferencedImageSequence = Sequence([_reference(*one) for one in scan.instances])
        item.MatrixRegistrationSequence = Sequence([whole])
        items.append(item)
    data.RegistrationSequence = Sequence(items)
    _add_instance_references(data, fixed, moving)
    return data


def read_spatial_registration(path: Path) -> tuple[NDArray[np.float64], str, str]:
    """Read a spatial registration of two scans.

    Returns:
        The matrix (4, 4) from fixed points to moving points, LPS mm; the frame of reference UID of the fixed
        (registered) scan; that of the moving one.

    Raises:
        InputError: another DICOM object, or one that does not join two scans by linear matrices.
    """
    import pydicom

    try:
        data = pydicom.dcmread(path)
    except (OSError, pydicom.errors.InvalidDicomError) as error:
        raise InputError(f"{path} is no DICOM file; give a transform or a DICOM spatial registration.") from error
    if data.get("SOPClassUID") != SPATIAL_REGISTRATION_STORAGE:
        raise InputError(f"{path} is no DICOM spatial registration but {data.get('Modality', 'another object')}.")
    fixed = str(data.get("FrameOfReferenceUID", ""))
    moved = []
    for item in data.get("RegistrationSequence", []):
        steps = [step for whole in item.MatrixRegistrationSequence for step in whole.MatrixSequence]
        matrix: NDArray[np.float64] = np.eye(4)
        for step in steps:
            given = np.array(step.FrameOfReferenceTransformationMatrix, dtype=np.float64).reshape(4, 4)
            matrix = np.asarray(given @ matrix, dtype=np.float64)
        if not np.allclose(matrix, np.eye(4), atol=1e-9):
            moved.append(
                (np.asarray(np.linalg.inv(matrix), dtype=np.float64), str(item.get("FrameOfReferenceUID", "")))
            )
    if len(moved) > 1:
        raise InputError(f"{path} moves {len(moved)} scans; give a spatial registration of two scans.")
    if not moved:
        others = [str(item.get("FrameOfReferenceUID", "")) for item in data.get("RegistrationSequence", [])]
        return np.eye(4), fixed, next((uid for uid in others if uid and uid != fixed), fixed)
    [(matrix, moving)] = moved
    return matrix, fixed, moving


def _matrix_type(matrix: NDArray[np.float64]) -> str:
    turn = matrix[:3, :3]
    rigid = np.allclose(turn.T @ turn, np.eye(3), atol=RIGID_TOLERANCE) and np.linalg.det(turn) > 0
    return "RIGID" if rigid else "AFFINE"


def _reference(sop_class: str, instance: str) -> Dataset:
    from pydicom.dataset import Dataset

    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = sop_class, instance
    return reference


def _add_instance_references(data: Dataset, *scans: Source) -> None:
    """The module of common instance references: series of this study, and those of other studies."""
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    by_study: dict[str, list[Dataset]] = {}
    for scan in scans:
        if not scan.instances:
            continue
        series = Dataset()
        series.SeriesInstanceUID = scan.series
        series.ReferencedInstanceSequence = Sequence([_reference(*one) for one in scan.instances])
        by_study.setdefault(scan.study, []).append(series)
    own = by_study.pop(str(data.StudyInstanceUID), [])
    if own:
        data.ReferencedSeriesSequence = Sequence(own)
    if by_study:
        others = []
        for study, members in by_study.items():
            other = Dataset()
            other.StudyInstanceUID = study
            other.ReferencedSeriesSequence = Sequence(members)
            others.append(other)
        data.StudiesContainingOtherReferencedInstancesSequence = Sequence(others)
