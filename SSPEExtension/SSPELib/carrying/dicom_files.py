"""What the DICOM files that are carried along have in common: reading them, and what becomes of who, what and when."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

    from ..dicom_objects.source import Source


def read_object(path: Path) -> FileDataset:
    """Read one DICOM file.

    Raises:
        InputError: it is none.
    """
    import pydicom

    try:
        return pydicom.dcmread(path)
    except (OSError, pydicom.errors.InvalidDicomError) as error:
        raise InputError(f"{path} is no DICOM file, or is damaged; export it again.") from error


def make_derived(data: FileDataset, reference: Source, description: str) -> list[str]:
    """Turn a data set into a new instance in a new series of the same patient and study; return warnings."""
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    now = datetime.now()
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid(prefix=None)
    data.SeriesInstanceUID = generate_uid(prefix=None)
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.InstanceCreationDate, data.InstanceCreationTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S.%f")
    data.SeriesDescription = f"{data.get('SeriesDescription', '')} ({description})".strip()[:64]
    # Whoever approved the original has not seen this.
    if "ApprovalStatus" in data:
        data.ApprovalStatus = "UNAPPROVED"
        for keyword in ("ReviewDate", "ReviewTime", "ReviewerName"):
            if keyword in data:
                delattr(data, keyword)
    own, other = str(data.get("PatientID", "")), str(reference.header.get("PatientID", ""))
    if own and other and own != other:
        return [f"The patient ID of the input ({own}) is not that of the reference ({other}); make sure of the person."]
    return []
