"""The process that does the work for 3D Slicer: a job file in, lines of JSON out.

    python -m SSPELib.worker FOLDER

FOLDER holds job.json and the voxels of its volumes as .npy files (geometry is in the job, exact to the last bit). Each
line on standard output is one event: progress (fraction, message, seconds_left), warning, request (the other side is to
refine a transform and to answer with a line on standard input), result, error. The process ends itself when standard
input closes, so nothing is left running where Slicer goes away.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from .errors import ModelError, SSPEError
from .progress import Progress, part
from .volume import Volume, check_ct

if TYPE_CHECKING:
    from .expansion import Direction, Expander, Expansion

JOB_FILE = "job.json"
FEWEST_SECONDS_BETWEEN_EVENTS = 0.1
SMALLEST_FRACTION_FOR_ESTIMATE = 0.03


class Channel:
    """Both directions of the talk with Slicer."""

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._started = self._last_sent = time.monotonic()
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()

    def send(self, event: str, **fields: Any) -> None:
        """Write one event; ASCII only, so that no code page of any system can spoil it."""
        self._output.write(json.dumps({"event": event, **fields}) + "\n")
        self._output.flush()

    def progress(self, fraction: float, message: str) -> None:
        """Report progress, at most ten times a second, with an estimate of the seconds left."""
        now = time.monotonic()
        if now - self._last_sent < FEWEST_SECONDS_BETWEEN_EVENTS and fraction < 1:
            return
        self._last_sent = now
        left = None
        if fraction > SMALLEST_FRACTION_FOR_ESTIMATE:
            left = round((now - self._started) * (1 - fraction) / fraction, 1)
        self.send("progress", fraction=round(fraction, 4), message=message, seconds_left=left)

    def ask(self, **fields: Any) -> dict[str, Any]:
        """Send a request and wait for its answer."""
        self.send("request", **fields)
        return self._answers.get()

    def listen(self, lines: TextIO) -> None:
        """Collect answers until the other side closes, then end the process whatever it is doing."""
        for line in lines:
            self._answers.put(json.loads(line))
        os._exit(1)


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
    from .worker_registration import register_job

    return register_job(job, originals, expander, folder, channel)


def _device(job: dict[str, Any], folder: Path, channel: Channel) -> dict[str, Any]:
    import torch

    from .device import choose_device

    device, warning = choose_device(job.get("device", "auto"))
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type.upper()
    return {"device": device.type, "name": name, "torch": torch.__version__, "warning": warning}


def _check(volumes: list[Volume], channel: Channel) -> None:
    for volume in volumes:
        for warning in check_ct(volume):
            channel.send("warning", message=warning)


def _expander(job: dict[str, Any], channel: Channel) -> Expander:
    channel.progress(0.0, "Loading the model")
    try:
        from .bundle import load_bundle
        from .expansion import Expander
    except ModuleNotFoundError as error:
        raise ModelError(
            f"The Python package {error.name} is missing. Open the module SSPE and press the button that installs "
            "PyTorch."
        ) from error
    return Expander(load_bundle(job.get("model")), job.get("device", "auto"))


def _named(progress: Progress, name: str) -> Progress:
    return lambda fraction, message: progress(fraction, f"{name}: {message}")


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


def _write_expansion(expansion: Expansion, folder: Path, name: str) -> dict[str, Any]:
    np.save(folder / f"{name}.npy", expansion.volume.array)
    np.save(folder / f"{name}-synthetic.npy", expansion.synthetic)
    return {
        **describe_volume(expansion.volume, f"{name}.npy"),
        "synthetic_file": f"{name}-synthetic.npy",
        "synthetic_mm": expansion.synthetic_mm,
    }


def main() -> int:
    """Run the job of the folder given as argument; every failure becomes one error event."""
    channel = Channel(sys.stdout)
    # Whatever a library prints must not mix with the events.
    sys.stdout = sys.stderr
    threading.Thread(target=channel.listen, args=(sys.stdin,), daemon=True).start()
    try:
        channel.send("result", **run_job(Path(sys.argv[1]), channel))
    except SSPEError as error:
        channel.send("error", message=str(error))
        return 2
    except MemoryError:
        channel.send("error", message="The memory ran out. Close other programs, or crop the volumes, and try again.")
        return 3
    except Exception as error:
        import traceback

        traceback.print_exc()
        channel.send("error", message=f"An error inside SSPE stopped the work: {type(error).__name__}: {error}")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
