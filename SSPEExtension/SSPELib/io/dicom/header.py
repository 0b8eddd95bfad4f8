"""From the header of a DICOM file to its planes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .plane import Header, Plane, Role

if TYPE_CHECKING:
    from pydicom.dataset import Dataset, FileDataset

PREAMBLE_BYTES = 128
MAGIC = b"DICM"
# How a file without a preamble begins: the first element of group 0008, or of the group of its own meta information.
BARE_BEGINNINGS = (b"\x08\x00", b"\x02\x00")
CT_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.2",  # CT image
    "1.2.840.10008.5.1.4.1.1.2.1",  # enhanced CT
    "1.2.840.10008.5.1.4.1.1.2.2",  # legacy converted enhanced CT
}
CAPTURE_CLASSES = "1.2.840.10008.5.1.4.1.1.7"
GRAY = ("", "MONOCHROME1", "MONOCHROME2")
PROJECTIONS = {"PROJECTION IMAGE", "MIP", "MINIP", "MAX_IP", "MIN_IP", "VOLUME_RENDER"}
# Media storage SOP class UID, in the meta information of every file, without its length.
CLASS_ELEMENT = b"\x02\x00\x02\x00UI"
DIRECTORY_CLASS = b"1.2.840.10008.1.3.10\x02"
# Rounded to a few digits, axes are off by this much at most.
AXES_TOLERANCE = 1e-2


def read_planes(file: Path) -> list[Plane]:
    """Return the planes of a DICOM file; none where it is no DICOM or holds no image.

    Raises:
        ValueError: it is DICOM but damaged.
    """
    if not _looks_like_dicom(file):
        return []
    dataset = read_dataset(file, stop_before_pixels=True)
    if not _number(dataset, "Rows") or not _number(dataset, "Columns"):
        if _text(dataset, "SOPClassUID") in CT_CLASSES:
            raise ValueError("a CT image without rows and columns")
        return []
    if "PerFrameFunctionalGroupsSequence" in dataset:
        return _frames(file, dataset)
    header = _header(file, dataset, int(_number(dataset, "NumberOfFrames") or 1))
    first = _plane(header, 0, dataset, lambda _, keyword: dataset)
    # Such a file tells the place of one plane only.
    return [first, *(replace(first, frame=index, position=None) for index in range(1, header.frames))]


def read_dataset(file: Path, **options: Any) -> FileDataset:
    """Read a DICOM file without a word to the console.

    Raises:
        ValueError: it is damaged.
    """
    import pydicom

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pydicom.dcmread(file, force=True, **options)
    except Exception as error:
        # A damaged file makes pydicom raise almost anything.
        raise ValueError(str(error)) from error


def says_dicom(file: Path) -> bool:
    """True where a file begins as DICOM files do."""
    with file.open("rb") as stream:
        return stream.read(PREAMBLE_BYTES + len(MAGIC))[PREAMBLE_BYTES:] == MAGIC


def says_directory(file: Path) -> bool:
    """True for a DICOMDIR, whatever its name."""
    with file.open("rb") as stream:
        return DIRECTORY_CLASS in stream.read(1024) and says_dicom(file)


def says_ct(file: Path) -> bool:
    """True where the first bytes of a file, readable or not, call it a CT slice."""
    with file.open("rb") as stream:
        head = stream.read(2048)
    # The class of the object itself: registrations and structures name that of their images as well.
    classes = [CLASS_ELEMENT + bytes([len(uid) + len(uid) % 2, 0]) + uid.encode() for uid in CT_CLASSES]
    return head[PREAMBLE_BYTES : PREAMBLE_BYTES + len(MAGIC)] == MAGIC and any(one in head for one in classes)


def _looks_like_dicom(file: Path) -> bool:
    if says_dicom(file):
        return True
    with file.open("rb") as stream:
        head = stream.read(8)
    # Group 0008 begins with one of its first elements, spelled with a short length.
    return head[:2] in BARE_BEGINNINGS and len(head) == 8 and head[3] == 0 and file.stat().st_size > PREAMBLE_BYTES


def _header(file: Path, dataset: Dataset, frames: int, rescale_type: str | None = None) -> Header:
    return Header(
        file=file,
        sop_instance=_text(dataset, "SOPInstanceUID"),
        series=_text(dataset, "SeriesInstanceUID"),
        number=_text(dataset, "SeriesNumber"),
        description=_text(dataset, "SeriesDescription"),
        role=_role(dataset),
        modality=_text(dataset, "Modality"),
        patient=_text(dataset, "PatientID"),
        study=_text(dataset, "StudyInstanceUID"),
        study_time=f"{_text(dataset, 'StudyDate')} {_text(dataset, 'StudyTime')[:6]}".strip(),
        frame_of_reference=_text(dataset, "FrameOfReferenceUID") or None,
        size=(int(dataset.Columns), int(dataset.Rows)),
        frames=frames,
        rescale_type=_text(dataset, "RescaleType") if rescale_type is None else rescale_type,
        padding=_padding(dataset),
        inverted=_text(dataset, "PhotometricInterpretation") == "MONOCHROME1",
        lossy=_text(dataset, "LossyImageCompression") == "01",
        projected=not PROJECTIONS.isdisjoint(_text(dataset, "ImageType").upper().split("\\")),
    )


def _padding(dataset: Dataset) -> tuple[int, int] | None:
    """Least and greatest value of padding, signed as the pixels are, whatever the tag was written as."""
    first = _number(dataset, "PixelPaddingValue")
    if first is None:
        return None
    last = _number(dataset, "PixelPaddingRangeLimit")
    bits, signed = int(_number(dataset, "BitsAllocated") or 16), _number(dataset, "PixelRepresentation") == 1
    values = [int(value) % (1 << bits) for value in (first, first if last is None else last)]
    low, high = sorted(value - (1 << bits) if signed and value >> (bits - 1) else value for value in values)
    return low, high


def _role(dataset: Dataset) -> Role:
    sop_class, modality = _text(dataset, "SOPClassUID"), _text(dataset, "Modality")
    if modality not in ("", "CT"):
        return "other modality"
    if "LOCALIZER" in _text(dataset, "ImageType").upper():
        return "localizer"
    gray = _text(dataset, "PhotometricInterpretation") in GRAY and int(_number(dataset, "SamplesPerPixel") or 1) == 1
    if sop_class.startswith(CAPTURE_CLASSES) or not gray:
        return "capture"
    return "ct"


def _frames(file: Path, dataset: Dataset) -> list[Plane]:
    """The planes of an enhanced file: what is not said frame by frame is said once for all."""
    shared = _first(dataset, "SharedFunctionalGroupsSequence")
    own = list(dataset.PerFrameFunctionalGroupsSequence)
    frames = int(_number(dataset, "NumberOfFrames") or 0)
    if frames != len(own):
        raise ValueError(f"{frames} frames, of which {len(own)} are described")

    def of(frame: Dataset) -> Callable[[str, str], Dataset | None]:
        def found(group: str, keyword: str) -> Dataset | None:
            groups = [_first(frame, group), _first(shared, group)]
            return next((one for one in groups if one is not None and _has(one, keyword)), None)

        return found

    kinds = {
        _text(one, "RescaleType")
        for frame in own
        if (one := of(frame)("PixelValueTransformationSequence", "RescaleType")) is not None
    }
    header = _header(
        file, dataset, frames, next((kind for kind in sorted(kinds) if kind != "HU"), "HU" if kinds else "")
    )
    return [_plane(header, index, dataset, of(frame)) for index, frame in enumerate(own)]


def _plane(header: Header, index: int, dataset: Dataset, group: Callable[[str, str], Dataset | None]) -> Plane:
    """One plane; group (name of a functional group, keyword) gives the dataset that holds the keyword."""
    spacing = _numbers(group("PixelMeasuresSequence", "PixelSpacing"), "PixelSpacing", 2)
    content = group("FrameContentSequence", "FrameAcquisitionDateTime")
    temporal = group("FrameContentSequence", "TemporalPositionIndex")
    rescale = "PixelValueTransformationSequence"
    return Plane(
        header=header,
        frame=index,
        position=_numbers(group("PlanePositionSequence", "ImagePositionPatient"), "ImagePositionPatient", 3),
        axes=_axes(group("PlaneOrientationSequence", "ImageOrientationPatient")),
        spacing=None if spacing is None or spacing.min() <= 0 else (float(spacing[1]), float(spacing[0])),
        thickness=_number(group("PixelMeasuresSequence", "SliceThickness"), "SliceThickness"),
        rescale=(
            _number(group(rescale, "RescaleSlope"), "RescaleSlope"),
            _number(group(rescale, "RescaleIntercept"), "RescaleIntercept"),
        ),
        acquired=(
            (content is not None and _text(content, "FrameAcquisitionDateTime")) or _acquisition_time(dataset),
            _number(dataset, "AcquisitionNumber") or 0.0,
            f"{_text(dataset, 'ContentDate')}{_text(dataset, 'ContentTime')}",
            _number(temporal, "TemporalPositionIndex") or _number(dataset, "InstanceNumber") or 0.0,
        ),
    )


def _acquisition_time(dataset: Dataset) -> str:
    return _text(dataset, "AcquisitionDateTime") or (
        f"{_text(dataset, 'AcquisitionDate')}{_text(dataset, 'AcquisitionTime')}"
    )


def _axes(dataset: Dataset | None) -> NDArray[np.float64] | None:
    """Unit vectors at right angles (3, 2); None where there are none or what there is contradicts itself."""
    numbers = _numbers(dataset, "ImageOrientationPatient", 6)
    if numbers is None:
        return None
    axes = numbers.reshape(2, 3).T
    if not np.allclose(axes.T @ axes, np.eye(2), atol=AXES_TOLERANCE):
        return None
    u, _, vt = np.linalg.svd(axes, full_matrices=False)
    return np.asarray(u @ vt, dtype=np.float64)


def _first(dataset: Dataset | None, keyword: str) -> Dataset | None:
    items = dataset.get(keyword) if dataset is not None and keyword else None
    return items[0] if items else None


def _has(dataset: Dataset, keyword: str) -> bool:
    return dataset.get(keyword) not in (None, "")


def _numbers(dataset: Dataset | None, keyword: str, count: int) -> NDArray[np.float64] | None:
    """Values of a tag; None where it is missing, empty, or holds anything but so many finite numbers."""
    try:
        values = np.array([float(value) for value in dataset.get(keyword)]) if dataset is not None else np.zeros(0)
    except (TypeError, ValueError, OverflowError):
        return None
    return values if values.size == count and np.all(np.isfinite(values)) else None


def _number(dataset: Dataset | None, keyword: str) -> float | None:
    try:
        value = float(dataset.get(keyword)) if dataset is not None else None
    except (TypeError, ValueError, OverflowError):
        return None
    return value if value is not None and np.isfinite(value) else None


def _text(dataset: Dataset, keyword: str) -> str:
    try:
        value = dataset.get(keyword)
    except (ValueError, TypeError):
        return ""
    if value is None:
        return ""
    parts = value if isinstance(value, list | tuple) or type(value).__name__ == "MultiValue" else [value]
    return "\\".join(str(part) for part in parts).strip(" \0")
