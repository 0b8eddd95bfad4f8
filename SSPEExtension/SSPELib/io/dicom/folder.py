"""What DICOM a folder and the folders in it hold, sorted by series."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...progress import Progress, silent
from .header import read_planes, says_ct, says_dicom, says_directory
from .plane import Header, Plane


@dataclass(frozen=True, eq=False)
class Series:
    """Planes with one series instance UID and one role; scouts that share the UID of a CT are a series of their own."""

    planes: list[Plane]

    @property
    def header(self) -> Header:
        """What the first file says of all."""
        return self.planes[0].header

    @property
    def label(self) -> str:
        """Series number and description, for messages."""
        return self.header.label

    @property
    def length_mm(self) -> float | None:
        """Extent across the slices, their thickness included; None where places or orientations are missing."""
        if any(plane.position is None or plane.axes is None for plane in self.planes):
            return None
        normal = self.planes[0].normal
        along = np.unique(np.round([plane.position @ normal for plane in self.planes if plane.position is not None], 2))
        if along.size < 2:
            return self.planes[0].thickness or 0.0
        return float(along[-1] - along[0] + np.median(np.diff(along)))


@dataclass(frozen=True, eq=False)
class Contents:
    """What was found.

    Attributes:
        series: with images.
        without_image: DICOM files without one: a vendor's index, presentation states, structured reports.
        damaged: CT slices that cannot be read.
    """

    series: list[Series] = field(default_factory=list)
    without_image: list[Path] = field(default_factory=list)
    damaged: list[Path] = field(default_factory=list)


def search(folder: Path, progress: Progress = silent) -> Contents:
    """Look through a folder and the folders in it; files that are no DICOM are passed over."""
    found = Contents()
    sorted_in: dict[tuple[str, str], list[Plane]] = defaultdict(list)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for number, file in enumerate(files):
        progress(number / len(files), f"Headers in {file.parent.name}")
        try:
            planes = read_planes(file)
        except (ValueError, OSError):
            if says_ct(file):
                found.damaged.append(file)
            continue
        for plane in planes:
            sorted_in[plane.header.series, plane.header.role].append(plane)
        if not planes and says_dicom(file) and not says_directory(file):
            (found.damaged if says_ct(file) else found.without_image).append(file)
    found.series.extend(sorted((Series(planes) for planes in sorted_in.values()), key=_by_number))
    return found


def _by_number(series: Series) -> tuple[int, str]:
    number = series.header.number
    return (int(number) if number.isdigit() else 0, series.header.series)
