"""Volumes in the folder of a job: exact geometry in JSON, voxels and provenance in .npy files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..volume import Volume

JOB_FILE = "job.json"


def write_job_volume(volume: Volume, folder: Path, name: str) -> dict[str, Any]:
    """Write the voxels of a volume into the folder of a job, and return its description for the job."""
    description, voxels = job_volume(volume, name)
    for file, array in voxels.items():
        np.save(folder / file, array)
    return description


def read_job_volume(description: dict[str, Any], folder: Path) -> Volume:
    """Read a volume that a job describes."""
    provenance = description.get("provenance_file")
    return Volume(
        array=np.load(folder / description["file"]),
        spacing=tuple(description["spacing"]),
        origin=tuple(description["origin"]),
        direction=np.array(description["direction"], dtype=np.float64),
        name=description["name"],
        frame_of_reference=description.get("frame_of_reference"),
        provenance=None if provenance is None else np.load(folder / provenance),
    )


def job_volume(volume: Volume, name: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the description of a volume for a job, and what to write, by the names of the files in its folder."""
    description: dict[str, Any] = {
        "file": f"{name}.npy",
        "spacing": list(volume.spacing),
        "origin": list(volume.origin),
        "direction": volume.direction.tolist(),
        "name": volume.name,
        "frame_of_reference": volume.frame_of_reference,
    }
    voxels = {description["file"]: volume.array}
    if volume.provenance is not None:
        description["provenance_file"] = f"{name}-provenance.npy"
        voxels[description["provenance_file"]] = volume.provenance
    return description, voxels
