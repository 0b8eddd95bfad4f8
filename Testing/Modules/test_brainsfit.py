"""The BRAINSFit back end against a stand-in of the module that knows its parameters and its habits."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from PySide6 import QtCore

OFFSET_MM = 4.0
AWAY_MM = 500.0
LARGEST_ERROR_MM = 1.0


@pytest.fixture
def request_files(sspe: Any, tmp_path: Path) -> dict[str, Any]:
    """What the worker of SSPE hands over: two parts that lie far from each other, and the rough start of the search."""
    from SSPESlicer.selftest import halves

    fixed, moving = halves(80.0)
    names = {role: f"{role}.nrrd" for role in ("fixed", "moving", "fixed_mask", "moving_mask")}
    for role, volume in (("fixed", fixed), ("moving", moving)):
        for name, array in ((role, volume.array.astype(np.float32)), (f"{role}_mask", volume.array > -500)):
            image = volume.like(array if name == role else array.astype(np.uint8)).to_image()
            if role == "moving":
                image.SetOrigin(np.add(image.GetOrigin(), (AWAY_MM, 0.0, 0.0)).tolist())
            sitk.WriteImage(image, str(tmp_path / names[name]))
    start = sitk.AffineTransform(3)
    start.SetTranslation((AWAY_MM + OFFSET_MM, 0.0, -OFFSET_MM / 2))
    sitk.WriteTransform(start, str(tmp_path / "initial.tfm"))
    return {**names, "initial": "initial.tfm", "transform_type": "rigid"}


def run(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    from SSPERegisterLib.brainsfit import BrainsFitRun

    answers: list[dict[str, Any]] = []
    BrainsFitRun(request, folder, waitForCompletion=True).start(answers.append)
    assert len(answers) == 1
    return answers[0]


def nodes() -> list[str]:
    kinds = ("vtkMRMLScalarVolumeNode", "vtkMRMLLinearTransformNode", "vtkMRMLCommandLineModuleNode")
    names = [node.GetName() for kind in kinds for node in slicer.util.getNodesByClass(kind)]
    # Every slice view, those of layouts shown by earlier tests too, has a transform of its own.
    of_views = {f"{view.GetName()} Transform" for view in slicer.util.getNodesByClass("vtkMRMLSliceNode")}
    return sorted(name for name in names if name not in of_views)


@pytest.mark.parametrize("transform_type", ["rigid", "affine"])
def test_it_goes_on_from_the_start_of_the_search_and_leaves_nothing_behind(
    sspe: Any, request_files: dict[str, Any], tmp_path: Path, transform_type: str
) -> None:
    before = nodes()
    with sspe.brainsFit():
        answer = run({**request_files, "transform_type": transform_type}, tmp_path)
    found = sitk.ReadTransform(str(tmp_path / answer["transform"]))
    points = [(x, y, z) for x in (-80.0, 80.0) for y in (-60.0, 60.0) for z in (-30.0, 30.0)]
    shifts = [np.subtract(found.TransformPoint(point), point) - (AWAY_MM, 0.0, 0.0) for point in points]
    assert np.mean(np.linalg.norm(shifts, axis=1)) < LARGEST_ERROR_MM < OFFSET_MM
    assert nodes() == before
    assert sspe.orphans() == []


def test_it_goes_on_from_a_stretched_start(sspe: Any, request_files: dict[str, Any], tmp_path: Path) -> None:
    start = sitk.AffineTransform(3)
    start.SetMatrix([1.02, 0.0, 0.0, 0.0, 0.98, 0.0, 0.0, 0.0, 1.0])
    start.SetTranslation((AWAY_MM, 0.0, 0.0))
    sitk.WriteTransform(start, str(tmp_path / "initial.tfm"))
    with sspe.brainsFit():
        answer = run({**request_files, "transform_type": "affine"}, tmp_path)
    found = sitk.ReadTransform(str(tmp_path / answer["transform"]))
    points = [(x, y, 0.0) for x in (-80.0, 80.0) for y in (-60.0, 60.0)]
    shifts = [np.subtract(found.TransformPoint(point), point) - (AWAY_MM, 0.0, 0.0) for point in points]
    assert np.mean(np.linalg.norm(shifts, axis=1)) < LARGEST_ERROR_MM


@pytest.mark.parametrize(
    ("behavior", "message"),
    [("no output", "wrote no transform.*choose SimpleITK"), ("fail", "Completed with errors.*choose SimpleITK")],
)
def test_what_it_does_wrong_is_said(
    sspe: Any, request_files: dict[str, Any], tmp_path: Path, behavior: str, message: str
) -> None:
    before = nodes()
    with sspe.brainsFit() as module:
        module.setNextRun(behavior)
        answer = run(request_files, tmp_path)
    assert re.search(message, answer["error"])
    assert nodes() == before


def test_cancel_stops_it(sspe: Any, request_files: dict[str, Any], tmp_path: Path) -> None:
    from SSPERegisterLib.brainsfit import BrainsFitRun

    answers: list[dict[str, Any]] = []
    before = nodes()
    with sspe.brainsFit() as module:
        module.setNextRun("hang")
        started = BrainsFitRun(request_files, tmp_path, waitForCompletion=False)
        started.start(answers.append)
        sspe.processEvents(0.3)
        started.cancel()
        sspe.processEvents(0.3)
    assert answers == []
    assert nodes() == before


def test_in_the_background_it_ends_after_the_event_that_tells_of_its_end(
    sspe: Any, request_files: dict[str, Any], tmp_path: Path
) -> None:
    from SSPERegisterLib.brainsfit import BrainsFitRun

    answers: list[dict[str, Any]] = []
    before = nodes()
    with sspe.brainsFit():
        BrainsFitRun(request_files, tmp_path, waitForCompletion=False).start(answers.append)
        sspe.waitUntil(lambda: bool(answers), 60.0, "the end of BRAINSFit")
    assert [*answers[0]] == ["transform"]
    assert nodes() == before
    sspe.raiseFailures()  # a node that was removed inside its own event is one


def test_cancel_may_come_between_its_end_and_the_answer(
    sspe: Any, request_files: dict[str, Any], tmp_path: Path
) -> None:
    from SSPERegisterLib.brainsfit import BrainsFitRun

    answers: list[dict[str, Any]] = []
    before = nodes()
    with sspe.brainsFit():
        started = BrainsFitRun(request_files, tmp_path, waitForCompletion=False)
        started.start(answers.append)
        (command_line_node,) = slicer.util.getNodesByClass("vtkMRMLCommandLineModuleNode")

        def cancel_at_the_end(*_: Any) -> None:
            if not command_line_node.IsBusy():
                QtCore.QTimer.singleShot(0, started.cancel)

        command_line_node.AddObserver("ModifiedEvent", cancel_at_the_end, 1.0)  # before the run sees it
        sspe.waitUntil(lambda: nodes() == before, 60.0, "the end of BRAINSFit")
        sspe.processEvents(0.2)
    assert answers == []


class AskingProcess:
    """Stands in for the worker at its last step: asks for a refinement, and registers by what it is told."""

    def __init__(self, files: Path, request: dict[str, Any]) -> None:
        self._files, self._request = files, request
        self._folder = Path()
        self._events: list[dict[str, Any]] = []
        self.killed = self._isAnswered = False

    def start(self, folder: Path) -> None:
        self._folder = folder
        for path in self._files.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        self._events.append({"event": "request", **self._request})

    def isRunning(self) -> bool:
        return not self._isAnswered and not self.killed

    def events(self) -> list[dict[str, Any]]:
        events, self._events = self._events, []
        return events

    def answer(self, message: dict[str, Any]) -> None:
        from SSPESlicer.selftest import VERDICT

        self._isAnswered = True
        transform, backend = message.get("transform", "initial.tfm"), "BRAINSFit"
        if "error" in message:
            self._events.append({"event": "warning", "message": message["error"]})
            backend = "evidence"
        self._events.append({**VERDICT, "event": "result", "transform": transform, "backend": backend})

    def errorText(self) -> str:
        return ""

    def kill(self) -> None:
        self.killed = True


@pytest.fixture
def asking(sspe: Any, request_files: dict[str, Any], tmp_path: Path) -> tuple[Any, AskingProcess, list[Any]]:
    """A registration logic whose worker asks for BRAINSFit, the worker, and two volumes."""
    from SSPERegisterLib.logic import SSPERegisterLogic
    from SSPESlicer.selftest import addNode, halves

    process = AskingProcess(tmp_path, request_files)
    parts = [addNode(part, name) for part, name in zip(halves(80.0), ("chest", "abdomen"), strict=True)]
    return SSPERegisterLogic(lambda: process), process, parts


@pytest.mark.parametrize("behavior", ["compute", "fail", "no output"])
def test_a_registration_survives_its_failures_and_says_them(
    sspe: Any, asking: tuple[Any, AskingProcess, list[Any]], behavior: str
) -> None:
    logic, _process, parts = asking
    with sspe.brainsFit() as module:
        module.setNextRun(behavior)
        registered = logic.register(*parts)
    assert registered.result["backend"] == ("BRAINSFit" if behavior == "compute" else "evidence")
    assert [("choose SimpleITK" in text) for text in registered.warnings] == [True] * (behavior != "compute")
    assert sspe.orphans() == []
    assert nodes() == ["abdomen", "abdomen to chest", "chest"]


@pytest.mark.parametrize("stop", ["cancel", "scene", "node"])
def test_what_stops_a_registration_stops_it_too(
    sspe: Any, asking: tuple[Any, AskingProcess, list[Any]], stop: str
) -> None:
    logic, process, parts = asking
    endings: list[Exception | None] = []
    with sspe.brainsFit() as module:
        module.setNextRun("hang")
        logic.register(*parts, waitForCompletion=False, onEnd=lambda registered, error: endings.append(error))
        sspe.waitUntil(lambda: "BRAINSFit output" in nodes(), 10.0, "the start of BRAINSFit")
        if stop == "cancel":
            logic.cancel()
        elif stop == "scene":
            slicer.mrmlScene.Clear(0)
        else:
            slicer.mrmlScene.RemoveNode(parts[1])
        sspe.processEvents(0.3)
    assert process.killed
    assert [type(error).__name__ for error in endings] == ["SSPEError" if stop == "node" else "Cancelled"]
    assert nodes() == {"cancel": ["abdomen", "chest"], "scene": [], "node": ["chest"]}[stop]


def test_what_it_cannot_read_is_said_and_leaves_nothing_behind(
    sspe: Any, asking: tuple[Any, AskingProcess, list[Any]], tmp_path: Path
) -> None:
    logic, _process, parts = asking
    (tmp_path / "fixed.nrrd").unlink()
    with sspe.brainsFit():
        registered = logic.register(*parts)
    assert re.search("could not be started.*choose SimpleITK", registered.warnings[0])
    assert nodes() == ["abdomen", "abdomen to chest", "chest"]


def test_the_whole_registration_hands_its_last_refinement_to_it(sspe: Any) -> None:
    from SSPELib.options import RegisterOptions
    from SSPERegisterLib.logic import SSPERegisterLogic
    from SSPERegisterLib.selftest import knownMotion, meanErrorMm, moved
    from SSPESlicer.selftest import addNode, halves

    fixed, moving = halves(80.0)
    fixed_node, moving_node = addNode(fixed, "chest"), addNode(moved(moving, knownMotion()), "abdomen")
    endings: list[tuple[Any, Exception | None]] = []
    with sspe.brainsFit():
        logic = SSPERegisterLogic()
        logic.register(
            fixed_node,
            moving_node,
            RegisterOptions(expand=False, device="cpu"),
            waitForCompletion=False,
            onEnd=lambda nodes, error: endings.append((nodes, error)),
        )
        sspe.waitUntil(lambda: bool(endings), 240.0, "the end of the registration")
    registered, error = endings[0]
    assert error is None, error
    assert registered.result["backend"] == "BRAINSFit"
    assert meanErrorMm(moving_node, moving) < 5.0
