"""A DICOM folder to a `Volume`: finds the series, checks that its slices make one regular stack, reads it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..errors import InputError
from ..volume.volume import Volume
from .silence import libraries_silenced

TILT_DEGREES = 0.5
SIDEWAYS_MM = 0.5
SPACING_TOLERANCE = 0.05
# Positions are often rounded to 0.1 mm, which moves a gap by that much.
SPACING_TOLERANCE_MM = 0.11
NAMED_AT_MOST = 4
# The SOP class of a CT slice as it stands in a file's head, padded to an even length.
CT_IMAGE_STORAGE = b"1.2.840.10008.5.1.4.1.1.2\0"


@dataclass(frozen=True, eq=False)
class Slice:
    """What the header of one DICOM file says.

    Attributes:
        file: the file.
        patient: patient ID, or empty.
        study: study instance UID.
        study_time: its date and time, YYYYMMDD HHMMSS, as far as known.
        series: series instance UID.
        description: series number and description, for messages.
        modality: CT, MR ... or empty.
        frame_of_reference: its UID, where known.
        frames: number of frames.
        size: columns and rows.
        spacing: distance of columns and of rows, mm.
        position: (3,) center of the first voxel, LPS mm.
        axes: (3, 2) unit vectors along a row and along a column, LPS.
    """

    file: Path
    patient: str
    study: str
    study_time: str
    series: str
    description: str
    modality: str
    frame_of_reference: str | None
    frames: int
    size: tuple[int, int]
    spacing: tuple[float, float]
    position: NDArray[np.float64]
    axes: NDArray[np.float64]

    @property
    def normal(self) -> NDArray[np.float64]:
        """Unit vector across the slice, LPS."""
        return np.asarray(np.cross(self.axes[:, 0], self.axes[:, 1]), dtype=np.float64)


def read_series(folder: Path) -> Volume:
    """Read the one DICOM series of a folder; rescale slope and intercept are applied slice by slice.

    Raises:
        InputError: no series, more than one, not CT, damaged files, gantry tilt, missing or double slices, uneven
            spacing.
    """
    found = scan(folder)
    cut_off = damaged(folder, found)
    if cut_off:
        raise InputError(
            f"{folder}: {_listed(cut_off)} cannot be read, damaged or incomplete; export the whole series again."
        )
    if not found:
        inside = sorted(child.name for child in folder.iterdir() if child.is_dir())
        hint = f" (the series may be in a folder inside: {_listed(inside)})" if inside else ""
        raise InputError(f"{folder} holds no DICOM images{hint}; choose the folder that holds the files of one series.")
    return read_slices(_only_series(folder, found), folder)


def read_slices(slices: list[Slice], folder: Path) -> Volume:
    """Read the slices of one series in a folder, which is named in messages.

    Raises:
        InputError: gantry tilt, missing or double slices, uneven spacing, pixels that cannot be read.
    """
    if len(slices) == 1 and slices[0].frames > 1:
        image = _read([slices[0].file], folder)
        return Volume.from_image(image, str(folder), slices[0].frame_of_reference)
    _check_alike(folder, slices)
    first = slices[0]
    along = np.array([one.position @ first.normal for one in slices])
    order = np.argsort(along, kind="stable")
    slices = [slices[index] for index in order]
    _check_stack(folder, slices)
    _check_gaps(folder, slices, along[order])
    image = _read([one.file for one in slices], folder)
    gap = float(along[order][-1] - along[order][0]) / max(1, len(slices) - 1)
    return Volume(
        array=sitk.GetArrayFromImage(image),
        spacing=(*first.spacing, gap if gap > 0 else image.GetSpacing()[2]),
        origin=tuple(slices[0].position),
        direction=np.column_stack([first.axes, first.normal]),
        name=str(folder),
        frame_of_reference=first.frame_of_reference,
    )


def scan(folder: Path) -> list[Slice]:
    """The DICOM images among the files of a folder; other files are passed over."""
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    found = []
    for file in sorted(folder.iterdir()):
        if not file.is_file() or file.stat().st_size < 132:
            continue
        reader.SetFileName(str(file))
        try:
            reader.ReadImageInformation()
            found.append(_slice(file, reader))
        except (RuntimeError, ValueError):
            continue
    return found


def damaged(folder: Path, read: list[Slice]) -> list[str]:
    """Names of the files that say they are CT slices but were passed over: at an end of the body no gap would tell."""
    passed_over = set(folder.iterdir()) - {one.file for one in read}
    return sorted(file.name for file in passed_over if file.is_file() and _is_called_ct(file))


def _is_called_ct(file: Path) -> bool:
    with file.open("rb") as stream:
        head = stream.read(1024)
    return head[128:132] == b"DICM" and CT_IMAGE_STORAGE in head


def by_series(slices: list[Slice]) -> list[list[Slice]]:
    """Slices sorted by the series that they belong to."""
    found: dict[str, list[Slice]] = defaultdict(list)
    for one in slices:
        found[one.series].append(one)
    return list(found.values())


def _slice(file: Path, reader: sitk.ImageFileReader) -> Slice:
    def tag(key: str) -> str:
        return _text(reader.GetMetaData(key)).strip(" \0") if reader.HasMetaDataKey(key) else ""

    def numbers(key: str, default: str) -> NDArray[np.float64]:
        return np.array([float(value) for value in (tag(key) or default).split("\\")])

    number, description = tag("0020|0011"), tag("0008|103e")
    rows_apart, columns_apart = numbers("0028|0030", "1\\1")
    return Slice(
        file=file,
        patient=tag("0010|0020"),
        study=tag("0020|000d"),
        study_time=f"{tag('0008|0020')} {tag('0008|0030')[:6]}".strip(),
        series=tag("0020|000e"),
        description=f"series {number or '?'}" + (f' "{description}"' if description else ""),
        modality=tag("0008|0060"),
        frame_of_reference=tag("0020|0052") or None,
        frames=int(tag("0028|0008") or 1),
        size=(reader.GetSize()[0], reader.GetSize()[1]),
        spacing=(float(columns_apart), float(rows_apart)),
        position=numbers("0020|0032", "0\\0\\0"),
        axes=numbers("0020|0037", "1\\0\\0\\0\\1\\0").reshape(2, 3).T,
    )


def _text(value: str) -> str:
    """A value whose bytes are no UTF-8, which SimpleITK hands on as surrogates, taken for Latin-1."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogateescape").decode("latin-1")
    return value


