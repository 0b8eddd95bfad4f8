"""Where slices lie: gaps, uneven spacing, tilted gantries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from dicom_series import write_series
from phantoms import torso

from SSPELib.volume import Volume

from .kinds import Make


def gone(*numbers: int) -> Make:
    """A series that lacks some slices."""

    def make(folder: Path) -> Path:
        files = write_series(folder / "series")
        for number in numbers:
            files[number].unlink()
        return folder / "series"

    return make


def at(heights: list[float], tilt_degrees: float = 0.0, sideways: float = 0.0, **tags: object) -> Make:
    """The body scanned in slices at these heights, mm, the gantry tilted."""

    def make(folder: Path) -> Path:
        pieces, positions = [], []
        angle = np.radians(tilt_degrees)
        direction = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
        for height in heights:
            center = np.array([sideways * height, 0.0, height])
            plane = torso((24, 20, 1), (14.0, 13.0, 6.0), direction, center=tuple(center), noise_hu=0)
            pieces.append(plane.array[0])
            positions.append(plane.origin)
        whole = Volume(np.stack(pieces), (14.0, 13.0, 6.0), (0, 0, 0), direction)
        write_series(folder / "series", whole, positions=np.array(positions), **tags)
        return folder / "series"

    return make


STEADY = [float(z) for z in range(-69, 70, 6)]
TWO_STRETCHES = [*np.arange(-69.0, 0, 3.0), *np.arange(0.0, 70, 6.0)]
UNEVEN = [-60.0, -59, -57, -54, -50, -45, -39, -32, -31, -29, -26, -22, -17, -11, -4, -3, -1, 2, 6, 11, 17, 24, 31]
