"""Volumes in the folder of a job: exact geometry in JSON, voxels and provenance in .npy files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..volume import Volume


def write_job_volume(volume: Volume, folder: Path, name: str) -> dict[str, Any]:
    """Write the voxels of a volume into the folder of a job, and return its description for the job."""
    np.save(folder / f"{name}.npy", volume.array)
    description = describe_volume(volume, f"{name}.npy")
    if volume.provenance is not None:
        description["provenance_file"] = f"{name}-provenance.npy"
        np.save(folder / description["provenance_file"], volume.provenance)
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


def describe_volume(volume: Volume, file: str) -> dict[str, Any]:
    """Describe the geometry of a volume whose voxels are saved under `file`."""
    return {
        "file": file,
        "spacing": list(volume.spacing),
        "origin": list(volume.origin),
        "direction": volume.direction.tolist(),
        "name": volume.name,
        "frame_of_reference": volume.frame_of_reference,
    }
