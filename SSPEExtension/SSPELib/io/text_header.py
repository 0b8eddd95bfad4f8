"""What the text headers of NRRD and MetaImage leave out, for which ITK puts in a default without a word."""

from __future__ import annotations

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


def left_out(path: Path) -> list[str]:
    """Which of spacing, orientation and origin a header does not give; nothing for other formats."""
    name = path.name.lower()
    if name.endswith(NRRD):
        return _left_out_of_nrrd(_fields(path, ":"))
    return _left_out_of_meta_image(_fields(path, "=")) if name.endswith(META_IMAGE) else []


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
