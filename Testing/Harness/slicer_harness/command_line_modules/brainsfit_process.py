"""The process behind the BRAINSFit stand-in: reads a job file, registers with SimpleITK, writes beside it.

One level, no smoothing, regular-step gradient descent, as BRAINSFit does it. Run as a script: it needs SimpleITK only.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import SimpleITK as sitk

_PIXEL_IDS = {
    "float": sitk.sitkFloat32,
    "short": sitk.sitkInt16,
    "ushort": sitk.sitkUInt16,
    "int": sitk.sitkInt32,
    "uint": sitk.sitkUInt32,
    "uchar": sitk.sitkUInt8,
}
_INTERPOLATORS = {
    "Linear": sitk.sitkLinear,
    "NearestNeighbor": sitk.sitkNearestNeighbor,
    "BSpline": sitk.sitkBSpline,
}


def main(jobFile: str) -> int:
    job = json.loads(Path(jobFile).read_text(encoding="utf-8"))
    if job["behavior"] == "hang":
        time.sleep(600)
    if job["behavior"] == "fail":
        print("BRAINSFit: the registration failed", file=sys.stderr)
        return 1
    if job["behavior"] == "no output":
        return 0
    for name in ("fixedVolume", "movingVolume"):
        if job[name] is None:
            print(f"BRAINSFit: {name} is not given", file=sys.stderr)
            return 1
    fixed = sitk.ReadImage(job["fixedVolume"], sitk.sitkFloat32)
    moving = sitk.ReadImage(job["movingVolume"], sitk.sitkFloat32)
    transform = _initialTransform(job, fixed, moving)
    for kind in ("useRigid", "useAffine"):
        if job[kind]:
            transform = _register(job, fixed, moving, _start(kind, transform))
    _write(job, fixed, transform)
    return 0


def _initialTransform(job: dict[str, Any], fixed: sitk.Image, moving: sitk.Image) -> sitk.AffineTransform:
    """An affine transform; a given one wins over the initialization mode, as in BRAINSFit."""
    if job["initialTransform"]:
        return _affine(sitk.ReadTransform(job["initialTransform"]))
    mode = job["initializeTransformMode"]
    if mode == "Off":
        return _affine(sitk.AffineTransform(3))
    center = (
        sitk.CenteredTransformInitializerFilter.GEOMETRY
        if mode == "useGeometryAlign"
        else sitk.CenteredTransformInitializerFilter.MOMENTS
    )
    return _affine(sitk.CenteredTransformInitializer(fixed, moving, sitk.VersorRigid3DTransform(), center))


def _affine(transform: sitk.Transform) -> sitk.AffineTransform:
    """The same mapping about the origin of the coordinates."""
    single = transform.Downcast()
    if isinstance(single, sitk.CompositeTransform):
        single = single.GetNthTransform(0).Downcast()
    affine = sitk.AffineTransform(3)
    affine.SetMatrix(single.GetMatrix())
    affine.SetTranslation(single.TransformPoint((0.0, 0.0, 0.0)))
    return affine


def _start(kind: str, transform: sitk.AffineTransform) -> sitk.Transform:
    """A transform of the kind to optimize that maps as the one found so far."""
    if kind == "useAffine":
        start = sitk.AffineTransform(3)
        start.SetMatrix(transform.GetMatrix())
    else:
        start = sitk.VersorRigid3DTransform()
        start.SetMatrix(transform.GetMatrix(), 1e-4)
    start.SetTranslation(transform.GetTranslation())
    return start


def _register(
    job: dict[str, Any], fixed: sitk.Image, moving: sitk.Image, start: sitk.Transform
) -> sitk.AffineTransform:
    method = sitk.ImageRegistrationMethod()
    if job["costMetric"] == "MSE":
        method.SetMetricAsMeanSquares()
    elif job["costMetric"] == "NC":
        method.SetMetricAsCorrelation()
    else:
        method.SetMetricAsMattesMutualInformation(job["numberOfHistogramBins"])
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(job["samplingPercentage"], 1)
    if job["maskProcessingMode"] == "ROI":
        for name, use in (
            ("fixedBinaryVolume", method.SetMetricFixedMask),
            ("movingBinaryVolume", method.SetMetricMovingMask),
        ):
            if job[name]:
                use(sitk.ReadImage(job[name], sitk.sitkUInt8) != 0)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=job["maximumStepLength"],
        minStep=job["minimumStepLength"],
        numberOfIterations=job["numberOfIterations"],
        relaxationFactor=0.5,
    )
    scales = [1.0] * len(start.GetParameters())
    firstShift = 9 if isinstance(start, sitk.AffineTransform) else 3
    scales[firstShift : firstShift + 3] = [1.0 / job["translationScale"]] * 3
    method.SetOptimizerScales(scales)
    if job["numberOfThreads"] > 0:
        method.SetNumberOfThreads(job["numberOfThreads"])
    method.SetInterpolator(sitk.sitkLinear)
    center = [0.5 * (size - 1) for size in fixed.GetSize()]
    _moveCenter(start, fixed.TransformContinuousIndexToPhysicalPoint(center))
    method.SetInitialTransform(start, inPlace=False)
    return _affine(method.Execute(fixed, moving))


def _moveCenter(transform: sitk.Transform, center: tuple[float, ...]) -> None:
    """Turns about the middle of the fixed image, without changing the mapping."""
    target = transform.TransformPoint(center)
    transform.SetCenter(center)
    transform.SetTranslation([after - before for after, before in zip(target, center, strict=True)])


def _write(job: dict[str, Any], fixed: sitk.Image, transform: sitk.AffineTransform) -> None:
    folder = Path(job["folder"])
    if job["linearTransform"]:
        sitk.WriteTransform(transform, str(folder / "linearTransform.h5"))
        sitk.WriteTransform(transform.GetInverse(), str(folder / "linearTransform_Inverse.h5"))
    if job["outputVolume"]:
        moving = sitk.ReadImage(job["movingVolume"])
        resampled = sitk.Resample(
            moving,
            fixed,
            transform,
            _INTERPOLATORS[job["interpolationMode"]],
            job["backgroundFillValue"],
            _PIXEL_IDS[job["outputVolumePixelType"]],
        )
        sitk.WriteImage(resampled, str(folder / "outputVolume.nrrd"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
