"""The BRAINSFit stand-in: it registers, it refuses what BRAINSFit does not take, and it can fail and be cancelled."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy
import pytest
import SimpleITK as sitk

TRUTH = sitk.VersorRigid3DTransform()
TRUTH.SetCenter((40.0, 40.0, 45.0))
TRUTH.SetRotation((0.0, 0.0, 1.0), 0.08)
TRUTH.SetTranslation((4.0, -3.0, 5.0))


@pytest.fixture
def case(slicer_session: Any) -> Iterator[SimpleNamespace]:
    """Two volumes of blobs, the moving one displaced by TRUTH, and the parameters of a rigid registration."""
    import sitkUtils
    import slicer

    k, j, i = numpy.mgrid[0:30, 0:40, 0:40].astype(float)
    random = numpy.random.default_rng(0)
    blobs = zip(random.uniform(8, 28, (8, 3)), random.uniform(200, 900, 8), strict=True)
    array = sum(
        weight * numpy.exp(-(((i - x) / 6) ** 2) - ((j - y) / 5) ** 2 - ((k - z) / 5) ** 2)
        for (x, y, z), weight in blobs
    )
    image = sitk.GetImageFromArray(numpy.asarray(array, dtype=numpy.float32))
    image.SetSpacing((2.0, 2.0, 3.0))
    fixed = sitkUtils.PushVolumeToSlicer(image, name="Fixed")
    moving = sitkUtils.PushVolumeToSlicer(sitk.Resample(image, image, TRUTH.GetInverse()), name="Moving")
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Found")
    parameters = {
        "fixedVolume": fixed.GetID(),
        "movingVolume": moving,
        "linearTransform": transform,
        "useRigid": True,
        "samplingPercentage": 0.3,
        "costMetric": "MSE",
        "maximumStepLength": 0.2,
    }
    with slicer_session.brainsFit() as brainsFit:
        yield SimpleNamespace(
            session=slicer_session,
            slicer=slicer,
            module=brainsFit,
            parameters=parameters,
            transform=transform,
            moving=moving,
        )


def _foundPoint(transform: Any, point: tuple[float, float, float]) -> numpy.ndarray:
    """Where the transform node sends a point of the fixed volume (LPS)."""
    import slicer

    flip = numpy.diag([-1.0, -1.0, 1.0, 1.0])
    fixedToMoving = flip @ numpy.linalg.inv(slicer.util.arrayFromTransformMatrix(transform)) @ flip
    return (fixedToMoving @ [*point, 1.0])[:3]


def test_it_finds_the_transform(case: SimpleNamespace) -> None:
    node = case.slicer.cli.runSync(case.slicer.modules.brainsfit, None, case.parameters)
    assert node.GetStatusString() == "Completed"
    point = (50.0, 30.0, 40.0)
    assert _foundPoint(case.transform, point) == pytest.approx(TRUTH.TransformPoint(point), abs=0.2)
    assert case.moving.GetParentTransformNode() is case.transform


def test_an_initial_transform_and_an_output_volume(case: SimpleNamespace) -> None:
    slicer = case.slicer
    output = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Resampled")
    start = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Start")
    matrix = numpy.eye(4)
    matrix[:3, 3] = (4.0, -3.0, -5.0)  # the inverse of TRUTH's shift, in RAS
    slicer.util.updateTransformMatrixFromArray(start, matrix)
    changes = {"initialTransform": start, "outputVolume": output, "useAffine": True, "backgroundFillValue": -1000.0}
    node = slicer.cli.runSync(slicer.modules.brainsfit, None, {**case.parameters, **changes})
    assert node.GetStatusString() == "Completed", node.GetErrorText()
    fixed = slicer.util.arrayFromVolume(slicer.util.getNode("Fixed"))
    result = slicer.util.arrayFromVolume(output)
    inside = result > -1000
    assert result.shape == fixed.shape
    assert numpy.abs(result - fixed)[inside].mean() < 5.0


@pytest.mark.parametrize(
    "change",
    [
        {"samplingPercent": 0.02},
        {"samplingPercentage": "0.02"},
        {"useRigid": 1},
        {"numberOfIterations": 100.0},
        {"costMetric": "MI"},
        {"linearTransform": "vtkMRMLScalarVolumeNode1"},
        {"movingVolume": "vtkMRMLScalarVolumeNode77"},
        {"useSyN": True},
    ],
)
def test_what_brainsfit_does_not_take_raises(case: SimpleNamespace, change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        case.slicer.cli.runSync(case.slicer.modules.brainsfit, None, {**case.parameters, **change})


def test_it_can_fail(case: SimpleNamespace) -> None:
    case.module.setNextRun("fail")
    node = case.slicer.cli.runSync(case.slicer.modules.brainsfit, None, case.parameters)
    assert node.GetStatusString() == "Completed with errors"
    assert "failed" in node.GetErrorText()
    assert case.moving.GetParentTransformNode() is None


def test_it_can_end_well_without_any_output(case: SimpleNamespace) -> None:
    case.module.setNextRun("no output")
    node = case.slicer.cli.runSync(case.slicer.modules.brainsfit, None, case.parameters)
    assert node.GetStatusString() == "Completed"
    assert _foundPoint(case.transform, (1.0, 2.0, 3.0)) == pytest.approx((1.0, 2.0, 3.0))


def test_cancel_ends_the_process(case: SimpleNamespace) -> None:
    case.module.setNextRun("hang")
    node = case.slicer.cli.run(case.slicer.modules.brainsfit, None, case.parameters)
    statuses: list[str] = []
    node.AddObserver("ModifiedEvent", lambda caller, event: statuses.append(caller.GetStatusString()))
    case.session.waitUntil(lambda: node.GetStatusString() == "Running")
    start = time.monotonic()
    node.Cancel()
    case.session.waitUntil(lambda: not node.IsBusy(), 5.0)
    assert time.monotonic() - start < 2.0
    assert node.GetStatusString() == "Cancelled"
    assert statuses[-1] == "Cancelled"


def test_without_it_the_module_is_not_there(slicer_session: Any) -> None:
    import slicer

    assert not hasattr(slicer.modules, "brainsfit")
