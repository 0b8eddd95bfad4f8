"""What comes back from a machine that keeps nothing: runs as parts of one archive, small enough to be sent."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import torch

from SSPELib.errors import InputError

from . import checkpoint
from .run import CONFIG_FILE

PART_BYTES = 15 * 2**20
MOST_PARTS = 4
ARCHIVE = "runs.tar"
SENT = "sent"
"""Marks the folder of a finished run that an earlier archive holds."""


def pack(runs: Path, destination: Path) -> list[Path]:
    """Write the runs below a folder as runs.tar.1, runs.tar.2 ...: settings, logs, pictures and light checkpoints.

    Of a finished run only the averaged generator goes, and once.

    Raises:
        InputError: they are larger than 60 MiB.
    """
    sent = []
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for folder in sorted(path.parent for path in runs.rglob(CONFIG_FILE)):
            state = checkpoint.read(folder)
            if state is None or (folder / SENT).exists():
                continue
            files = [folder / CONFIG_FILE, *sorted(folder.glob("*.csv")), *sorted(folder.glob("samples/*.png"))]
            for file in files:
                tar.add(file, file.relative_to(runs).as_posix())
            _add(tar, (folder / checkpoint.LIGHT).relative_to(runs).as_posix(), checkpoint.lightened(state))
            if state["finished"]:
                sent.append(folder / SENT)
    data = archive.getvalue()
    count = -(-len(data) // PART_BYTES)
    if count > MOST_PARTS:
        raise InputError(
            f"The runs in {runs} make {count} parts of 15 MiB, but {MOST_PARTS} can be sent; end a piece earlier."
        )
    destination.mkdir(parents=True, exist_ok=True)
    parts = [destination / f"{ARCHIVE}.{number + 1}" for number in range(count)]
    for number, part in enumerate(parts):
        part.write_bytes(data[number * PART_BYTES : (number + 1) * PART_BYTES])
    for mark in sent:
        mark.touch()
    return parts


def unpack(parts: Path, runs: Path) -> list[str]:
    """Join the parts in a folder and write the runs that they hold below another one; returns the names of their files.

    Raises:
        InputError: there are no parts, or one is missing or damaged.
    """
    found = sorted(parts.glob(f"{ARCHIVE}.*"), key=lambda path: int(path.suffix[1:]))
    if [path.suffix for path in found] != [f".{number + 1}" for number in range(len(found))] or not found:
        raise InputError(f"{parts} does not hold all of {ARCHIVE}.1, {ARCHIVE}.2 and so on; fetch them again.")
    try:
        with tarfile.open(fileobj=io.BytesIO(b"".join(path.read_bytes() for path in found))) as tar:
            names = tar.getnames()
            tar.extractall(runs, filter="data")
    except tarfile.TarError as error:
        raise InputError(f"The parts of {ARCHIVE} in {parts} are damaged: {error}. Fetch them again.") from error
    return names


def _add(tar: tarfile.TarFile, name: str, state: dict[str, object]) -> None:
    data = io.BytesIO()
    torch.save(state, data)
    entry = tarfile.TarInfo(name)
    entry.size = data.tell()
    data.seek(0)
    tar.addfile(entry, data)
