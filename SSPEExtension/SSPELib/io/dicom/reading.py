"""From DICOM files to a `Volume`: choose the series, make one stack of it, read its pixels, straighten it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...volume.no_data import with_no_data
from ...volume.provenance import Provenance
from ...volume.volume import AIR_HU, Volume
from ..straightening import SHEARED_MM, straightened
from .choosing import choose
from .folder import search
from .header import read_planes, says_directory
from .pixels import hounsfield
from .plane import Plane
from .spacing import even_places, evened
from .stack import Stack, stack_of


def read_folder(folder: Path, series: str | None, remarks: list[str]) -> Volume:
    """Read the CT in a folder of DICOM files and the folders in it.

    Args:
        folder: searched with all folders in it.
        series: UID or number of the series that is wanted, where there are several.
        remarks: gets a sentence on whatever was assumed, left out or resampled.

    Raises:
        InputError: no CT or several, or files that cannot be read as one stack of slices in HU.
    """
    return read_stack(choose(folder, search(folder), series, remarks), folder, remarks)


def read_file(file: Path, series: str | None, remarks: list[str]) -> Volume:
    """Read a file with all slices in it (enhanced CT), or the folder of a DICOMDIR.

    Raises:
        InputError: a single slice, no image, or what `read_folder` raises.
    """
    if says_directory(file):
        return read_folder(file.parent, series, remarks)
    try:
        planes = read_planes(file)
    except ValueError as error:
        raise InputError(f"{file} is damaged or incomplete and cannot be read; copy or export it again.") from error
    if not planes:
        raise InputError(f"{file} is DICOM without an image; choose the folder that holds the files of a CT series.")
    header = planes[0].header
    if header.role == "other modality":
        raise InputError(f"{file} is a DICOM image of modality {header.modality}, not CT; choose a CT series.")
    if len(planes) == 1:
        raise InputError(f"{file} is a single slice of a DICOM series; choose the folder that holds the whole series.")
    return read_stack(planes, file, remarks)


def read_stack(planes: list[Plane], place: Path, remarks: list[str]) -> Volume:
    """Read the planes of one series; place, the folder or file, names the volume.

    Raises:
        InputError: tags that are missing or contradict each other, more than two slices missing in a row, slices that
            are shifted, pixels that cannot be read.
    """
    stack = stack_of(planes, place, remarks)
    names = [plane.name for plane in stack.planes]
    places = even_places(stack.along, names, [plane.thickness for plane in stack.planes], place, remarks)
    first = stack.planes[0]
    if first.axes is None or first.spacing is None or first.position is None:
        raise ValueError("a stack is complete")
    x, y, z = first.position
    volume = Volume(
        array=hounsfield(stack.planes, place),
        spacing=(*first.spacing, float(stack.along[-1] / max(1, len(names) - 1) or first.thickness or 1.0)),
        origin=(float(x), float(y), float(z)),
        direction=np.column_stack([first.axes, first.normal]),
        name=str(place),
        frame_of_reference=first.header.frame_of_reference,
    )
    padding_hu = first.padding_hu
    if len(names) > 1 and np.linalg.norm(stack.sideways[-1]) > SHEARED_MM:
        remarks.append(_tilt(stack, place))
        volume = straightened(volume, stack.sideways / first.spacing, padding_hu)
    if places is not None:
        volume = _evened(volume, stack.along, places)
    # Padding at or below air is found by its value in whatever comes to be used; only the tag tells of any other.
    return volume if padding_hu is None or padding_hu <= AIR_HU else with_no_data(volume, padding_hu)


def _evened(volume: Volume, along: NDArray[np.float64], places: NDArray[np.float64]) -> Volume:
    """The volume with slices at even places, mm from its first slice, instead of those where they lie along it."""
    provenance = volume.provenance
    if provenance is not None:
        padding = evened((provenance == Provenance.NO_DATA).astype(np.float32), along, places) > 0
        provenance = np.where(padding, Provenance.NO_DATA, Provenance.REAL).astype(np.uint8)
    x, y, z = volume.origin + volume.direction[:, 2] * places[0]
    return replace(
        volume,
        array=evened(volume.array, along, places),
        spacing=(*volume.spacing[:2], float(places[1] - places[0])),
        origin=(float(x), float(y), float(z)),
        provenance=provenance,
    )


def _tilt(stack: Stack, place: Path) -> str:
    return (
        f"{place}: a gantry tilt of {stack.tilt_degrees:.1f} degrees was straightened; its slices stay whole and were "
        "moved back within their planes, and what they do not cover is marked as no data."
    )
