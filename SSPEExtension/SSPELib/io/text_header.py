"""What the text headers of NRRD and MetaImage leave out, for which ITK puts in a default without a word.

And what they ask for, and ITK passes over.
"""

from __future__ import annotations

import math
import re
import zlib
from pathlib import Path

NRRD = (".nrrd", ".nhdr")
META_IMAGE = (".mha", ".mhd")
LONGEST_HEADER = 1 << 16
CHUNK_BYTES = 1 << 22
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

NRRD_BYTES = {
    "signed char": 1, "int8": 1, "uchar": 1, "unsigned char": 1, "uint8": 1, "short": 2, "short int": 2,
    "signed short": 2, "signed short int": 2, "int16": 2, "ushort": 2, "unsigned short": 2, "unsigned short int": 2,
    "uint16": 2, "int": 4, "signed int": 4, "int32": 4, "uint": 4, "unsigned int": 4, "uint32": 4, "longlong": 8,
    "long long": 8, "int64": 8, "ulonglong": 8, "uint64": 8, "float": 4, "double": 8,
}  # fmt: skip


def is_nrrd(path: Path) -> bool:
    """True for NRRD by the name, in one file or in two."""
    return path.name.lower().endswith(NRRD)


def is_meta_image(path: Path) -> bool:
    """True for MetaImage by the name, in one file or in two."""
    return path.name.lower().endswith(META_IMAGE)


def left_out(path: Path) -> list[str]:
    """Which of spacing, orientation and origin a header does not give; nothing for other formats."""
    if is_nrrd(path):
        return _left_out_of_nrrd(_fields(path, ":"))
    return _left_out_of_meta_image(_fields(path, "=")) if is_meta_image(path) else []


def passed_over(path: Path) -> list[str]:
    """What a header asks for and ITK does not do, as words behind the name of the file; nothing for other formats.

    ITK also takes what it happens to find in memory for compressed voxels of MetaImage that are damaged or cut off.
    """
    if is_nrrd(path):
        return _passed_over_of_nrrd(path, _fields(path, ":"))
    return _passed_over_of_meta_image(path, _fields(path, "=")) if is_meta_image(path) else []


def _passed_over_of_nrrd(path: Path, fields: dict[str, str]) -> list[str]:
    said = []
    units = set(re.findall(r'"([^"]*)"', fields.get("space units", ""))) - MILLIMETERS
    if units:
        said.append(f"gives distances in {' and '.join(sorted(units))}")
    voxels = path.parent / (fields.get("data file") or fields.get("datafile") or ".")
    size = NRRD_BYTES.get(fields.get("type", "").lower().removesuffix("_t"))
    skipped = _number(fields, "byte skip", 0.0)
    # Lines that are skipped may have any length.
    plain = fields.get("encoding", "").lower() == "raw" and not _number(fields, "line skip", 0.0)
    if voxels.is_file() and size is not None and plain and skipped >= 0:
        said += _too_long(voxels, _count(fields.get("sizes", "")) * size + skipped)
    return said


def _passed_over_of_meta_image(path: Path, fields: dict[str, str]) -> list[str]:
    said = []
    unit = fields.get("distanceunits", "")
    if unit.lower() not in MILLIMETERS:
        said.append(f"gives distances in {unit}")
    if _number(fields, SLOPE, 1.0) != 1.0 or _number(fields, INTERCEPT, 0.0) != 0.0:
        said.append("has values that are to be scaled (ElementToIntensityFunction)")
    place, skipped = fields.get("elementdatafile", ""), _number(fields, "headersize", 0.0)
    local = place.upper() == "LOCAL"
    if local and skipped:
        said.append("has a HeaderSize, but its voxels in the same file")
    voxels = path if local else path.parent / place
    size = VOXEL_BYTES.get(fields.get("elementtype", "").upper().removeprefix("MET_"))
    if not voxels.is_file() or size is None:
        return said
    expected = _count(fields.get("dimsize", "")) * size * _number(fields, "elementnumberofchannels", 1.0)
    if fields.get("compresseddata", "").lower() == "true":
        zipped = int(_number(fields, "compresseddatasize", 0.0))
        if not _unzips(voxels, _head_bytes(path) if local else 0, zipped, int(expected)):
            said.append("has compressed voxels that are damaged or cut off, or do not have the size that it gives")
    elif not local and skipped >= 0:
        said += _too_long(voxels, expected + skipped)
    return said


def _too_long(voxels: Path, expected: float) -> list[str]:
    """What is said of a file of voxels with bytes that no one speaks of, which may stand before the voxels."""
    more = int(voxels.stat().st_size - expected)
    return [f"has a file of voxels ({voxels.name}) that is {more} bytes too long"] if more > 0 else []


def _unzips(voxels: Path, start: int, length: int, expected: int) -> bool:
    """Whether so many bytes of a file, from a start on, are one whole compressed stream of so many bytes."""
    stream, made = zlib.decompressobj(zlib.MAX_WBITS | 32), 0
    with voxels.open("rb") as file:
        file.seek(start)
        left = length
        try:
            while left > 0 and (piece := file.read(min(left, CHUNK_BYTES))):
                left -= len(piece)
                while piece:
                    made += len(stream.decompress(piece, CHUNK_BYTES))
                    piece = stream.unconsumed_tail
        except zlib.error:
            return False
    return stream.eof and made == expected


def _head_bytes(path: Path) -> int:
    """Length of the header of a MetaImage file that holds its voxels too."""
    with path.open("rb") as file:
        for line in file:
            if line.partition(b"=")[0].strip().lower() == b"elementdatafile":
                break
        return file.tell()


def _count(sizes: str) -> int:
    return math.prod(int(count) for count in sizes.split() if count.isdigit())


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
