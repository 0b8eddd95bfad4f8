"""Contours of structures (DICOM RTSTRUCT)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..errors import InputError
from ..poses import matrix_of
from ..volume import Volume
from ..volume.points import indices_at
from .contour_planes import Plane, in_slices
from .points import point_map

if TYPE_CHECKING:
    from pydicom.dataset import Dataset, FileDataset

    from ..dicom_objects.source import Source

RT_STUDY = "1.2.840.10008.3.1.2.3.1"
CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
TILT_DEGREES = 0.5
SAME_SLICE_MM = 0.01


def frame_of_contours(data: FileDataset) -> str | None:
    """Frame of reference UID that the contours of a structure set lie in, where it says so."""
    for item in data.get("ReferencedFrameOfReferenceSequence", []):
        if item.get("FrameOfReferenceUID"):
            return str(item.FrameOfReferenceUID)
    return str(data.FrameOfReferenceUID) if data.get("FrameOfReferenceUID") else None


def carry_contours(
    data: FileDataset, transform: sitk.Transform, reference: Source, volume: Volume, name: str
) -> list[str]:
    """Move all contours of a structure set and let it refer to the scan of the reference; return warnings.

    Where the transform tilts the planes of closed contours against the slices of the reference, these are drawn anew in
    its slices, as many programs take contours in slices alone; points and open contours are moved as they are.

    Args:
        data: the structure set, which is changed.
        transform: maps points of the reference to points of the input.
        reference: the scan that they are carried to.
        volume: its voxels' geometry.
        name: of the file, for messages.

    Raises:
        InputError: no contours, or tilted ones that are not in parallel planes.
    """
    from pydicom.sequence import Sequence

    structures = [one for one in data.get("ROIContourSequence", []) if _drawn(one)]
    if not structures:
        raise InputError(f"{name} holds no contours; there is nothing to carry along.")
    place, images = point_map(transform), _images_by_slice(reference, volume)
    tilts: list[float] = []
    thin = 0
    turn = np.asarray(np.linalg.inv(matrix_of(transform)[:3, :3]))
    for structure in structures:
        closed = [one for one in _drawn(structure) if one.get("ContourGeometricType") in CLOSED]
        shapes = [_points(one) for one in closed if len(one.ContourData) >= 9]
        others = [one for one in _drawn(structure) if one.get("ContourGeometricType") not in CLOSED]
        tilt, anew = _tilt_degrees(shapes, turn, volume), []
        if tilt > TILT_DEGREES:
            anew = [
                _contour(closed[0].ContourGeometricType, points, images.get(index))
                for index, points in in_slices(shapes, transform, volume, name)
            ]
            tilts.append(tilt)
            thin += not anew
        others = others if anew else _drawn(structure)
        for contour in others:
            _put(contour, place(_points(contour)))
        structure.ContourSequence = Sequence([*others, *anew])
    _refer_to(data, reference)
    if not tilts:
        return []
    warnings = [
        f"{name}: its contours would be tilted by {max(tilts):.1f} degrees against the slices of the reference, so "
        f"that {len(tilts) - thin} of {len(structures)} structures were drawn anew in its slices."
    ]
    if thin:
        warnings.append(f"{name}: {thin} structures are so thin that no slice meets them; they stay tilted.")
    return warnings


def _drawn(structure: Dataset) -> list[Dataset]:
    return [contour for contour in structure.get("ContourSequence", []) if contour.get("ContourData")]


def _points(contour: Dataset) -> NDArray[np.float64]:
    return np.array(contour.ContourData, dtype=np.float64).reshape(-1, 3)


def _put(contour: Dataset, points: NDArray[np.float64]) -> None:
    from ..dicom_objects.source import decimal

    contour.ContourData = [decimal(value) for value in points.ravel()]
    contour.NumberOfContourPoints = len(points)
    # The images that it was drawn on are not those of the reference.
    if "ContourImageSequence" in contour:
        del contour.ContourImageSequence


def _contour(kind: str, points: NDArray[np.float64], image: tuple[str, str] | None) -> Dataset:
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    contour = Dataset()
    contour.ContourGeometricType = kind
    _put(contour, points)
    if image is not None:
        contour.ContourImageSequence = Sequence([_image(*image)])
    return contour


def _images_by_slice(reference: Source, volume: Volume) -> dict[int, tuple[str, str]]:
    """SOP class and instance UID of the slices of a reference that lie where its voxels do, by their index."""
    found = {}
    for header, instance in zip(reference.headers, reference.instances, strict=True):
        place = np.array(header.get("ImagePositionPatient") or [np.nan] * 3, dtype=np.float64)
        height = indices_at(volume, place[None])[0, 2]
        if np.isfinite(height) and abs(height - round(height)) * volume.spacing[2] < SAME_SLICE_MM:
            found[round(height)] = instance
    return found


def _image(sop_class: str, instance: str) -> Dataset:
    from pydicom.dataset import Dataset

    image = Dataset()
    image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = sop_class, instance
    return image


def _refer_to(data: FileDataset, reference: Source) -> None:
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    scan = Dataset()
    scan.FrameOfReferenceUID = reference.frame
    if reference.instances:
        series = Dataset()
        series.SeriesInstanceUID = reference.series
        series.ContourImageSequence = Sequence([_image(*instance) for instance in reference.instances])
        study = Dataset()
        study.ReferencedSOPClassUID, study.ReferencedSOPInstanceUID = RT_STUDY, reference.study
        study.RTReferencedSeriesSequence = Sequence([series])
        scan.RTReferencedStudySequence = Sequence([study])
    data.ReferencedFrameOfReferenceSequence = Sequence([scan])
    if "FrameOfReferenceUID" in data:
        data.FrameOfReferenceUID = reference.frame
    for structure in data.get("StructureSetROISequence", []):
        structure.ReferencedFrameOfReferenceUID = reference.frame


def _tilt_degrees(shapes: list[NDArray[np.float64]], turn: NDArray[np.float64], volume: Volume) -> float:
    """Angle of planes, turned (3, 3), against the slices of a volume; 0 without shapes."""
    if not shapes:
        return 0.0
    # A plane goes through a linear map as its two axes do.
    axes = turn @ Plane.of(shapes).axes[:, :2]
    normal = np.cross(axes[:, 0], axes[:, 1])
    normal /= np.linalg.norm(normal)
    return float(np.degrees(np.arccos(np.clip(abs(normal @ volume.direction[:, 2]), 0.0, 1.0))))
