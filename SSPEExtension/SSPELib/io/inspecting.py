"""What a file or folder holds, series by series, and whether each is fit for use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..options import ReadOptions
from ..progress import Progress, part, silent
from ..volume import Volume, body_axis, body_length_mm, check_ct
from .dicom import Series, read_stack, search, why_not_ct
from .reading import read_volume

AXES = (("left", "right"), ("posterior", "anterior"), ("superior", "inferior"))


@dataclass(frozen=True)
class Found:
    """One series, or one file.

    Attributes:
        name: series number and description, or the file's name.
        uid: series instance UID, empty for other files.
        slices: how many there are.
        length_mm: along the body.
        spacing_mm: along the x, y and z index axes.
        orientation: where the index axes point to, to the nearest axis of the patient.
        lowest_hu, highest_hu: its values.
        fit: it can be expanded and registered.
        remarks: why not, or what to know of it.
    """

    name: str
    uid: str
    slices: int
    length_mm: float | None
    spacing_mm: tuple[float, float, float] | None
    orientation: str
    lowest_hu: float | None
    highest_hu: float | None
    fit: bool
    remarks: tuple[str, ...]


def inspect_path(path: Path, options: ReadOptions = ReadOptions(), progress: Progress = silent) -> list[Found]:
    """Look at every DICOM series in a folder and the folders in it, or at one file.

    Args:
        path: a folder or a file.
        options: a series to look at alone, and whether a file without orientation may be read.
        progress: told of every series; may raise `Cancelled`.

    Raises:
        InputError: there is nothing at the path, or no DICOM in the folder.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist; check the path.")
    if not path.is_dir():
        return [_file(path, options)]
    contents = search(path, part(progress, 0.0, 0.3))
    found = []
    for number, series in enumerate(contents.series):
        progress(0.3 + 0.7 * number / len(contents.series), series.label)
        if options.series in (None, series.header.series, series.header.number):
            found.append(_series(series, path))
    if not found:
        raise InputError(f"{path} holds no DICOM images{' of that series' if contents.series else ''}; choose another.")
    return found


def _series(series: Series, folder: Path) -> Found:
    remarks: list[str] = []
    reason = why_not_ct(series)
    if reason:
        return _unread(series, [f"not fit: {reason}"])
    try:
        volume = read_stack(series.planes, folder, remarks)
        return _fit(series.label, series.header.series, len(series.planes), volume, remarks)
    except InputError as error:
        return _unread(series, [str(error)])


def _file(path: Path, options: ReadOptions) -> Found:
    try:
        volume = read_volume(path, options)
    except InputError as error:
        return Found(path.name, "", 0, None, None, "", None, None, False, (str(error),))
    return _fit(path.name, "", volume.size[body_axis(volume).index], volume, list(volume.remarks))


def _unread(series: Series, remarks: list[str]) -> Found:
    length = series.length_mm
    return Found(
        name=series.label,
        uid=series.header.series,
        slices=len(series.planes),
        length_mm=None if length is None else round(length, 1),
        spacing_mm=None,
        orientation="",
        lowest_hu=None,
        highest_hu=None,
        fit=False,
        remarks=tuple(remarks),
    )


def _fit(name: str, uid: str, slices: int, volume: Volume, remarks: list[str]) -> Found:
    try:
        remarks = list(dict.fromkeys([*remarks, *check_ct(volume)]))
        fit = True
    except InputError as error:
        remarks, fit = [*remarks, str(error)], False
    x, y, z = (round(spacing, 4) for spacing in volume.spacing)
    return Found(
        name=name,
        uid=uid,
        slices=slices,
        length_mm=round(body_length_mm(volume), 1),
        spacing_mm=(x, y, z),
        orientation=_orientation(volume),
        lowest_hu=float(volume.array.min()),
        highest_hu=float(volume.array.max()),
        fit=fit,
        remarks=tuple(remarks),
    )


def _orientation(volume: Volume) -> str:
    words = []
    for axis in volume.direction.T:
        nearest = int(abs(axis).argmax())
        words.append(AXES[nearest][0 if axis[nearest] > 0 else 1])
    return ", ".join(words)
