"""Label maps and synthetic slices as a DICOM segmentation (SEG), by highdicom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import __version__
from ..errors import InputError

if TYPE_CHECKING:
    from highdicom.seg import SegmentDescription
    from pydicom.dataset import Dataset

SYNTHETIC_LABEL = "Synthetic slices"


def segmentation(
    labels: NDArray[Any], slices: Sequence[Dataset], names: Mapping[int, str], *, description: str
) -> Dataset:
    """Return a binary DICOM segmentation of the slices of a CT series.

    Args:
        labels: (z, y, x) whole numbers, 0 for none, plane by plane as the slices.
        slices: the CT series that it belongs to.
        names: what each label is; others are called by their number.
        description: of the series, up to 64 characters.

    Raises:
        InputError: no label at all.
    """
    import highdicom
    from pydicom.uid import generate_uid

    values = [int(value) for value in np.unique(labels) if value != 0]
    if not values:
        raise InputError("The segmentation is empty: no voxel has a label; there is nothing to write as DICOM SEG.")
    segments = [_segment(number, names.get(value, f"Label {value}")) for number, value in enumerate(values, start=1)]
    stack = np.stack([labels == value for value in values], axis=-1)
    return highdicom.seg.Segmentation(
        source_images=list(slices),
        pixel_array=stack,
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=segments,
        series_instance_uid=generate_uid(prefix=None),
        series_number=2,
        sop_instance_uid=generate_uid(prefix=None),
        instance_number=1,
        manufacturer="SSPE",
        manufacturer_model_name="SSPE",
        software_versions=__version__,
        device_serial_number="none",
        series_description=description[:64],
    )


def _segment(number: int, name: str) -> SegmentDescription:
    """A structure that was carried along, drawn by whomever, or the slices that the network made."""
    import highdicom
    from pydicom.sr.codedict import codes

    synthetic = name == SYNTHETIC_LABEL
    kinds = highdicom.seg.SegmentAlgorithmTypeValues
    return highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=name[:64],
        segmented_property_category=codes.SCT.SpatialAndRelationalConcept
        if synthetic
        else codes.SCT.AnatomicalStructure,
        segmented_property_type=highdicom.sr.CodedConcept("SYNTHETIC", "99SSPE", SYNTHETIC_LABEL)
        if synthetic
        else codes.SCT.AnatomicalStructure,
        algorithm_type=kinds.AUTOMATIC if synthetic else kinds.SEMIAUTOMATIC,
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name="SSPE", version=__version__, family=codes.DCM.ArtificialIntelligence
        ),
    )
