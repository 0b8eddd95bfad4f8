"""The jobs that the worker can do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from .. import tasks
from ..options import ExpandOptions, RegisterOptions
from ..progress import Progress, part
from ..volume import Provenance, Volume, real_part, synthetic_mm
from . import joining
from .channel import Channel
from .files import JOB_FILE, read_job_volume, write_job_volume

PADDING_WORTH_TELLING = 0.005

Job = dict[str, Any]


def run_job(folder: Path, channel: Channel) -> dict[str, Any]:
    """Do the job of a folder and return its result; results with voxels are .npy files in the folder.

    Raises:
        SSPEError: with words for the user.
    """
    job = json.loads((folder / JOB_FILE).read_text(encoding="utf-8"))
    return JOBS[job["task"]](job, folder, channel)


def _expand(job: Job, folder: Path, channel: Channel) -> dict[str, Any]:
    wanted: list[Job] = job["volumes"]
    results, model = [], None
    for number, one in enumerate(wanted):
        volume = read_job_volume(one["volume"], folder)
        share = part(channel.progress, number / len(wanted), (number + 1) / len(wanted))
        done = tasks.expand(volume, ExpandOptions.from_dict(one["options"]), _named(share, volume.name))
        channel.warn([*done.warnings, *padding_remarks(done.volume)])
        written = write_job_volume(done.volume, folder, f"expanded-{number}")
        results.append({**written, "synthetic_mm": synthetic_mm(done.volume)})
        model = done.model
    return {"volumes": results, "model": model}


def _register(job: Job, folder: Path, channel: Channel) -> dict[str, Any]:
    from .registering import RemoteBackend, result_of

    options = RegisterOptions.from_dict(job["options"])
    start = job.get("start_transform")
    done = tasks.register(
        read_job_volume(job["fixed"], folder),
        read_job_volume(job["moving"], folder),
        options,
        channel.progress,
        start_transform=None if start is None else sitk.ReadTransform(str(folder / start)),
        backend=RemoteBackend("BRAINSFit", folder, channel) if options.backend == "brainsfit" else None,
    )
    channel.warn([*done.warnings, *padding_remarks(done.fixed, done.moving)])
    return result_of(done.registration, folder)


def padding_remarks(*volumes: Volume) -> list[str]:
    """Say of which volumes, expanded or not, how much was taken for padding."""
    remarks = []
    for volume in volumes:
        share = float(np.mean(real_part(volume).where(Provenance.NO_DATA)))
        if share >= PADDING_WORTH_TELLING:
            remarks.append(f"{100 * share:.0f} % of {volume.name} is padding around what was scanned: no data.")
    return remarks


def _device(job: Job, folder: Path, channel: Channel) -> dict[str, Any]:
    import torch

    from ..model.device import choose_device

    device, warning = choose_device(job.get("device", "auto"))
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type.upper()
    return {"device": device.type, "name": name, "torch": torch.__version__, "warning": warning}


def _sample_data(job: Job, folder: Path, channel: Channel) -> dict[str, Any]:
    from ..sample_data import make_sample_files

    return {"files": [str(path) for path in make_sample_files(channel.progress)]}


JOBS: dict[str, Callable[[Job, Path, Channel], dict[str, Any]]] = {
    "expand": _expand,
    "register": _register,
    "merge": joining.merge,
    "stitch": joining.stitch,
    "export": joining.export,
    "device": _device,
    "sample_data": _sample_data,
}


def _named(progress: Progress, name: str) -> Progress:
    return lambda fraction, message: progress(fraction, f"{name}: {message}")
