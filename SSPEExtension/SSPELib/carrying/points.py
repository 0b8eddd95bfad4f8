"""Points: lists of them as Slicer writes them (.mrk.json, .fcsv)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..errors import InputError

# Markups that are their control points and nothing else; planes and regions also have axes and sizes of their own.
POINT_TYPES = ("Fiducial", "Line", "Angle", "Curve", "ClosedCurve")
RAS_FROM_LPS = np.array([-1.0, -1.0, 1.0])

PointMap = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def carry_markups(path: Path, place: PointMap) -> str:
    """Carry the points of a .mrk.json file; everything else in it stays.

    Args:
        path: the file.
        place: maps points (n, 3) to where they are carried, LPS mm.

    Returns:
        The new text.

    Raises:
        InputError: damaged, without points, or markups that are more than points.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        markups = content["markups"]
        count = sum(len(markup.get("controlPoints", [])) for markup in markups)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is no markups file that can be read; save the points again from Slicer.") from error
    if count == 0:
        raise InputError(f"{path} holds no points; there is nothing to carry along.")
    for markup in markups:
        if markup.get("type") not in POINT_TYPES:
            raise InputError(
                f"{path} holds a markup of type {markup.get('type')}; only points can be carried along "
                f"({', '.join(POINT_TYPES)})."
            )
        signs = _signs(path, markup.get("coordinateSystem", "LPS"))
        for point in markup["controlPoints"]:
            if not point.get("position"):
                continue
            position = np.array(point["position"], dtype=np.float64) * signs
            point["position"] = (place(position[None])[0] * signs).tolist()
            if point.get("orientation"):
                point["orientation"] = _turned(point["orientation"], position, signs, place)
        # What Slicer measured before (a length under an affine transform) is measured again when the file is loaded.
        markup.pop("measurements", None)
    return json.dumps(content, indent=4, ensure_ascii=False) + "\n"


def carry_fcsv(path: Path, place: PointMap) -> str:
    """Carry the points of an .fcsv file; labels, descriptions and states stay.

    Raises:
        InputError: damaged or without points.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read; save the points again from Slicer.") from error
    # Without the line, Slicer takes the oldest meaning: RAS.
    system = next((line.split("=")[1].strip() for line in lines if line.startswith("# CoordinateSystem")), "RAS")
    signs = _signs(path, {"0": "RAS", "1": "LPS"}.get(system, system))
    carried, count = [], 0
    for line in lines:
        fields = line.split(",")
        if line.startswith("#") or len(fields) < 4:
            carried.append(line)
            continue
        try:
            position = np.array([float(value) for value in fields[1:4]]) * signs
        except ValueError as error:
            raise InputError(f"{path} has a line that is no point: {line[:60]}; save the points again.") from error
        fields[1:4] = [f"{value:.6f}" for value in place(position[None])[0] * signs]
        carried.append(",".join(fields))
        count += 1
    if count == 0:
        raise InputError(f"{path} holds no points; there is nothing to carry along.")
    return "\n".join(carried) + "\n"


def point_map(transform: sitk.Transform) -> PointMap:
    """The inverse of a transform (reference to input points), which is what points of the input are carried by."""
    from ..alignment import matrix_of

    back = np.linalg.inv(matrix_of(transform))

    def place(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(points @ back[:3, :3].T + back[:3, 3])

    return place


def _signs(path: Path, system: str) -> NDArray[np.float64]:
    if system not in ("LPS", "RAS"):
        raise InputError(f"{path} names the coordinate system {system}; save the points again in LPS or RAS.")
    return np.ones(3) if system == "LPS" else RAS_FROM_LPS


def _turned(
    orientation: list[float], position: NDArray[np.float64], signs: NDArray[np.float64], place: PointMap
) -> list[Any]:
    """Axes of a point, columns of a (3, 3) matrix by rows, turned with it and made unit vectors again."""
    axes = np.array(orientation, dtype=np.float64).reshape(3, 3) * signs[:, None]
    turned = (place(position + axes.T) - place(position[None])).T
    turned = turned / np.maximum(np.linalg.norm(turned, axis=0), 1e-12)
    return (turned * signs[:, None]).ravel().tolist()
