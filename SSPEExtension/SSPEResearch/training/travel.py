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
# A header of 512 bytes and the rounding of a file to as many; and what is written after the last file.
TAR_BYTES = 1024
TAR_BLOCKS_AT_END = 10
ARCHIVE = "runs.tar"
SENT = "sent"
"""Marks the folder of a finished run that an earlier archive holds."""


def pack(runs: Path, destination: Path) -> tuple[list[Path], list[str]]:
    """Write the runs below a folder as runs.tar.1, runs.tar.2 ...: settings, logs, pictures and light checkpoints.

    Of a finished run only the averaged generator goes, and once. Finished runs go first; what does not fit into four
    parts waits for the next time.

    Returns:
        The parts, and the names of the runs that wait.
    """
    states = {folder: checkpoint.read(folder) for folder in sorted(path.parent for path in runs.rglob(CONFIG_FILE))}
    going = [(folder, state) for folder, state in states.items() if state is not None and not (folder / SENT).exists()]
    sent, waiting = [], []
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for folder, state in sorted(going, key=lambda one: not one[1]["finished"]):
            files = [folder / CONFIG_FILE, *sorted(folder.glob("*.csv")), *sorted(folder.glob("samples/*.png"))]
            light = io.BytesIO()
            torch.save(checkpoint.lightened(state), light)
            size = light.tell() + sum(file.stat().st_size for file in files) + TAR_BYTES * (len(files) + 1)
            if archive.tell() + size > MOST_PARTS * PART_BYTES - TAR_BYTES * TAR_BLOCKS_AT_END:
                waiting.append(folder.relative_to(runs).as_posix())
                continue
            for file in files:
                tar.add(file, file.relative_to(runs).as_posix())
            entry = tarfile.TarInfo((folder / checkpoint.LIGHT).relative_to(runs).as_posix())
            entry.size = light.tell()
            light.seek(0)
            tar.addfile(entry, light)
            if state["finished"]:
                sent.append(folder / SENT)
    data = archive.getvalue()
    destination.mkdir(parents=True, exist_ok=True)
    parts = [destination / f"{ARCHIVE}.{number + 1}" for number in range(-(-len(data) // PART_BYTES))]
    for number, part in enumerate(parts):
        part.write_bytes(data[number * PART_BYTES : (number + 1) * PART_BYTES])
    for mark in sent:
        mark.touch()
    return parts, waiting


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
