"""From the volumes of a configuration to one file on its working grid (needs SimpleITK)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from SSPELib.errors import InputError
from SSPELib.expansion.working_grid import to_working
from SSPELib.io import Outputs, read_volume
from SSPELib.progress import Progress, silent

from .config import DataConfig, DataSource
from .volumes import VERSION, PreparedVolume, PreparedVolumes, load_volumes, matches, save_volumes


def data_root() -> Path:
    """The folder with the training volumes, which the environment variable SSPE_DATA names.

    Raises:
        InputError: it names none.
    """
    if not os.environ.get("SSPE_DATA"):
        raise InputError("Where are the training volumes? Set the environment variable SSPE_DATA to their folder.")
    return Path(os.environ["SSPE_DATA"])


def find_volumes(source: DataSource, root: Path) -> list[Path]:
    """List the volumes of a source in a fixed order.

    Raises:
        InputError: there is none.
    """
    paths = [path for path in sorted(root.glob(source.pattern)) if matches(_name(path, root), source)]
    if not paths:
        raise InputError(f"No volume matches {source.pattern} in {root}. Set SSPE_DATA to the folder with the data.")
    return paths


def prepare(data: DataConfig, spacing_mm: float, path: Path, progress: Progress = silent) -> PreparedVolumes:
    """Bring the volumes of all sources to the working grid and write them into one file.

    Args:
        data: sources and validation of a configuration.
        spacing_mm: voxel size of its working grid.
        path: the file to write.
        progress: told of every volume; may raise `Cancelled`.

    Raises:
        InputError: a source has no volume, or one that cannot be used.
    """
    split = _split(data)
    root = data_root()
    volumes = {}
    for number, (name, file) in enumerate(sorted((_name(path, root), path) for path in split)):
        progress(number / len(split), file.name)
        working = to_working(read_volume(file), spacing_mm, "inferior")
        array = np.rint(working.array).astype(np.int16)
        rows, columns = (np.flatnonzero(working.mask.any(axis=(0, 3 - axis))) for axis in (1, 2))
        if rows.size:
            inside = (slice(None), slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
            volumes[name] = PreparedVolume(name, array[inside], working.mask[inside])
    prepared = PreparedVolumes(spacing_mm, {_name(file, root): part for file, part in split.items()}, volumes)
    with Outputs() as outputs:
        save_volumes(outputs.beside(path), prepared)
    return prepared


def prepared_once(data: DataConfig, spacing_mm: float, folder: Path, progress: Progress = silent) -> PreparedVolumes:
    """The prepared volumes of a configuration from a folder, where they are kept once they were made.

    Raises:
        InputError: as `prepare`.
    """
    path = cached(data, spacing_mm, folder)
    if path.is_file():
        return load_volumes(path)
    folder.mkdir(parents=True, exist_ok=True)
    return prepare(data, spacing_mm, path, progress)


def cached(data: DataConfig, spacing_mm: float, folder: Path) -> Path:
    """Where prepared volumes are kept: other files, file times or grids make another name."""
    lines = [f"{path.resolve()} {path.stat().st_mtime_ns} {part}" for path, part in sorted(_split(data).items())]
    key = hashlib.sha256("\n".join([*lines, f"{spacing_mm} {VERSION}"]).encode()).hexdigest()
    return folder / f"volumes-{key[:12]}.npz"


def _split(data: DataConfig) -> dict[Path, str]:
    """Train or validation for every file of a configuration."""
    split: dict[Path, str] = {}
    parts: tuple[tuple[str, Sequence[DataSource]], ...] = (("train", data.sources), ("validation", data.validation))
    for part, sources in parts:
        for source in sources:
            for path in find_volumes(source, data_root()):
                split.setdefault(path, part)
    return split


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
