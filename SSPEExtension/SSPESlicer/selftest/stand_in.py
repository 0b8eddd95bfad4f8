"""A process that answers like the worker, at no cost."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import SimpleITK as sitk

from SSPELib.errors import SSPEError
from SSPELib.options import ExpandOptions
from SSPELib.volume import Provenance, Volume, body_axis, synthetic_mm, with_slices
from SSPELib.worker import JOB_FILE, read_job_volume, write_job_volume
from SSPELib.worker.channel import Channel
from SSPELib.worker.jobs import run_job

from ..jobs.background import Event

VERDICT: Event = {
    "transform_type": "rigid",
    "start": "header",
    "backend": "SimpleITK",
    "overlap_mm": 60.0,
    "synthetic_mm": {"fixed": {}, "moving": {}},
    "metric": 0.9,
    "metric_name": "correlation of real voxels",
    "error_sentence": "Expected error 1.2 mm; 9 of 10 such results are within 3 mm",
    "expected_error_mm": 1.2,
    "error_bound_mm": 3.0,
    "junction_bound_mm": 2.0,
    "far_end_bound_mm": 4.0,
    "reliable": True,
    "reliable_from_mm": 3.0,
    "reasons": ["60 mm of real slices overlap."],
    "seconds": 1.0,
}


class AnsweringProcess:
    """Stands in for the worker: expands by repeating the edge slice, registers by handing out a given transform.

    Merging, stitching and DICOM are cheap: there it does as the worker does, in this process.

    Args:
        transform: fixed points to moving points, LPS, for registrations.
        error: words of the worker, for a job that fails.
        verdict: what a registration says of itself, where that differs from VERDICT.
        polls: how often it is still running when asked, for tests that watch or cancel it.
    """

    def __init__(
        self,
        transform: sitk.Transform | None = None,
        error: str | None = None,
        verdict: Event | None = None,
        polls: int = 0,
    ) -> None:
        self._transform, self._error, self._polls = transform, error, polls
        self._verdict = {**VERDICT, **(verdict or {})}
        self._events: list[Event] = []
        self.job: Event = {}
        self.volumes: dict[str, Volume] = {}
        self.killed = False

    def start(self, folder: Path) -> None:
        self.job = json.loads((folder / JOB_FILE).read_text(encoding="utf-8"))
        self._events.append({"event": "progress", "fraction": 0.5, "message": "Half done", "seconds_left": 5.0})
        if self._error is not None:
            self._events.append({"event": "error", "message": self._error})
        elif self.job["task"] == "expand":
            grown = [self._expand(description, folder) for description in self.job["volumes"]]
            self._events.append({"event": "result", "volumes": grown, "model": "repeated edge"})
        elif self.job["task"] in ("merge", "stitch", "export"):  # these are quick by themselves
            self._work(folder)
        elif self._transform is not None:
            self.volumes = {role: read_job_volume(self.job[role], folder) for role in ("fixed", "moving")}
            sitk.WriteTransform(self._transform, str(folder / "transform.tfm"))
            self._events.append({"event": "result", "transform": "transform.tfm", **self._verdict})

    def _work(self, folder: Path) -> None:
        """Do as the worker does, in this process."""
        said = io.StringIO()
        channel = Channel(said)
        try:
            channel.send("result", **run_job(folder, channel))
        except SSPEError as error:
            channel.send("error", message=str(error))
        self._events += [json.loads(line) for line in said.getvalue().splitlines()]

    def _expand(self, description: Event, folder: Path) -> Event:
        volume = read_job_volume(description["volume"], folder)
        options = ExpandOptions.from_dict(description["options"])
        axis = body_axis(volume)
        count = int(np.ceil(options.distance_mm / volume.spacing[axis.index] - 1e-6))
        atStart = (options.direction == "inferior") == (axis.superior > 0)
        edge = np.take(volume.array, [0 if atStart else -1], axis=axis.numpy_axis)
        new = np.repeat(edge, count, axis=axis.numpy_axis)
        grown = with_slices(volume, new if atStart else None, None if atStart else new, Provenance.SYNTHETIC)
        name = f"grown-{len(list(folder.glob('grown-*.npy')))}"
        return {**write_job_volume(grown, folder, name), "synthetic_mm": synthetic_mm(grown)}

    def isRunning(self) -> bool:
        self._polls -= 1
        return self._polls >= 0 and not self.killed

    def events(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def answer(self, message: Event) -> None:
        raise AssertionError(f"The stand-in of the worker asked nothing, but was told {message}")

    def errorText(self) -> str:
        return ""

    def kill(self) -> None:
        self.killed = True


def registeredBy(transform: sitk.Transform, reliable: bool = True) -> Any:
    """What SSPELib.tasks.register returns, as far as stitching asks: for tests that put it in the place of the work."""
    found = SimpleNamespace(
        transform=transform,
        reliable=reliable,
        expected_error_mm=1.2,
        error_bound_mm=3.0,
        overlap_mm=60.0,
        reasons=("60 mm of real slices overlap.",),
    )
    return SimpleNamespace(registration=found, warnings=())
