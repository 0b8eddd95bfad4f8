"""What a kind of storage is, and the regular series of single slices that most kinds change a little."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pydicom
from dicom_series import write_series

from SSPELib.options import ReadOptions

Outcome = Literal["same", "resampled", "refused"]
Make = Callable[[Path], Path]
Change = Callable[[pydicom.FileDataset, int], object]


@dataclass(frozen=True)
class Kind:
    """A way to store the body.

    Attributes:
        name: of the kind.
        make: writes it into a folder and returns what to read.
        outcome: what should become of it.
        says: regular expression of a remark or the refusal; empty where nothing should be said.
        options: how to read it.
    """

    name: str
    make: Make
    outcome: Outcome
    says: str = ""
    options: ReadOptions = field(default_factory=ReadOptions)


def series(folder: Path, **how: Any) -> Path:
    """A regular series in a folder of its own."""
    write_series(folder / "series", **how)
    return folder / "series"


def edited(change: Change, which: slice | list[int] = slice(None), **how: Any) -> Make:
    """A series in whose files something was changed; which: the numbers of the slices from the feet."""

    def make(folder: Path) -> Path:
        files = write_series(folder / "series", **how)
        numbers = range(len(files))[which] if isinstance(which, slice) else which
        for number in numbers:
            data = pydicom.dcmread(files[number])
            change(data, number)
            data.save_as(files[number])
        return folder / "series"

    return make


def without(*keywords: str, which: slice | list[int] = slice(None), **tags: object) -> Make:
    """A series whose files lack some tags and have some others."""

    def change(data: pydicom.FileDataset, _: int) -> None:
        for keyword in keywords:
            if keyword in data:
                del data[keyword]
        for keyword, value in tags.items():
            setattr(data, keyword, value)

    return edited(change, which)


def setting(which: slice | list[int] = slice(None), **tags: object) -> Make:
    """A series whose files have some other tags."""
    return without(which=which, **tags)


def beside(add: Callable[[Path], object]) -> Make:
    """A regular series with something else in its folder."""

    def make(folder: Path) -> Path:
        path = series(folder)
        add(path)
        return path

    return make
