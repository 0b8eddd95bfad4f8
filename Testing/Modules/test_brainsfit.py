"""The BRAINSFit back end against a stand-in of the module that knows its parameters and its habits."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import slicer

OFFSET_MM = 4.0
LARGEST_ERROR_MM = 1.0


@pytest.fixture
def request_files(sspe: Any, tmp_path: Path) -> dict[str, Any]:
    """What the worker of SSPE hands over: the fixed and the moving part, moved by a known offset, and a rough start."""
    from SSPESlicer.selftest_support import halves

    fixed, moving = halves(80.0)
    names = {role: f"{role}.nrrd" for role in ("fixed", "moving", "fixed_mask", "moving_mask")}
    for role, volume in (("fixed", fixed), ("moving", moving)):
        sitk.WriteImage(sitk.Cast(volume.to_image(), sitk.sitkFloat32), str(tmp_path / names[role]))
        mask = volume.like((volume.array > -500).astype(np.uint8)).to_image()
        sitk.WriteImage(mask, str(tmp_path / names[f"{role}_mask"]))
    start = sitk.AffineTransform(3)
    start.SetTranslation((OFFSET_MM, 0.0, -OFFSET_MM / 2))
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
    return sorted(node.GetName() for kind in kinds for node in slicer.util.getNodesByClass(kind))


@pytest.mark.parametrize("transform_type", ["rigid", "affine"])
def test_it_improves_the_start_and_leaves_nothing_behind(
    sspe: Any, request_files: dict[str, Any], tmp_path: Path, transform_type: str
) -> None:
    before = nodes()
    with sspe.brainsFit():
        answer = run({**request_files, "transform_type": transform_type}, tmp_path)
    found = sitk.ReadTransform(str(tmp_path / answer["transform"]))
    points = [(x, y, z) for x in (-80.0, 80.0) for y in (-60.0, 60.0) for z in (-30.0, 30.0)]
    errors = [np.linalg.norm(np.subtract(found.TransformPoint(point), point)) for point in points]
    assert np.mean(errors) < LARGEST_ERROR_MM < OFFSET_MM
    assert nodes() == before


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


def test_the_whole_registration_hands_its_last_refinement_to_it(sspe: Any) -> None:
    from SSPERegisterLib.logic import SSPERegisterLogic
    from SSPERegisterLib.selftest import knownMotion, meanErrorMm, moved
    from SSPESlicer.selftest_support import addNode, halves

    fixed, moving = halves(80.0)
    fixed_node, moving_node = addNode(fixed, "chest"), addNode(moved(moving, knownMotion()), "abdomen")
    endings: list[tuple[Any, Exception | None]] = []
    with sspe.brainsFit():
        logic = SSPERegisterLogic()
        logic.register(
            fixed_node,
            moving_node,
            expandFirst=False,
            device="cpu",
            waitForCompletion=False,
            onEnd=lambda nodes, error: endings.append((nodes, error)),
        )
        sspe.waitUntil(lambda: bool(endings), 240.0, "the end of the registration")
    registered, error = endings[0]
    assert error is None, error
    assert registered.result["backend"] == "BRAINSFit"
    assert meanErrorMm(moving_node, moving) < 5.0
