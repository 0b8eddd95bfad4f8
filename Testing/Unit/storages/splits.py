"""One scan in several series, and several series in one folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dicom_series import VOLUME, write_series

from SSPELib.volume import slices

from .kinds import Make


def parts(split: int = 10, sub_folders: bool = True, **second: Any) -> Make:
    """The body as two series that follow each other."""

    def make(folder: Path) -> Path:
        for name, low, high, tags in (("A", 0, split, {}), ("B", split, VOLUME.size[2], second)):
            piece = slices(VOLUME, low, high)
            number = {"SeriesNumber": 3 + (name == "B")}
            write_series(
                folder / "study" / (name if sub_folders else ""), piece, series=name, prefix=name, **{**number, **tags}
            )
        return folder / "study"

    return make


def two_series(folder: Path, number: int = 4) -> Path:
    """The body as series 3, and beside it another reconstruction."""
    write_series(folder / "study" / "soft", series="SOFT", SeriesNumber=3)
    brighter = VOLUME.like(VOLUME.array + 300)
    write_series(folder / "study" / "bone", brighter, series="BONE", SeriesNumber=number, prefix="b")
    return folder / "study"


def two_series_of_one_number(folder: Path) -> Path:
    """The same, both called series 3."""
    return two_series(folder, number=3)
