"""Landmarks in files of 3D Slicer: .mrk.json and .fcsv."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

SUFFIXES = (".mrk.json", ".fcsv")
# Columns of an .fcsv file; old files say 0 and 1 for RAS and LPS.
POSITION = slice(1, 4)
RAS_NAMES, LPS_NAMES = ("RAS", "0"), ("LPS", "1")


def read_landmarks(path: Path) -> NDArray[np.float64]:
    """Read the points (n, 3) of a list in LPS mm, in their order; points without a position are left out.

    Raises:
        InputError: the file is missing, damaged, or of another kind.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist; check the path.")
    if not path.name.lower().endswith(SUFFIXES):
        raise InputError(f"{path} is no list of landmarks; give a file of 3D Slicer, {' or '.join(SUFFIXES)}.")
    try:
        text = path.read_text(encoding="utf-8")
        points, system = _of_fcsv(text) if path.name.lower().endswith(".fcsv") else _of_json(text)
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise InputError(f"{path} cannot be read as a list of landmarks ({error}); save it again.") from error
    if system not in (*RAS_NAMES, *LPS_NAMES):
        raise InputError(f"{path} is in the coordinate system {system!r}; save it in LPS or RAS.")
    lps = np.array(points, dtype=np.float64).reshape(-1, 3)
    return lps * [-1.0, -1.0, 1.0] if system in RAS_NAMES else lps


def _of_json(text: str) -> tuple[list[list[float]], str]:
    markups = json.loads(text)["markups"][0]
    points = [point for point in markups["controlPoints"] if point.get("positionStatus", "defined") == "defined"]
    return [point["position"] for point in points], str(markups["coordinateSystem"]).upper()


def _of_fcsv(text: str) -> tuple[list[list[float]], str]:
    lines = text.splitlines()
    [system] = [line.split("=")[1].strip() for line in lines if line.startswith("# CoordinateSystem")]
    rows = csv.reader(line for line in lines if line.strip() and not line.startswith("#"))
    return [[float(value) for value in row[POSITION]] for row in rows], system.upper()
