"""Lists of points in files of 3D Slicer: .mrk.json and .fcsv."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

POINT_SUFFIXES = (".mrk.json", ".fcsv")
# Markups that are their control points and nothing else; planes and regions also have axes and sizes of their own.
POINT_TYPES = ("Fiducial", "Line", "Angle", "Curve", "ClosedCurve")
# Old .fcsv files say 0 and 1; without a word, Slicer takes the oldest meaning, RAS.
LPS_FROM = {"LPS": np.ones(3), "1": np.ones(3), "RAS": np.array([-1.0, -1, 1]), "0": np.array([-1.0, -1, 1])}

PointMap = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class PointList:
    """A file with points.

    Attributes:
        positions: (n, 3) LPS mm, in their order; points without a position are left out.
        carried: returns the text of the file with its points (n, 3) taken through a map; all else in it stays.
    """

    positions: NDArray[np.float64]
    carried: Callable[[PointMap], str]


def read_points(path: Path) -> PointList:
    """Read a list of points.

    Raises:
        InputError: the file is missing, damaged, of another kind, holds no points or more than points.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist; check the path.")
    if not path.name.lower().endswith(POINT_SUFFIXES):
        raise InputError(f"{path} is no list of points; give a file of 3D Slicer, {' or '.join(POINT_SUFFIXES)}.")
    try:
        text = path.read_text(encoding="utf-8")
        found = _table(path, text) if path.name.lower().endswith(".fcsv") else _markups(path, text)
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise InputError(f"{path} cannot be read as a list of points ({error}); save it again from Slicer.") from error
    if not len(found.positions):
        raise InputError(f"{path} holds no points; place some and save it again.")
    return found


def _markups(path: Path, text: str) -> PointList:
    positions: list[NDArray[np.float64]] = []
    for markup in json.loads(text)["markups"]:
        if markup.get("type", POINT_TYPES[0]) not in POINT_TYPES:
            raise InputError(
                f"{path} holds a markup of type {markup['type']}; only points can be used ({', '.join(POINT_TYPES)})."
            )
        signs = _signs(path, str(markup.get("coordinateSystem", "LPS")).upper())
        positions += [np.array(point["position"]) * signs for point in markup["controlPoints"] if _is_set(point)]

    def carried(place: PointMap) -> str:
        moved = json.loads(text)
        for markup in moved["markups"]:
            signs = _signs(path, str(markup.get("coordinateSystem", "LPS")).upper())
            for point in markup["controlPoints"]:
                if _is_set(point):
                    _carry(point, signs, place)
            # What Slicer measured before (a length under an affine transform) is measured again when it is loaded.
            markup.pop("measurements", None)
        return json.dumps(moved, indent=4, ensure_ascii=False) + "\n"

    return PointList(np.array(positions, dtype=np.float64).reshape(-1, 3), carried)


def _table(path: Path, text: str) -> PointList:
    lines = text.splitlines()
    named = [line.split("=")[1].strip().upper() for line in lines if line.startswith("# CoordinateSystem")]
    signs = _signs(path, named[0] if named else "RAS")
    rows = {}
    for number, line in enumerate(lines):
        fields = line.split(",")
        if not line.startswith("#") and len(fields) >= 4:
            rows[number] = np.array([float(value) for value in fields[1:4]]) * signs
    positions = np.array(list(rows.values())).reshape(-1, 3)

    def carried(place: PointMap) -> str:
        moved = list(lines)
        for number, position in zip(rows, place(positions), strict=True):
            fields = lines[number].split(",")
            fields[1:4] = [f"{value:.6f}" for value in position * signs]
            moved[number] = ",".join(fields)
        return "\n".join(moved) + "\n"

    return PointList(positions, carried)


def _is_set(point: dict[str, Any]) -> bool:
    return bool(point.get("position")) and point.get("positionStatus", "defined") == "defined"


def _carry(point: dict[str, Any], signs: NDArray[np.float64], place: PointMap) -> None:
    """Put a point elsewhere, and its axes (columns of a (3, 3) matrix by rows), which turn and stay unit vectors."""
    position = np.array(point["position"], dtype=np.float64) * signs
    there = place(position[None])[0]
    point["position"] = (there * signs).tolist()
    if point.get("orientation"):
        axes = np.array(point["orientation"], dtype=np.float64).reshape(3, 3) * signs[:, None]
        turned = (place(position + axes.T) - there).T
        turned /= np.maximum(np.linalg.norm(turned, axis=0), 1e-12)
        point["orientation"] = (turned * signs[:, None]).ravel().tolist()


def _signs(path: Path, system: str) -> NDArray[np.float64]:
    if system not in LPS_FROM:
        raise InputError(f"{path} is in the coordinate system {system!r}; save it in LPS or RAS.")
    return LPS_FROM[system]
