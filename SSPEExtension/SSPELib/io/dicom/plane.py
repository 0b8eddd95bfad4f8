"""What the headers of DICOM files say, plane by plane: a classic file has one plane, a multi-frame file many."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Role = Literal["ct", "localizer", "capture", "other modality"]


@dataclass(frozen=True)
class Header:
    """What one file says of all its planes.

    Attributes:
        file: the file.
        sop_instance: its SOP instance UID, or empty.
        series: series instance UID.
        number: series number, or empty.
        description: series description, or empty.
        role: what the series is to a reader of CT: one, a scout, a screen capture or dose page, or something else.
        modality: CT, MR ... or empty.
        patient: patient ID, or empty.
        study: study instance UID.
        study_time: its date and time, YYYYMMDD HHMMSS, as far as known.
        frame_of_reference: its UID, where known.
        size: columns and rows.
        frames: number of planes.
        rescale_type: HU, or what else the rescaled values are; empty where not said.
        padding: least and greatest stored value of the pixels outside the scanner's circle, where known.
        inverted: its smallest values are shown white (MONOCHROME1).
        lossy: its pixels were compressed with loss once.
        projected: it shows a projection through slices (MIP), not one of them.
    """

    file: Path
    sop_instance: str
    series: str
    number: str
    description: str
    role: Role
    modality: str
    patient: str
    study: str
    study_time: str
    frame_of_reference: str | None
    size: tuple[int, int]
    frames: int
    rescale_type: str
    padding: tuple[int, int] | None
    inverted: bool
    lossy: bool
    projected: bool

    @property
    def label(self) -> str:
        """Series number and description, for messages."""
        return f"series {self.number or '?'}" + (f' "{self.description}"' if self.description else "")


@dataclass(frozen=True, eq=False)
class Plane:
    """One image plane; what its file does not say is None.

    Attributes:
        header: what its file says of all its planes.
        frame: its number in the file, from 0.
        position: (3,) center of its first voxel, LPS mm.
        axes: (3, 2) unit vectors along a row and along a column, LPS.
        spacing: distance of columns and of rows, mm.
        thickness: of the slice, mm.
        rescale: slope and intercept from stored values to HU.
        acquired: compares as the acquisition times do.
    """

    header: Header
    frame: int
    position: NDArray[np.float64] | None
    axes: NDArray[np.float64] | None
    spacing: tuple[float, float] | None
    thickness: float | None
    rescale: tuple[float | None, float | None]
    acquired: tuple[str, float, str, float]

    @property
    def name(self) -> str:
        """The file, and the frame where it has several, for messages."""
        return self.header.file.name + (f" (frame {self.frame + 1})" if self.header.frames > 1 else "")

    @property
    def padding_hu(self) -> float | None:
        """What the lowest value of its padding is in HU."""
        if self.header.padding is None:
            return None
        slope, intercept = self.rescale
        return self.header.padding[0] * (1.0 if slope is None else slope) + (intercept or 0.0)

    @property
    def normal(self) -> NDArray[np.float64]:
        """Unit vector across the slice, LPS."""
        if self.axes is None:
            raise ValueError(f"{self.name} has no orientation.")
        return np.asarray(np.cross(self.axes[:, 0], self.axes[:, 1]), dtype=np.float64)