def _only_series(folder: Path, slices: list[Slice]) -> list[Slice]:
    series = by_series(slices)
    if len(series) > 1:
        named = [
            f"{members[0].description} ({len(members)} files, {members[0].file.name} and so on)" for members in series
        ]
        raise InputError(
            f"{folder} holds {len(series)} DICOM series: {_listed(named, '; ')}; move each into a folder of its own "
            "and choose one."
        )
    modality = slices[0].modality
    if modality not in ("", "CT"):
        raise InputError(f"{folder} is a DICOM series of modality {modality}, not CT; choose a CT series.")
    return slices


def _check_alike(folder: Path, slices: list[Slice]) -> None:
    first = slices[0]
    for one in slices[1:]:
        if one.size != first.size:
            raise InputError(
                f"{folder}: its DICOM slices differ in size ({_size(first)} in {first.file.name}, {_size(one)} in "
                f"{one.file.name}); keep only the slices of one stack (no scout image)."
            )
        if not np.allclose(one.axes, first.axes, atol=1e-3):
            raise InputError(
                f"{folder}: its DICOM slices differ in orientation ({first.file.name} and {one.file.name}); keep only "
                "the slices of one stack (no scout image)."
            )
        if not np.allclose(one.spacing, first.spacing, rtol=1e-3):
            raise InputError(
                f"{folder}: its DICOM slices differ in pixel spacing ({first.file.name} and {one.file.name}); keep "
                "only the slices of one reconstruction."
            )


