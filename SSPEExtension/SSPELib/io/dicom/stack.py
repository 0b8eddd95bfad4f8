"""Planes to one stack: complete, all of one grid, each place once, in order; or a sentence on what is wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ..wording import listed
from .pixels import stored_values
from .plane import Plane

SAME_PLACE_MM = 0.01
SAME_PLACE = 0.1
AXES_TOLERANCE = 1e-3
PERPENDICULAR = 0.1
SIDEWAYS_MM = 0.5
UNSPECIFIED = ("US", "HU_MOD")


@dataclass(frozen=True, eq=False)
class Stack:
    """Planes of one grid in the order of their places.

    Attributes:
        planes: with position, axes, spacing and rescale.
        along: (n,) distance from the first plane across the slices, mm, growing.
        sideways: (n, 2) shift along rows and along columns against the first plane, mm.
    """

    planes: list[Plane]
    along: NDArray[np.float64]
    sideways: NDArray[np.float64]

    @property
    def tilt_degrees(self) -> float:
        """Angle between the way from the first plane to the last and the normal of the planes."""
        return float(np.degrees(np.arctan2(np.linalg.norm(self.sideways[-1]), self.along[-1])))


def stack_of(planes: list[Plane], place: Path, remarks: list[str]) -> Stack:
    """Make one stack of the planes of a series.

    Args:
        planes: in any order.
        place: the folder or file, for messages.
        remarks: gets a sentence on whatever was assumed or left out.

    Raises:
        InputError: a tag that geometry or HU depend on is missing or contradicts another, or a slice is shifted
            sideways.
    """
    planes = _without_scouts(planes, place, remarks)
    planes = _completed(planes, place, remarks)
    _check_alike(planes, place)
    planes = _rescale_known(planes, place, remarks)
    planes = _each_place_once(planes, place, remarks)
    first = planes[0]
    if first.axes is None:
        raise ValueError("a stack needs an orientation")
    shifts = np.array([plane.position for plane in planes]) - first.position
    stack = Stack(planes, shifts @ first.normal, shifts @ first.axes)
    _check_line(stack, place)
    return stack


def _without_scouts(planes: list[Plane], place: Path, remarks: list[str]) -> list[Plane]:
    """Leave out planes at right angles to the others that have another grid as well: scouts that do not say so."""
    kinds: dict[Any, list[Plane]] = defaultdict(list)
    for plane in planes:
        kinds[plane.header.size, plane.spacing].append(plane)
    most = max(kinds.values(), key=len)
    if len(kinds) == 1 or most[0].axes is None:
        return planes
    normal = most[0].normal
    scouts = [
        plane
        for kind in kinds.values()
        if kind is not most
        for plane in kind
        if plane.axes is not None and abs(float(plane.normal @ normal)) < PERPENDICULAR
    ]
    if scouts:
        names = listed([plane.name for plane in scouts])
        remarks.append(f"{place}: ignored beside the CT: {names} (a scout at right angles to the slices).")
    return [plane for plane in planes if plane not in scouts]


def _completed(planes: list[Plane], place: Path, remarks: list[str]) -> list[Plane]:
    """Take an orientation or pixel spacing that few planes lack from the others; all else must be there."""
    found = planes
    for field, keyword in (("axes", "ImageOrientationPatient"), ("spacing", "PixelSpacing")):
        known = [getattr(plane, field) for plane in planes if getattr(plane, field) is not None]
        lacking = [plane for plane in planes if getattr(plane, field) is None]
        if not lacking:
            continue
        if not known or not np.allclose(known, known[0], atol=1e-4):
            raise InputError(_missing(place, keyword, lacking, planes))
        remarks.append(
            f"{place}: {keyword} is missing or damaged in {listed([plane.name for plane in lacking])}; that of the "
            "other slices, which all agree, was taken."
        )
        found = [replace(p, **{field: known[0]}) if getattr(p, field) is None else p for p in found]
    lacking = [plane for plane in planes if plane.position is None]
    if lacking:
        raise InputError(_missing(place, "ImagePositionPatient", lacking, planes))
    return found


def _missing(place: Path, keyword: str, lacking: list[Plane], planes: list[Plane]) -> str:
    where = "its slices" if len(lacking) == len(planes) else listed([plane.name for plane in lacking])
    no_substitute = {
        "PixelSpacing": " (other spacing tags hold at the detector, not in the patient)",
        "ImagePositionPatient": " (SliceLocation does not say where a slice lies in the patient)",
        "ImageOrientationPatient": " (PatientPosition does not say how its rows and columns run)",
    }
    return (
        f"{place}: the DICOM tag {keyword} is missing or damaged in {where}{no_substitute.get(keyword, '')}; export "
        "the series again with all tags."
    )


def _check_alike(planes: list[Plane], place: Path) -> None:
    first = planes[0]
    for plane in planes[1:]:
        for what, same in (
            (f"size ({_size(first)} and {_size(plane)})", plane.header.size == first.header.size),
            ("orientation (ImageOrientationPatient)", np.allclose(_axes(plane), _axes(first), atol=AXES_TOLERANCE)),
            ("pixel spacing (PixelSpacing)", np.allclose(_spacing(plane), _spacing(first), rtol=1e-3)),
            ("FrameOfReferenceUID", plane.header.frame_of_reference == first.header.frame_of_reference),
            ("PatientID", plane.header.patient == first.header.patient),
        ):
            if not same:
                raise InputError(
                    f"{place}: its DICOM slices differ in {what}, as in {first.name} and {plane.name}; keep only the "
                    "slices of one stack."
                )


def _size(plane: Plane) -> str:
    return f"{plane.header.size[0]} x {plane.header.size[1]}"


def _axes(plane: Plane) -> Any:
    return plane.axes


def _spacing(plane: Plane) -> Any:
    return plane.spacing


def _rescale_known(planes: list[Plane], place: Path, remarks: list[str]) -> list[Plane]:
    """Make sure that the way from stored values to HU is known."""
    for number, keyword in enumerate(("RescaleSlope", "RescaleIntercept")):
        lacking = [plane for plane in planes if plane.rescale[number] is None]
        other_known = any(plane.rescale[1 - number] is not None for plane in planes)
        if lacking and (len(lacking) < len(planes) or other_known):
            raise InputError(_missing(place, keyword, lacking, planes))
    if planes[0].rescale[0] is None:
        remarks.append(
            f"{place}: the DICOM tags RescaleSlope and RescaleIntercept are missing; its stored values were taken for "
            "HU."
        )
    zero = [plane for plane in planes if plane.rescale[0] == 0]
    if zero:
        raise InputError(
            f"{place}: RescaleSlope is 0 in {listed([plane.name for plane in zero])}; export the series again."
        )
    kinds = {plane.header.rescale_type for plane in planes} - {"", "HU"}
    for kind in sorted(kinds):
        if kind not in UNSPECIFIED:
            raise InputError(
                f"{place}: its values are not in Hounsfield units (RescaleType {kind}); choose a CT series in HU."
            )
        remarks.append(f"{place}: RescaleType is {kind}; its values were taken for HU.")
    if any(plane.header.inverted for plane in planes):
        remarks.append(f"{place}: its slices are MONOCHROME1, which concerns their display; HU follow the rescale.")
    if any(plane.header.lossy for plane in planes):
        remarks.append(f"{place}: its slices were compressed with loss (LossyImageCompression), so HU are not exact.")
    if any(plane.header.projected for plane in planes):
        remarks.append(f"{place}: it is a projection through slices (ImageType), so that edges lie elsewhere.")
    return planes


def _each_place_once(planes: list[Plane], place: Path, remarks: list[str]) -> list[Plane]:
    """Sort planes along their normal; of several at one place keep the one that was acquired last."""
    normal = planes[0].normal
    heights = [float(_position(plane) @ normal) for plane in planes]
    ordered = [planes[index] for index in np.argsort(heights, kind="stable")]
    gaps = np.diff(np.sort(heights))
    apart = gaps[gaps > SAME_PLACE_MM]
    # Tables stop with some play; what lies this near was meant for one place.
    near = max(SAME_PLACE_MM, SAME_PLACE * float(np.median(apart))) if apart.size else SAME_PLACE_MM
    kept: list[Plane] = []
    copies: list[str] = []
    twice: list[str] = []
    for plane in ordered:
        if not kept or np.linalg.norm(_position(plane) - _position(kept[-1])) > near:
            kept.append(plane)
            continue
        other = kept[-1]
        if _same_pixels(plane, other, place):
            copies.append(plane.name)
        elif plane.acquired == other.acquired:
            raise InputError(
                f"{place}: {other.name} and {plane.name} lie at one place, and nothing says which was acquired later "
                "(AcquisitionTime, AcquisitionNumber, ContentTime, InstanceNumber); keep one slice a position."
            )
        else:
            later, earlier = (plane, other) if plane.acquired > other.acquired else (other, plane)
            kept[-1] = later
            twice.append(f"{later.name} instead of {earlier.name}")
    if copies:
        remarks.append(f"{place}: ignored as copies of other slices: {listed(copies)}.")
    if twice:
        number = f"{len(twice)} of its places were" if len(twice) > 1 else "one of its places was"
        remarks.append(
            f"{place}: {number} scanned more than once, as in several phases or a slice acquired again; the later "
            f"acquisition was taken ({listed(twice)})."
        )
    return kept


def _position(plane: Plane) -> NDArray[np.float64]:
    if plane.position is None:
        raise ValueError(f"{plane.name} has no position.")
    return plane.position


def _same_pixels(one: Plane, other: Plane, place: Path) -> bool:
    read: Callable[[Plane], NDArray[Any]] = lambda plane: stored_values(plane.header, place)[plane.frame]  # noqa: E731
    return one.rescale == other.rescale and np.array_equal(read(one), read(other))


def _check_line(stack: Stack, place: Path) -> None:
    """Raise InputError where a slice is shifted sideways off the line through all of them."""
    if len(stack.planes) < 3:
        return
    expected = np.outer(stack.along / stack.along[-1], stack.sideways[-1])
    off = np.linalg.norm(stack.sideways - expected, axis=1)
    # The ends are off as well where one of them is the shifted one; the middle then is.
    worst = int(np.argmax(off))
    if off[worst] > SIDEWAYS_MM:
        raise InputError(
            f"{place}: DICOM slice {stack.planes[worst].name} is shifted sideways by {off[worst]:.1f} mm "
            "(ImagePositionPatient); keep only the slices of one acquisition."
        )
