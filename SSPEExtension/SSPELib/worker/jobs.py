"""The jobs that the worker can do: expand, register, and tell which device there is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..progress import Progress, part
from ..volume import Volume, check_ct
from .channel import Channel
from .description import describe_volume, read_job_volume

if TYPE_CHECKING:
    from ..expansion.expander import Direction, Expander, Expansion

JOB_FILE = "job.json"


def run_job(folder: Path, channel: Channel) -> dict[str, Any]:
    """Do the job of a folder and return its result; results with voxels are .npy files in the folder.

    Raises:
        SSPEError: with words for the user.
    """
    job = json.loads((folder / JOB_FILE).read_text(encoding="utf-8"))
    tasks = {"expand": _expand, "register": _register, "device": _device}
    return tasks[job["task"]](job, folder, channel)


def _expand(job: dict[str, Any], folder: Path, channel: Channel) -> dict[str, Any]:
    wanted: list[dict[str, Any]] = job["volumes"]
    volumes = [read_job_volume(description, folder) for description in wanted]
    _check(volumes, channel)
    expander = _expander(job, channel)
    results = []
    for number, (description, volume) in enumerate(zip(wanted, volumes, strict=True)):
        share = part(channel.progress, number / len(wanted), (number + 1) / len(wanted))
        direction: Direction = description["grow"]
        expansion = expander.expand(volume, direction, job["distance_mm"], _named(share, volume.name))
        results.append(_write_expansion(expansion, folder, f"expanded-{number}"))
        for warning in expansion.warnings:
            channel.send("warning", message=warning)
    return {"expansions": results, "model": expander.bundle.card.name}


def _register(job: dict[str, Any], folder: Path, channel: Channel) -> dict[str, Any]:
    originals = [read_job_volume(job[role].get("original", job[role]), folder) for role in ("fixed", "moving")]
    _check(originals, channel)
    expander = _expander(job, channel) if job["expand"] else None
    from .registering import register_job

    return register_job(job, originals, expander, folder, channel)


def _device(job: dict[str, Any], folder: Path, channel: Channel) -> dict[str, Any]:
    import torch

    from ..model.device import choose_device

    device, warning = choose_device(job.get("device", "auto"))
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type.upper()
    return {"device": device.type, "name": name, "torch": torch.__version__, "warning": warning}


def _check(volumes: list[Volume], channel: Channel) -> None:
    for volume in volumes:
        for warning in check_ct(volume):
            channel.send("warning", message=warning)


def _expander(job: dict[str, Any], channel: Channel) -> Expander:
    channel.progress(0.0, "Loading the model")
    from ..expansion.expander import Expander
    from ..model.bundle import load_bundle

    return Expander(load_bundle(job.get("model")), job.get("device", "auto"))


def _named(progress: Progress, name: str) -> Progress:
    return lambda fraction, message: progress(fraction, f"{name}: {message}")


def _write_expansion(expansion: Expansion, folder: Path, name: str) -> dict[str, Any]:
    np.save(folder / f"{name}.npy", expansion.volume.array)
    np.save(folder / f"{name}-synthetic.npy", expansion.synthetic)
    return {
        **describe_volume(expansion.volume, f"{name}.npy"),
        "synthetic_file": f"{name}-synthetic.npy",
        "synthetic_mm": expansion.synthetic_mm,
    }
