"""Training volumes on the working grid in one file, which PyTorch, NumPy and the standard library can train from."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from SSPELib.errors import InputError
from SSPELib.hounsfield import AIR_HU

from .config import DataSource

VERSION = 1


@dataclass(frozen=True, eq=False)
class PreparedVolume:
    """A volume on the working grid, cut to the rows and columns of its body.

    Attributes:
        name: its path from the data root, with slashes.
        array: (z, y, x) int16, HU, z toward the head, air outside the body.
        body: the same shape, what belongs to the body.
    """

    name: str
    array: NDArray[np.int16]
    body: NDArray[np.bool_]


@dataclass(frozen=True)
class PreparedVolumes:
    """What a prepared file holds.

    Attributes:
        spacing_mm: voxel size of the working grid.
        split: "train" or "validation" by name.
        volumes: all volumes, by name.
    """

    spacing_mm: float
    split: dict[str, str]
    volumes: dict[str, PreparedVolume]

    def of(self, source: DataSource) -> list[PreparedVolume]:
        """The volumes of a source in a fixed order.

        Raises:
            InputError: there is none.
        """
        names = [name for name in sorted(self.volumes) if matches(name, source)]
        if not names:
            raise InputError(
                f"No volume matches {source.pattern} among the {len(self.volumes)} prepared ones; prepare them with "
                "this configuration, sspe prepare CONFIG FILE."
            )
        return [self.volumes[name] for name in names]


def matches(name: str, source: DataSource) -> bool:
    """Whether a path from the data root belongs to a source."""
    path = PurePosixPath(name)
    return path.match(source.pattern) and not any(part in path.name for part in source.exclude)


def save_volumes(path: Path, prepared: PreparedVolumes) -> None:
    """Write a prepared file; what is outside the bodies takes no room.

    Body voxels go as differences to the voxel before, low and high bytes apart, which compresses to a quarter less
    than they do themselves.
    """
    volumes = [prepared.volumes[name] for name in sorted(prepared.volumes)]
    voxels = np.concatenate([volume.array[volume.body] for volume in volumes])
    change = np.diff(voxels, prepend=np.int16(0))
    folded = ((change << 1) ^ (change >> 15)).astype(np.uint16)
    index = {
        "version": VERSION,
        "spacing_mm": prepared.spacing_mm,
        "volumes": [
            {"name": volume.name, "split": prepared.split[volume.name], "size": volume.array.shape}
            for volume in volumes
        ],
    }
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            index=np.array(json.dumps(index)),
            bodies=np.concatenate([np.packbits(volume.body) for volume in volumes]),
            low=(folded & 255).astype(np.uint8),
            high=(folded >> 8).astype(np.uint8),
        )


def load_volumes(path: Path) -> PreparedVolumes:
    """Read a prepared file.

    Raises:
        InputError: it is missing, damaged or of another version.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            index = json.loads(str(file["index"]))
            if index["version"] != VERSION:
                raise InputError(f"{path} was prepared by another version of SSPE; prepare it again.")
            folded = file["low"].astype(np.uint16) | (file["high"].astype(np.uint16) << 8)
            bodies = file["bodies"]
    except FileNotFoundError as error:
        raise InputError(f"There is no prepared file {path}; make it with sspe prepare CONFIG {path}.") from error
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is no file of prepared volumes or is damaged; prepare it again.") from error
    change = (folded >> 1).astype(np.int16) ^ -(folded & 1).astype(np.int16)
    voxels = np.cumsum(change, dtype=np.int16)
    volumes, split, bit, voxel = {}, {}, 0, 0
    for row in index["volumes"]:
        size = tuple(row["size"])
        count = int(np.prod(size))
        packed = bodies[bit : bit + -(-count // 8)]
        body = np.unpackbits(packed, count=count).reshape(size).astype(bool)
        array = np.full(size, AIR_HU, dtype=np.int16)
        inside = int(np.count_nonzero(body))
        array[body] = voxels[voxel : voxel + inside]
        bit, voxel = bit + len(packed), voxel + inside
        volumes[row["name"]] = PreparedVolume(row["name"], array, body)
        split[row["name"]] = row["split"]
    return PreparedVolumes(index["spacing_mm"], split, volumes)
