"""What the text headers of NRRD and MetaImage leave out, for which ITK puts in a default without a word.

And what they ask for, and ITK passes over.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

NRRD = (".nrrd", ".nhdr")
META_IMAGE = (".mha", ".mhd")
LONGEST_HEADER = 1 << 16
SPACES = {
    f"{side}-{front}-superior{time}" for side in ("left", "right") for front in ("posterior", "anterior")
    for time in ("", "-time")
} | {"lps", "ras", "las", "lpst", "rast", "last"}  # fmt: skip
MATRICES = ("transformmatrix", "rotation", "orientation")
ORIGINS = ("offset", "position", "origin")
MILLIMETERS = {"", "mm", "millimeter", "millimeters", "millimetre", "millimetres", "?", "???"}
SLOPE, INTERCEPT = "elementtointensityfunctionslope", "elementtointensityfunctionoffset"
VOXEL_BYTES = {
    "CHAR": 1, "UCHAR": 1, "SHORT": 2, "USHORT": 2, "INT": 4, "UINT": 4, "LONG_LONG": 8, "ULONG_LONG": 8, "FLOAT": 4,
    "DOUBLE": 8,
}  # fmt: skip


def left_out(path: Path) -> list[str]:
    """Which of spacing, orientation and origin a header does not give; nothing for other formats."""
    name = path.name.lower()
    if name.endswith(NRRD):
        return _left_out_of_nrrd(_fields(path, ":"))
    return _left_out_of_meta_image(_fields(path, "=")) if name.endswith(META_IMAGE) else []


def passed_over(path: Path) -> list[str]:
    """What a header asks for and ITK does not do, as words behind the name of the file; nothing for other formats."""
    name = path.name.lower()
    if name.endswith(NRRD):
        units = set(re.findall(r'"([^"]*)"', _fields(path, ":").get("space units", ""))) - MILLIMETERS
        return [f"gives distances in {' and '.join(sorted(units))}"] if units else []
    if not name.endswith(META_IMAGE):
        return []
    fields = _fields(path, "=")
    said = []
    unit = fields.get("distanceunits", "")
    if unit.lower() not in MILLIMETERS:
        said.append(f"gives distances in {unit}")
    if _number(fields, SLOPE, 1.0) != 1.0 or _number(fields, INTERCEPT, 0.0) != 0.0:
        said.append("has values that are to be scaled (ElementToIntensityFunction)")
    more = _more_than_voxels(path, fields)
    if more:
        said.append(f"has a file of voxels ({fields['elementdatafile']}) that is {more} bytes too long")
    return said


def _more_than_voxels(path: Path, fields: dict[str, str]) -> int:
    """How many bytes a file of voxels beside its header has that no one speaks of; 0 where that cannot be told."""
    voxels = path.parent / fields.get("elementdatafile", "")
    size = VOXEL_BYTES.get(fields.get("elementtype", "").upper().removeprefix("MET_"))
    if not voxels.is_file() or size is None or fields.get("compresseddata", "").lower() == "true":
        return 0
    counts = [int(count) for count in fields.get("dimsize", "").split() if count.isdigit()]
    skipped = _number(fields, "headersize", 0.0)
    expected = math.prod(counts) * size * _number(fields, "elementnumberofchannels", 1.0) + skipped
    return max(0, int(voxels.stat().st_size - expected)) if skipped >= 0 else 0


def _number(fields: dict[str, str], name: str, default: float) -> float:
    try:
        return float(fields.get(name, default))
    except ValueError:
        return default


def _left_out_of_nrrd(fields: dict[str, str]) -> list[str]:
    directions = fields.get("space directions", "").lower()
    oriented = fields.get("space", "").lower() in SPACES and directions.count("(") >= 3
    given = {
        "spacing": directions.count("(") >= 3 or ("spacings" in fields and "nan" not in fields["spacings"].lower()),
        "orientation": oriented,
        "origin": "space origin" in fields,
    }
    return [what for what, there in given.items() if not there]


def _left_out_of_meta_image(fields: dict[str, str]) -> list[str]:
    given = {
        "spacing": "elementspacing" in fields,
        "orientation": any(name in fields for name in MATRICES),
        "origin": any(name in fields for name in ORIGINS),
    }
    return [what for what, there in given.items() if not there]


def _fields(path: Path, sign: str) -> dict[str, str]:
    with path.open("rb") as file:
        head = file.read(LONGEST_HEADER)
    found = {}
    for line in head.decode("latin-1").splitlines():
        if sign == ":" and not line.strip():
            break
        name, _, value = line.partition(sign)
        found[name.strip().lower()] = value.strip()
        if name.strip().lower() == "elementdatafile":
            break
    return found