def _check_stack(folder: Path, slices: list[Slice]) -> None:
    """Raise InputError where slices, sorted along the normal, are sheared (gantry tilt) or shifted sideways."""
    positions = np.array([one.position for one in slices])
    normal = slices[0].normal
    span = positions[-1] - positions[0]
    length = float(span @ normal)
    if length <= 0:
        return
    sideways = float(np.linalg.norm(span - length * normal))
    tilt = float(np.degrees(np.arctan2(sideways, length)))
    if tilt > TILT_DEGREES:
        raise InputError(
            f"{folder} is a DICOM series with a gantry tilt of {tilt:.1f} degrees, so its slices are sheared; "
            "straighten it (Slicer does on loading, with acquisition geometry regularization on) and choose the result."
        )
    expected = positions[0] + np.outer((positions - positions[0]) @ normal, span / length)
    off = np.linalg.norm(positions - expected, axis=1)
    worst = int(np.argmax(off))
    if off[worst] > SIDEWAYS_MM:
        raise InputError(
            f"{folder}: DICOM slice {slices[worst].file.name} is shifted sideways by {off[worst]:.1f} mm; keep only "
            "the slices of one acquisition."
        )


def _check_gaps(folder: Path, slices: list[Slice], along: NDArray[np.float64]) -> None:
    """Raise InputError on double slices, missing slices or uneven spacing; along (n,) is sorted, mm."""
    gaps = np.diff(along)
    if not gaps.size:
        return
    distinct = gaps[gaps > 0.01]
    usual = float(np.median(distinct)) if distinct.size else 0.0
    double = np.flatnonzero(gaps < 0.1 * usual) if distinct.size else np.arange(gaps.size)
    if double.size:
        index = double[0]
        raise InputError(
            f"{folder}: {double.size} of its DICOM slices lie at the place of another ({slices[index].file.name} and "
            f"{slices[index + 1].file.name}), as in several phases or copies; keep one slice a position."
        )
    tolerance = max(SPACING_TOLERANCE * usual, SPACING_TOLERANCE_MM)
    uneven = np.flatnonzero(np.abs(gaps - usual) > tolerance)
    if not uneven.size:
        return
    multiples = gaps[uneven] / usual
    if np.all(np.round(multiples) >= 2) and np.all(np.abs(multiples - np.round(multiples)) * usual <= tolerance * 2):
        missing = int(np.sum(np.round(multiples)) - uneven.size)
        places = [f"{slices[i].file.name} and {slices[i + 1].file.name}" for i in uneven]
        noun = "slice is" if missing == 1 else "slices are"
        raise InputError(
            f"{folder}: {missing} DICOM {noun} missing (between {_listed(places, '; ')}); export the whole "
            "series again."
        )
    index = uneven[0]
    raise InputError(
        f"{folder}: the spacing of its DICOM slices is irregular ({gaps.min():.2f} to {gaps.max():.2f} mm, first "
        f"between {slices[index].file.name} and {slices[index + 1].file.name}); choose a series of even spacing or "
        "resample it."
    )


def _read(files: list[Path], folder: Path) -> sitk.Image:
    reader = sitk.ImageSeriesReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileNames([str(file) for file in files])
    try:
        with libraries_silenced():
            image = reader.Execute()
    except RuntimeError as error:
        raise InputError(
            f"{folder}: the pixels of its DICOM series cannot be read (damaged, or a compression that is not known); "
            "export it again without compression."
        ) from error
    if image.GetNumberOfComponentsPerPixel() != 1:
        raise InputError(f"{folder} is a DICOM series of color images; choose a CT series.")
    return image


def _size(one: Slice) -> str:
    return f"{one.size[0]} x {one.size[1]}"


def _listed(names: list[str], separator: str = ", ") -> str:
    shown = separator.join(names[:NAMED_AT_MOST])
    return shown if len(names) <= NAMED_AT_MOST else f"{shown}{separator}and {len(names) - NAMED_AT_MOST} more"
