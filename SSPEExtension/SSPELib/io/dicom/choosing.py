"""Which of the series in a folder is the CT that is meant."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...volume.checks import SHORTEST_MM
from ..wording import listed
from .folder import Contents, Series
from .plane import Plane

# The next series begins one slice after the last; its distance may differ from the usual one by this factor.
ONE_SPACING = (0.5, 1.5)
SAME_PLACE_MM = 0.1
WHY_NOT = {"localizer": "a scout", "capture": "a screen capture or dose page"}


def choose(folder: Path, contents: Contents, wanted: str | None, remarks: list[str]) -> list[Plane]:
    """Return the planes of the one CT in a folder, or of the series that is wanted by UID or number.

    Args:
        folder: named in messages.
        contents: what it holds.
        wanted: series instance UID or series number; None where the folder should hold a single CT.
        remarks: gets a sentence on what was ignored or joined.

    Raises:
        InputError: no CT, several, none with this UID or number, or a damaged file among its files.
    """
    _check_any(folder, contents)
    chosen = _wanted(folder, contents, wanted) if wanted is not None else _only(folder, contents, remarks)
    planes = [plane for series in chosen for plane in series.planes]
    places = {plane.header.file.parent for plane in planes}
    spoilt = [file.name for file in contents.damaged if file.parent in places]
    if spoilt:
        raise InputError(
            f"{folder}: {listed(spoilt)} cannot be read, damaged or incomplete; export the whole series again."
        )
    if wanted is None:
        _remark_ignored(folder, contents, chosen, remarks)
    return planes


def why_not_ct(series: Series) -> str:
    """Why a series cannot be the CT, in a few words; empty where it can."""
    if series.header.role == "other modality":
        return f"modality {series.header.modality}"
    if series.header.role != "ct":
        return WHY_NOT[series.header.role]
    length = series.length_mm
    if length is not None and length < SHORTEST_MM - 1e-3:
        return f"only {length:.0f} mm long"
    return ""


def described(series: Series) -> str:
    """A series as a line of a list to choose from."""
    count, length = len(series.planes), series.length_mm
    extent = f", {length:.0f} mm" if length is not None else ""
    noun = "slice" if count == 1 else "slices"
    return f"{series.label} ({count} {noun}{extent}, UID {series.header.series or 'missing'})"


def _check_any(folder: Path, contents: Contents) -> None:
    if contents.series:
        return
    if contents.damaged:
        spoilt = listed([file.name for file in contents.damaged])
        raise InputError(f"{folder}: {spoilt} cannot be read, damaged or incomplete; export the whole series again.")
    raise InputError(
        f"{folder} holds no DICOM images, nor do the folders in it; choose the folder that holds the files of a series."
    )


def _wanted(folder: Path, contents: Contents, wanted: str) -> list[Series]:
    named = [series for series in contents.series if wanted in (series.header.series, series.header.number)]
    usable = [series for series in named if series.header.role == "ct"]
    if len(usable) == 1:
        return usable
    if named and not usable:
        raise InputError(f"{folder}: {named[0].label} is no CT ({why_not_ct(named[0])}); choose a CT series.")
    choice = usable or [series for series in contents.series if series.header.role == "ct"]
    problem = "several series have the number" if usable else "no series has the UID or number"
    raise InputError(f"{folder}: {problem} {wanted}; choose one by its UID: {_choice(choice)}.")


def _only(folder: Path, contents: Contents, remarks: list[str]) -> list[Series]:
    ct = [series for series in contents.series if series.header.role == "ct"]
    if not ct:
        raise InputError(_no_ct(folder, contents.series))
    candidates = [series for series in ct if not why_not_ct(series)] or ct
    candidates = [series for series in candidates if series.length_mm is not None] or candidates
    if len(candidates) == 1:
        return candidates
    in_order = sorted(candidates, key=_start)
    reasons = [_why_not_joined(one, other) for one, other in pairwise(in_order)]
    if all(reason == "" for reason in reasons):
        names = " and ".join(series.label for series in in_order)
        remarks.append(f"{folder}: {names} follow each other on one grid and were joined to one scan.")
        return in_order
    because = next((f" ({reason}, so that they were not joined)" for reason in reasons if reason), "")
    raise InputError(
        f"{folder} holds {len(candidates)} CT series: {_choice(candidates)}{because}; choose one by its number or UID "
        "(--series)."
    )


def _no_ct(folder: Path, series: list[Series]) -> str:
    if len(series) == 1:
        return f"{folder} is a DICOM series that is not CT ({why_not_ct(series[0])}); choose a CT series."
    others = listed([f"{one.label} ({why_not_ct(one)})" for one in series], "; ")
    return f"{folder} holds no CT but {others}; choose the folder of a CT series."


def _choice(series: list[Series]) -> str:
    return listed([described(one) for one in series], "; ", at_most=12)


def _remark_ignored(folder: Path, contents: Contents, chosen: list[Series], remarks: list[str]) -> None:
    ignored = [
        f"{series.label} ({why_not_ct(series) or 'its slices have no place'})"
        for series in contents.series
        if series not in chosen
    ]
    ignored += [f"{file.name} (no image)" for file in contents.without_image]
    if ignored:
        remarks.append(f"{folder}: ignored beside the CT: {listed(ignored)}.")


def _start(series: Series) -> float:
    first = series.planes[0]
    if first.axes is None:
        return 0.0
    return min(float(plane.position @ first.normal) for plane in series.planes if plane.position is not None)


def _why_not_joined(one: Series, other: Series) -> str | None:
    """Empty where the second series goes on where the first ends, on its grid; else how they differ.

    None where they have nothing to do with each other.
    """
    first, second = one.planes[0], other.planes[0]
    same_scan = (
        (first.header.patient, first.header.study, first.header.frame_of_reference)
        == (second.header.patient, second.header.study, second.header.frame_of_reference)
    ) and first.header.frame_of_reference is not None
    if not same_scan or first.axes is None or second.axes is None or len(one.planes) < 2 or len(other.planes) < 2:
        return None
    if not np.allclose(first.normal, second.normal, atol=1e-3):
        return None
    normal = first.normal
    along, further = (
        np.sort([plane.position @ normal for plane in series.planes if plane.position is not None])
        for series in (one, other)
    )
    usual = float(np.median(np.diff(along)))
    gap = float(further[0] - along[-1])
    if not ONE_SPACING[0] * usual < gap < ONE_SPACING[1] * max(usual, float(np.median(np.diff(further)))):
        return None
    names = f"{one.label} and {other.label} follow each other but differ in"
    if first.header.size != second.header.size:
        return f"{names} size"
    if first.spacing is None or second.spacing is None or not np.allclose(first.spacing, second.spacing, rtol=1e-3):
        return f"{names} pixel spacing"
    if not np.allclose(first.axes, second.axes, atol=1e-3):
        return f"{names} orientation"
    if not _in_line(one, other):
        return f"{names} where their rows and columns begin"
    return ""


def _in_line(one: Series, other: Series) -> bool:
    """The first voxels of both lie on one line."""
    places = np.array([plane.position for series in (one, other) for plane in series.planes])
    normal = one.planes[0].normal
    places = places[np.argsort(places @ normal)]
    along = (places - places[0]) @ normal
    line = places[0] + np.outer(along / along[-1], places[-1] - places[0])
    return bool(np.max(np.linalg.norm(places - line, axis=1)) < SAME_PLACE_MM)
