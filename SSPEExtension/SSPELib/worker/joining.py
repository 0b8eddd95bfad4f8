"""Jobs on volumes that were registered: merge two, stitch several, write DICOM objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .. import tasks
from ..alignment import Alignment
from ..errors import InputError
from ..options import MergeOptions, RegisterOptions
from ..verdict import Verdict
from ..volume import Volume
from .channel import Channel
from .files import read_job_volume, write_job_volume

SOURCES_FILE = "sources.npy"
DICOM_FOLDER = "dicom"

Job = dict[str, Any]


def merge(job: Job, folder: Path, channel: Channel) -> dict[str, Any]:
    """Merge two volumes by the alignment of the job."""
    from ..poses import to_transform

    fixed, moving = (read_job_volume(job[role], folder) for role in ("fixed", "moving"))
    known = job["alignment"]
    verdict = _verdict(known)
    alignment = Alignment(
        to_transform(np.array(known["matrix"])),
        known["name"],
        verdict.reliable,
        tuple(known["reasons"]),
        expected_error_mm=verdict.expected_error_mm,
        error_bound_mm=verdict.error_bound_mm,
    )
    done = tasks.merge(fixed, moving, alignment, MergeOptions.from_dict(job["options"]), channel.progress)
    channel.warn(done.warnings)
    told = None if done.verdict is None else done.verdict.as_dict()
    return {**_written(done.volume, done.sources, folder), "verdict": told}


def stitch(job: Job, folder: Path, channel: Channel) -> dict[str, Any]:
    """Stitch the parts of the job; parts that fit nowhere are left out and named."""
    parts = [read_job_volume(description, folder) for description in job["parts"]]
    done = tasks.stitch(
        parts,
        RegisterOptions.from_dict(job["register_options"]),
        MergeOptions.from_dict(job["merge_options"]),
        channel.progress,
        keep_going=True,
    )
    channel.warn(done.warnings)
    network = done.network
    return {
        **_written(done.joined.volume, done.joined.sources, folder),
        "root": network.root,
        "poses": {index: pose.tolist() for index, pose in network.poses.items()},
        "order": network.downward(parts),
        "left_out": list(network.left_out),
        "reliable": network.verdict.reliable,
        "verdict": network.verdict.as_dict(),
    }


def export(job: Job, folder: Path, channel: Channel) -> dict[str, Any]:
    """Write DICOM into a folder of the job's folder: the registration, a merged volume, segmentations carried along."""
    from ..dicom_objects.export import export_merged, export_registration
    from ..dicom_objects.segmentation import segmentation
    from ..dicom_objects.source import source_of_files

    target = folder / DICOM_FOLDER
    target.mkdir()
    try:
        sources = [
            source_of_files([Path(file) for file in scan["files"]], scan["frame_of_reference"], scan["tags"])
            for scan in (job["fixed"], job["moving"])
        ]
        channel.progress(0.1, "Writing the registration object")
        channel.warn(export_registration(target, np.array(job["matrix"]), *sources))
        if job["merged"] is not None:
            channel.progress(0.2, "Writing the merged volume")
            volume = read_job_volume(job["merged"], folder)
            verdict = _verdict(job)
            # A merged volume of an unreliable registration is there only because somebody accepted it.
            verdict = verdict.accepted() if verdict.reliable is False else verdict
            slices = export_merged(target, volume, sources, verdict, job["seam_mm"])
            for number, carried in enumerate(job["segmentations"], start=1):
                channel.progress(0.6, f"Writing {carried['name']}")
                labels = np.load(folder / carried["labels"])
                if not labels.any():
                    channel.warn([f"{carried['name']} has no voxel in the merged volume and was not written."])
                    continue
                names = {int(value): name for value, name in carried["names"].items()}
                written = segmentation(labels, slices, names, description=carried["name"])
                written.save_as(target / f"SEG_{number}.dcm")
    except ModuleNotFoundError as error:
        raise InputError(
            f"DICOM needs the package {error.name}, which this Python lacks; run PythonSlicer -m pip install highdicom "
            "and restart Slicer."
        ) from error
    return {"folder": DICOM_FOLDER, "count": len(list(target.iterdir()))}


def _verdict(told: Job) -> Verdict:
    return Verdict(told["reliable"], told.get("expected_error_mm"), told.get("error_bound_mm"))


def _written(volume: Volume, sources: np.ndarray[Any, np.dtype[np.uint8]], folder: Path) -> dict[str, Any]:
    np.save(folder / SOURCES_FILE, sources)
    return {"volume": write_job_volume(volume, folder, "joined"), "sources": SOURCES_FILE}
