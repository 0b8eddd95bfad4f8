"""A DICOM tree as TCIA gives it (person / study / series) to training volumes, split by person."""

from __future__ import annotations

import csv
import hashlib
import io
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import SimpleITK as sitk

from SSPELib.errors import InputError
from SSPELib.io.dicom import Contents, Header, Series, read_stack, search, why_not_ct
from SSPELib.io.writing import Outputs, make_folder
from SSPELib.progress import Progress, part, silent
from SSPELib.volume import AIR_HU, Volume, body_length_mm, check_ct
from SSPELib.volume.resampling import resample_averaged

Split = Literal["train", "validation", "test"]

SHORTEST_MM = 150.0
AXIAL_AT_LEAST = 0.9
AS_LONG = 0.95
HU_RANGE = (-1024, 3071)


@dataclass(frozen=True)
class Imported:
    """A row of index.tsv: one training volume.

    Attributes:
        file: its path in the destination.
        person: patient ID.
        time_point: 1 for the person's first scan, 2 for the next ...
        study_time: date and time of the study as DICOM has them.
        split: train, validation or test; the same for all volumes of a person.
        z_mm: length along the body.
        series: number and description.
        source: folder of the series in the tree.
    """

    file: str
    person: str
    time_point: int
    study_time: str
    split: Split
    z_mm: float
    series: str
    source: str


@dataclass(frozen=True)
class Rejected:
    """A row of rejected.tsv: a series that did not become a volume, and why."""

    person: str
    study_time: str
    series: str
    source: str
    reason: str


def import_dicom(
    source: Path,
    destination: Path,
    *,
    spacing_mm: float = 2.0,
    validation: float = 0.1,
    test: float = 0.2,
    seed: int = 1,
    whole_studies: bool = False,
    progress: Progress = silent,
) -> tuple[list[Imported], list[Rejected]]:
    """Turn the CT series of a DICOM tree into NIfTI volumes with index.tsv and rejected.tsv.

    Of every study the CT series that covers most of the body is taken; where that is irregular, incomplete or no CT in
    HU, the next one is. All volumes of a person are in the same part, so that no person is trained and tested on.

    Args:
        source: the tree; it is only read.
        destination: a folder that does not exist yet or is empty; it appears when all is done.
        spacing_mm: voxels finer than this are averaged to it, axis by axis; coarser ones stay.
        validation, test: share of the persons in these parts.
        seed: decides which persons.
        whole_studies: take every series nearly as long as the longest, for scans at several times in one study.
        progress: told of every series; may raise `Cancelled`.

    Raises:
        InputError: the source holds no usable CT series, the destination is in use or cannot be made, or the shares are
            impossible.
    """
    _check(source, destination, validation, test)
    make_folder(destination.parent)
    contents = search(source, part(progress, 0.0, 0.3))
    staging = Path(tempfile.mkdtemp(prefix=f".{destination.name}-", dir=destination.parent))
    try:
        converted, rejected = _convert(contents, source, staging, spacing_mm, whole_studies, part(progress, 0.3, 1.0))
        if not converted:
            reasons = "; ".join(f"{row.source}: {row.reason}" for row in rejected[:3])
            raise InputError(f"{source} holds no usable CT series ({reasons or 'no DICOM images at all'}).")
        imported = _sorted_into_parts(converted, staging, validation, test, seed)
        with Outputs() as outputs:
            outputs.text(_table(Imported, imported), staging / "index.tsv")
            outputs.text(_table(Rejected, rejected), staging / "rejected.tsv")
        if destination.exists():
            destination.rmdir()
        staging.chmod(0o755)
        staging.replace(destination)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return imported, rejected


def split_persons(persons: Sequence[str], validation: float, test: float, seed: int) -> dict[str, Split]:
    """Draw the part of every person; a part with a share above 0 has at least one person where there are three."""
    order = [persons[index] for index in np.random.default_rng(seed).permutation(len(persons))]
    least = 1 if len(persons) >= 3 else 0
    tested = max(least, round(test * len(persons))) if test > 0 else 0
    validated = max(least, round(validation * len(persons))) if validation > 0 else 0
    found: dict[str, Split] = {}
    for rank, person in enumerate(order):
        found[person] = "test" if rank < tested else "validation" if rank < tested + validated else "train"
    return found


def _check(source: Path, destination: Path, validation: float, test: float) -> None:
    if not source.is_dir():
        raise InputError(f"{source} is not a folder; give the folder of a DICOM download.")
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise InputError(f"{destination} is in use already; give a folder that does not exist yet or is empty.")
    if not (0 <= validation < 1 and 0 <= test < 1 and validation + test < 1):
        raise InputError(
            f"The shares of validation ({validation:g}) and test ({test:g}) must be 0 or more and leave something to "
            "train on; choose for example 0.1 and 0.2."
        )


