"""The scan that a DICOM object is derived from: its patient and study, which go on; its frame and its images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from .. import __version__
from ..errors import InputError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from ..volume import Volume

# Patient and study (PS3.3 C.7.1.1, C.7.2.1, C.7.2.2): whom and what a scan is of. Type 2 ones are empty where unknown.
PATIENT_AND_STUDY = (
    "SpecificCharacterSet",
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "StudyDescription",
    "AccessionNumber",
    "ReferringPhysicianName",
)
EMPTY_WHERE_UNKNOWN = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)


@dataclass(frozen=True, eq=False)
class Source:
    """A scan as DICOM knows it, or as little as is known of a volume from another format.

    Attributes:
        headers: of its slices, without pixels; none for a volume that is no DICOM.
        frame: frame of reference UID; a new one where the volume has none.
        study, series: instance UIDs; new ones where there are none.
        tags: what is known of the patient and the study of a volume that is no DICOM, by keyword.
    """

    headers: tuple[Dataset, ...]
    frame: str
    study: str
    series: str
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def header(self) -> Dataset:
        """The header of one slice; for a volume that is no DICOM what its tags say."""
        from pydicom.dataset import Dataset

        if self.headers:
            return self.headers[0]
        known = Dataset()
        for keyword, value in self.tags.items():
            setattr(known, keyword, value)
        return known

    @property
    def instances(self) -> list[tuple[str, str]]:
        """SOP class and instance UID of each slice."""
        return [(str(one.SOPClassUID), str(one.SOPInstanceUID)) for one in self.headers]


def source_of(path: Path | None, volume: Volume, series: str | None = None) -> Source:
    """What DICOM knows of a volume.

    Args:
        path: the file or folder that it was read from.
        volume: gives the frame of reference.
        series: number or instance UID of the series, where one was chosen among several.
    """
    headers = _headers(path, volume.frame_of_reference, series) if path is not None and path.is_dir() else []
    return _source(headers, volume.frame_of_reference, {})


def source_of_files(files: Sequence[Path], frame: str | None, tags: Mapping[str, str] = MappingProxyType({})) -> Source:
    """What DICOM knows of a volume whose slices are known.

    Args:
        files: of its slices; none for a volume that is no DICOM.
        frame: frame of reference UID, where known.
        tags: patient and study by keyword (PatientID, PatientName, ...), for a volume without files.

    Raises:
        InputError: a tag that is not of patient or study, or a file that is no DICOM.
    """
    import pydicom

    for keyword in tags:
        if keyword not in PATIENT_AND_STUDY:
            raise InputError(f"The tag {keyword} cannot be given; give tags of patient and study: PatientID and so on.")
    try:
        headers = [pydicom.dcmread(file, stop_before_pixels=True) for file in files]
    except (OSError, pydicom.errors.InvalidDicomError) as error:
        raise InputError(f"A slice of the scan cannot be read any more ({error}); load the scan again.") from error
    return _source(headers, frame, tags)


def _source(headers: Sequence[Dataset], frame: str | None, tags: Mapping[str, str]) -> Source:
    """A source whose unknown UIDs are new ones."""
    from pydicom.dataset import Dataset
    from pydicom.uid import generate_uid

    first = headers[0] if headers else Dataset()
    return Source(
        headers=tuple(headers),
        frame=frame or str(first.get("FrameOfReferenceUID") or generate_uid(prefix=None)),
        study=str(first.get("StudyInstanceUID") or tags.get("StudyInstanceUID") or generate_uid(prefix=None)),
        series=str(first.get("SeriesInstanceUID") or generate_uid(prefix=None)),
        tags=tags,
    )


def patient_in(path: Path, volume: Volume, series: str | None = None) -> dict[str, str]:
    """Who and which study a volume is of, as a report tells it: what the headers of a DICOM folder say, else nothing.

    Args:
        path: the file or folder that it was read from.
        volume: gives the frame of reference.
        series: number or instance UID of the series, where one was chosen among several.
    """
    if not path.is_dir():
        return {}
    header = source_of(path, volume, series).header
    told = {
        "patient": header.get("PatientName"),
        "ID": header.get("PatientID"),
        "study": header.get("StudyDate"),
    }
    return {name: str(value) for name, value in told.items() if value not in (None, "")}


def new_object(sop_class: str, modality: str, source: Source) -> Dataset:
    """A data set of a new instance in a new series of the source's study: who, what, when and by which program."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = UID(sop_class), ExplicitVRLittleEndian
    meta.MediaStorageSOPInstanceUID = generate_uid(prefix=None)
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    for keyword in PATIENT_AND_STUDY:
        if keyword in source.header:
            data[keyword] = source.header[keyword]
    fill_unknown(data)
    now = datetime.now()
    data.StudyInstanceUID = source.study
    data.SOPClassUID, data.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    data.InstanceCreationDate, data.InstanceCreationTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S.%f")
    data.Modality, data.SeriesInstanceUID, data.SeriesNumber = modality, generate_uid(prefix=None), 1
    data.SeriesDate, data.SeriesTime = data.InstanceCreationDate, data.InstanceCreationTime
    data.PositionReferenceIndicator = source.header.get("PositionReferenceIndicator", "")
    data.Manufacturer, data.ManufacturerModelName = "SSPE", "SSPE"
    data.DeviceSerialNumber, data.SoftwareVersions = "none", __version__
    return data


def fill_unknown(data: Dataset) -> None:
    """Make what DICOM wants to be there, but lets be empty, empty where it is not there."""
    for keyword in EMPTY_WHERE_UNKNOWN:
        if keyword not in data:
            setattr(data, keyword, "")


def decimal(value: float) -> str:
    """A number as DICOM's decimal strings want it: at most 16 characters, as exact as these allow."""
    from pydicom.valuerep import format_number_as_ds

    # Below that pydicom sometimes needs a character more than there is room for, and a rotation is exact enough.
    return format_number_as_ds(round(float(value), 10) + 0.0)


def _headers(folder: Path, frame: str | None, series: str | None) -> list[Dataset]:
    """Headers of the CT slices of a folder that lie in a frame of reference: of a series, or of the largest."""
    import pydicom

    by_series: dict[str, list[Dataset]] = {}
    for file in sorted(folder.rglob("*")):
        if not file.is_file():
            continue
        try:
            header = pydicom.dcmread(file, stop_before_pixels=True)
        except (OSError, pydicom.errors.InvalidDicomError):
            continue
        named = (str(header.get("SeriesInstanceUID")), str(header.get("SeriesNumber")))
        wanted = frame in (None, header.get("FrameOfReferenceUID")) and (series is None or series in named)
        if wanted and header.get("Modality") == "CT":
            by_series.setdefault(named[0], []).append(header)
    return max(by_series.values(), key=len, default=[])
