"""What the modules' self-tests need: a body made by code, and processes that answer like the worker at no cost."""

from __future__ import annotations

import json
import unittest
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer
from numpy.typing import NDArray
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleTest

from SSPELib.options import ExpandOptions
from SSPELib.volume import Provenance, Volume, body_axis, slices, synthetic_mm, with_slices
from SSPELib.worker import read_job_volume, write_job_volume

from .background import JOB_FILE, Event
from .geometry import RAS_TO_LPS

AIR, FAT, MUSCLE, LUNG, BONE = -1000, -100, 50, -800, 700
SEED = 20240501


class SelfTest(ScriptedLoadableModuleTest):
    """A self-test class: every test_* method begins with an empty scene, also where Slicer's panel runs them all."""

    def setUp(self) -> None:
        slicer.mrmlScene.Clear(0)

    def runTest(self) -> None:
        for name in sorted(name for name in dir(self) if name.startswith("test_")):
            self.setUp()
            try:
                getattr(self, name)()
            except unittest.SkipTest as reason:  # Slicer would take it for a failure and leave out the rest
                self.delayDisplay(f"{name} was skipped: {reason}", msec=100)
                continue
            self.delayDisplay(f"{name} passed", msec=100)


def waitFor(endings: list[Any], seconds: float = 10.0) -> Any:
    """Let the application work until something has ended, and return how."""
    import time

    end = time.monotonic() + seconds
    while not endings and time.monotonic() < end:
        slicer.app.processEvents()
    return endings[0]


def body(lengthMm: float = 240.0, spacing: tuple[float, float, float] = (5.0, 5.0, 5.0)) -> Volume:
    """A body in HU with fat, muscle, lungs, spine, ribs and seeded organs, so that no two heights look alike."""
    size = [round(extent / step) for extent, step in zip((360.0, 280.0, lengthMm), spacing, strict=True)]
    x, y, z = (
        (np.arange(count) - (count - 1) / 2) * step for count, step in zip(size, spacing, strict=True)
    )  # fmt: skip
    z, y, x = np.meshgrid(z, y, x, indexing="ij")
    outline = np.hypot(x / (145 + 12 * np.sin(z / 40)), y / 100)
    array = np.where(outline < 1, FAT, AIR)
    array[outline < 0.88] = MUSCLE
    for side in (-1, 1):
        array[((x - 62 * side) / 45) ** 2 + ((y + 10) / 60) ** 2 + ((z - 20) / 75) ** 2 < 1] = LUNG
    array[(np.abs(outline - 0.85) < 0.04) & (np.cos((z + 0.5 * y) / 5) > 0.4)] = BONE
    array[np.hypot(x, y - 58) < 17] = BONE
    generator = np.random.default_rng(SEED)
    for _organ in range(40):
        center = generator.uniform((-80, -50, -lengthMm / 2), (80, 40, lengthMm / 2))
        radius = generator.uniform(8, 22)
        value = generator.integers(-60, 250)
        array[(x - center[0]) ** 2 + (y - center[1]) ** 2 + (z - center[2]) ** 2 < radius**2] = value
    noise = generator.normal(0, 12, array.shape)
    origin = [-(count - 1) / 2 * step for count, step in zip(size, spacing, strict=True)]
    return Volume((array + noise).astype(np.int16), spacing, (origin[0], origin[1], origin[2]), np.eye(3), "body")


def halves(
    overlapMm: float, lengthMm: float = 240.0, spacing: tuple[float, float, float] = (5.0, 5.0, 5.0)
) -> tuple[Volume, Volume]:
    """An upper and a lower part of one body that share `overlapMm` along the body."""
    whole = body(lengthMm, spacing)
    count, step = whole.size[2], whole.spacing[2]
    shared = round(overlapMm / step)
    cut = (count + shared) // 2
    return slices(whole, count - cut, count), slices(whole, 0, cut)


def addNode(volume: Volume, name: str, parentToWorld: NDArray[np.float64] | None = None) -> Any:
    """Add a volume to the scene; with a matrix (RAS), under a transform, its own geometry undoing that transform."""
    ijkToRas = RAS_TO_LPS @ volume.index_to_lps
    if parentToWorld is not None:
        ijkToRas = np.linalg.inv(parentToWorld) @ ijkToRas
    node = slicer.util.addVolumeFromArray(volume.array.copy(), ijkToRas, name)
    if parentToWorld is not None:
        transformNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", f"{name} table")
        transformNode.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(parentToWorld))
        node.SetAndObserveTransformNodeID(transformNode.GetID())
    return node


def torchIsInstalled() -> bool:
    """Tell whether tests that run the real worker can."""
    import importlib.util

    return importlib.util.find_spec("torch") is not None


class AnsweringProcess:
    """Stands in for the worker: expands by repeating the edge slice, registers by handing out a given transform.

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
        elif self._transform is not None:
            self.volumes = {role: read_job_volume(self.job[role], folder) for role in ("fixed", "moving")}
            sitk.WriteTransform(self._transform, str(folder / "transform.tfm"))
            self._events.append({"event": "result", "transform": "transform.tfm", **self._verdict})

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
    "reasons": ["60 mm of real slices overlap."],
    "seconds": 1.0,
}
