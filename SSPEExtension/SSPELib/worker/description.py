"""How a job describes a volume: exact geometry in JSON, voxels in a .npy file of the job's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..volume import Volume


def read_job_volume(description: dict[str, Any], folder: Path) -> Volume:
    """Read a volume that a job describes."""
    return Volume(
        array=np.load(folder / description["file"]),
        spacing=tuple(description["spacing"]),
        origin=tuple(description["origin"]),
        direction=np.array(description["direction"], dtype=np.float64),
        name=description["name"],
        frame_of_reference=description.get("frame_of_reference"),
    )


def describe_volume(volume: Volume, file: str) -> dict[str, Any]:
    """Describe a volume for a job; its voxels are to be saved under `file`."""
    return {
        "file": file,
        "spacing": list(volume.spacing),
        "origin": list(volume.origin),
        "direction": volume.direction.tolist(),
        "name": volume.name,
        "frame_of_reference": volume.frame_of_reference,
    }
