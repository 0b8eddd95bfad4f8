"""A volume as a DICOM CT series, derived and marked as such."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .source import Source, decimal, new_object

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from ..volume import Volume

CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
RESEARCH_USE = "For research use only."
SYNTHETIC_SLICE = "Synthetic: shows anatomy that was never measured."
DESCRIPTION_LENGTH = 1024
STORED_LOWEST, STORED_HIGHEST = -32768, 32767
FINEST_SLOPE = 2.0**-10


def ct_series(
    volume: Volume,
    sources: Sequence[Source],
    *,
    series_description: str,
    derivation: str,
    synthetic: NDArray[np.bool_] | None = None,
) -> list[Dataset]:
    """Return the slices of a CT series (DERIVED\\SECONDARY), one data set for each plane of the z index axis.

    Whole HU are stored as they are, others as finely as 16 bits allow (a thirtieth of a HU or better over the range of
    a CT).

    Args:
        volume: voxels in HU.
        sources: the scans that it was made of; the first gives the patient, the study and the frame of reference.
        series_description: up to 64 characters.
        derivation: how it was made, for the derivation description of every slice.
        synthetic: voxels (z, y, x) made by the network; slices that hold some are named in their own description.

    Raises:
        InputError: values beyond what a CT slice can store.
    """
    from pydicom.uid import generate_uid

    first = sources[0]
    slope, stored = _stored(volume)
    template = new_object(CT_IMAGE_STORAGE, "CT", first)
    template.SeriesDescription = series_description[:64]
    template.FrameOfReferenceUID = first.frame
    template.PatientPosition = first.header.get("PatientPosition", "")
    template.KVP = _shared(sources, "KVP")
    template.AcquisitionNumber = ""
    template.ContentDate, template.ContentTime = template.InstanceCreationDate, template.InstanceCreationTime
    template.BurnedInAnnotation = "NO"
    template.ImageComments = RESEARCH_USE
    template.SamplesPerPixel, template.PhotometricInterpretation = 1, "MONOCHROME2"
    template.Columns, template.Rows = volume.size[0], volume.size[1]
    template.BitsAllocated, template.BitsStored, template.HighBit, template.PixelRepresentation = 16, 16, 15, 1
    template.RescaleSlope, template.RescaleIntercept, template.RescaleType = decimal(slope), "0", "HU"
    template.PixelSpacing = [decimal(volume.spacing[1]), decimal(volume.spacing[0])]
    template.SliceThickness = template.SpacingBetweenSlices = decimal(volume.spacing[2])
    template.ImageOrientationPatient = [decimal(value) for value in volume.direction[:, :2].T.ravel()]
    slices = []
    for index, pixels in enumerate(stored):
        data = deepcopy(template)
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid(prefix=None)
        data.InstanceNumber = index + 1
        data.ImagePositionPatient = [decimal(value) for value in (volume.index_to_lps @ [0, 0, index, 1])[:3]]
        made = synthetic is not None and bool(synthetic[index].any())
        data.ImageType = ["DERIVED", "SECONDARY", "AXIAL", *(["SYNTHETIC"] if made else [])]
        sentences = [*([SYNTHETIC_SLICE] if made else []), derivation, RESEARCH_USE]
        data.DerivationDescription = " ".join(sentences)[:DESCRIPTION_LENGTH]
        data.PixelData = np.ascontiguousarray(pixels).tobytes()
        slices.append(data)
    return slices


def save_series(slices: Sequence[Dataset], folder: Path, prefix: str = "CT") -> None:
    """Write the slices of a series into a folder that exists: CT_0001.dcm and so on."""
    for data in slices:
        data.save_as(folder / f"{prefix}_{int(data.InstanceNumber):04d}.dcm", enforce_file_format=True)


def _stored(volume: Volume) -> tuple[float, NDArray[np.int16]]:
    """Slope and stored values of HU, intercept 0."""
    values: NDArray[Any] = volume.array
    lowest, highest = float(values.min()), float(values.max())
    if lowest < STORED_LOWEST or highest > STORED_HIGHEST:
        raise InputError(
            f"{volume.name} has values from {lowest:.0f} to {highest:.0f}, beyond what a DICOM CT slice can store; "
            "write it as NIfTI or NRRD."
        )
    if np.issubdtype(values.dtype, np.integer) or np.array_equal(values, np.rint(values)):
        return 1.0, values.astype(np.int16)
    slope = 1.0
    while slope > FINEST_SLOPE and max(abs(lowest), abs(highest)) / (slope / 2) < STORED_HIGHEST:
        slope /= 2
    return slope, np.rint(values / slope).astype(np.int16)


def _shared(sources: Sequence[Source], keyword: str) -> Any:
    values = {str(source.header.get(keyword, "")) for source in sources}
    return values.pop() if len(values) == 1 else ""
