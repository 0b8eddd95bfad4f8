"""What `--dicom FOLDER` writes: a registration object, a CT series, and a segmentation of its synthetic slices."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..volume import Provenance
from .ct_series import ct_series, save_series
from .segmentation import SYNTHETIC_LABEL, segmentation
from .spatial_registration import spatial_registration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

    from ..verdict import Verdict
    from ..volume import Volume
    from .source import Source

REGISTRATION_FILE = "REG.dcm"
SEGMENTATION_FILE = "SEG_synthetic.dcm"


def check_folder(folder: Path | None) -> None:
    """Make sure, before any work, that a folder of DICOM files can be written; None is passed over.

    Raises:
        InputError: the folder is there already and not empty, or cannot be made.
        ModuleNotFoundError: the extra `dicom` is not installed.
    """
    if folder is None:
        return
    import highdicom  # noqa: F401

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there already and not empty; give the name of a new folder for the DICOM files.")
    if not folder.absolute().parent.is_dir():
        raise InputError(f"{folder} cannot be made because {folder.absolute().parent} does not exist; create it first.")


def export_registration(folder: Path, matrix: NDArray[np.float64], fixed: Source, moving: Source) -> list[str]:
    """Write the spatial registration of two scans, matrix (4, 4) from fixed to moving points; return warnings."""
    data = spatial_registration(matrix, fixed, moving)
    data.save_as(folder / REGISTRATION_FILE, enforce_file_format=True)
    warnings = [
        f"The {role} scan is no DICOM series, so the registration object names a new frame of reference for it."
        for role, scan in (("fixed", fixed), ("moving", moving))
        if not scan.headers
    ]
    if fixed.frame == moving.frame:
        warnings.append(
            "Both scans have one frame of reference; a reader that goes by frames alone cannot tell which of them the "
            "registration object moves (the images are named in it)."
        )
    return warnings


def export_volume(folder: Path, volume: Volume, sources: Sequence[Source], name: str, derivation: str) -> list[Dataset]:
    """Write a volume as a CT series, and a segmentation of its synthetic voxels if it has some; return the slices."""
    synthetic = volume.where(Provenance.SYNTHETIC)
    slices = ct_series(volume, sources, series_description=name, derivation=derivation, synthetic=synthetic)
    save_series(slices, folder)
    if synthetic.any():
        marks = segmentation(
            synthetic.astype(np.uint8), slices, {1: SYNTHETIC_LABEL}, description=f"{name}: {SYNTHETIC_LABEL.lower()}"
        )
        marks.save_as(folder / SEGMENTATION_FILE)
    return slices


def export_merged(
    folder: Path, volume: Volume, sources: Sequence[Source], verdict: Verdict, seam_mm: float
) -> list[Dataset]:
    """Write a merged volume as `export_volume` does; the derivation says what the registration behind it is worth."""
    derivation = (
        f"Merged from two CTs by registration (SSPE). Verdict on the registration: {verdict.sentence} Soft seam of "
        f"{seam_mm:g} mm in the overlap."
    )
    return export_volume(folder, volume, sources, "SSPE merged, research use", derivation)