def _convert(
    contents: Contents,
    source: Path,
    staging: Path,
    spacing_mm: float,
    whole_studies: bool,
    progress: Progress,
) -> tuple[list[Imported], list[Rejected]]:
    """Write a volume for every series that is usable and wanted; all count as training until the parts are drawn."""
    studies: dict[tuple[str, str, str], list[Series]] = defaultdict(list)
    for series in contents.series:
        studies[_person(series.header, source), series.header.study_time, series.header.study].append(series)
    imported: list[Imported] = []
    rejected: list[Rejected] = []
    points: dict[str, int] = defaultdict(int)
    for number, (person, time, study) in enumerate(sorted(studies)):
        longest: float | None = None
        for series in sorted(studies[person, time, study], key=_extent_mm, reverse=True):
            folder = series.header.file.parent
            progress(number / len(studies), f"{person}, {series.label}")
            where = str(folder.relative_to(source))
            try:
                if longest is not None and not (whole_studies and _extent_mm(series) >= AS_LONG * longest):
                    raise InputError("another series of the study was taken, which covers as much of the body or more")
                _check_series(series)
                for spoilt in contents.damaged:
                    if spoilt.parent == folder:
                        raise InputError(f"{spoilt.name} beside its slices is damaged, so that it may be incomplete")
                remarks: list[str] = []
                volume = read_stack(series.planes, folder, remarks)
                # A network learns from slices as they were measured; there are enough of them.
                if remarks:
                    raise InputError(" ".join(remarks))
                check_ct(volume)
            except InputError as error:
                rejected.append(Rejected(person, time, series.label, where, str(error)))
                continue
            longest = _extent_mm(series) if longest is None else longest
            points[person] += 1
            file = f"{_file_name(person)}_t{points[person]}.nii.gz"
            with Outputs() as outputs:
                outputs.image(resampled(volume, spacing_mm), staging / file)
            imported.append(
                Imported(
                    file=file,
                    person=person,
                    time_point=points[person],
                    study_time=time,
                    split="train",
                    z_mm=round(body_length_mm(volume), 1),
                    series=series.label,
                    source=where,
                )
            )
    return imported, rejected


def _sorted_into_parts(
    converted: list[Imported], staging: Path, validation: float, test: float, seed: int
) -> list[Imported]:
    """Move every volume into the folder of its person's part.

    Drawn now, as only now it is known who has a volume: a part that fell to persons without one would be empty.
    """
    parts = split_persons(sorted({row.person for row in converted}), validation, test, seed)
    found = []
    for row in converted:
        split = parts[row.person]
        (staging / split).mkdir(exist_ok=True)
        (staging / row.file).replace(staging / split / row.file)
        found.append(replace(row, split=split, file=f"{split}/{row.file}"))
    return found


def resampled(volume: Volume, spacing_mm: float) -> sitk.Image:
    """Resample to at least this spacing along every axis, upright (x left, y back, z head), int16 HU."""
    upright = sitk.DICOMOrient(volume.to_image(), "LPS")
    own = np.array(upright.GetSpacing())
    spacing = np.maximum(own, spacing_mm)
    extent = own * upright.GetSize()
    counts = np.maximum(1, (extent / spacing + 1e-6).astype(int))
    # The new grid lies in the middle of the old one; offset of its first center from the old first center, voxels.
    offset = ((extent - (counts - 1) * spacing) / 2 / own - 0.5).tolist()
    reference = sitk.Image(counts.tolist(), sitk.sitkUInt8)
    reference.SetSpacing(spacing.tolist())
    reference.SetDirection(upright.GetDirection())
    reference.SetOrigin(upright.TransformContinuousIndexToPhysicalPoint(offset))
    image = resample_averaged(upright, reference, AIR_HU)
    return sitk.Cast(sitk.Round(sitk.Clamp(image, sitk.sitkFloat32, *HU_RANGE)), sitk.sitkInt16)


def _check_series(series: Series) -> None:
    """Raise InputError where the headers show that a series is no axial CT of some length."""
    if why_not_ct(series) and series.header.role != "ct":
        raise InputError(f"it is no CT ({why_not_ct(series)})")
    first = series.planes[0]
    if first.axes is not None and abs(first.normal[2]) < AXIAL_AT_LEAST:
        raise InputError("its slices are not axial")
    if _extent_mm(series) < SHORTEST_MM:
        raise InputError(f"it covers only {_extent_mm(series):.0f} mm of the body, {SHORTEST_MM:.0f} mm are needed")


def _extent_mm(series: Series) -> float:
    """Distance between the outermost slices along the body, mm."""
    heights = [float(plane.position[2]) for plane in series.planes if plane.position is not None]
    return max(heights) - min(heights) if heights else 0.0


def _person(header: Header, source: Path) -> str:
    return header.patient or header.file.relative_to(source).parts[0]


def _file_name(person: str) -> str:
    plain = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in person)
    return plain if plain == person else f"{plain}_{hashlib.sha256(person.encode()).hexdigest()[:6]}"


def _table(kind: type[Any], rows: Sequence[Any]) -> str:
    names = [field.name for field in fields(kind)]
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(names)
    writer.writerows([getattr(row, name) for name in names] for row in rows)
    return text.getvalue()
