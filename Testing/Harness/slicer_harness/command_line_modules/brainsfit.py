"""A stand-in for BRAINSFit: its parameters and its habits, computed with SimpleITK in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import SimpleITK as sitk
import slicer

from .. import sitk_utils
from ..failures import HarnessError
from ..module_manager import qSlicerCoreModule
from .parameters import CliParameter, checkedParameters

_INITIALIZATIONS = ("Off", "useMomentsAlign", "useCenterOfHeadAlign", "useGeometryAlign", "useCenterOfROIAlign")
_PIXEL_TYPES = ("float", "short", "ushort", "int", "uint", "uchar")

PARAMETERS = {
    "fixedVolume": CliParameter("image"),
    "movingVolume": CliParameter("image"),
    "linearTransform": CliParameter("linear transform", output=True),
    "outputVolume": CliParameter("image", output=True),
    "initialTransform": CliParameter("transform"),
    "fixedBinaryVolume": CliParameter("image"),
    "movingBinaryVolume": CliParameter("image"),
    "samplingPercentage": CliParameter("double", 0.002),
    "initializeTransformMode": CliParameter("choice", "Off", _INITIALIZATIONS),
    "useRigid": CliParameter("boolean", False),
    "useAffine": CliParameter("boolean", False),
    "maskProcessingMode": CliParameter("choice", "NOMASK", ("NOMASK", "ROIAUTO", "ROI")),
    "numberOfIterations": CliParameter("integer", 1500),
    "minimumStepLength": CliParameter("double", 0.001),
    "maximumStepLength": CliParameter("double", 0.05),
    "translationScale": CliParameter("double", 1000.0),
    "costMetric": CliParameter("choice", "MMI", ("MMI", "MSE", "NC", "MIH")),
    "numberOfHistogramBins": CliParameter("integer", 50),
    "backgroundFillValue": CliParameter("double", 0.0),
    "outputVolumePixelType": CliParameter("choice", "float", _PIXEL_TYPES),
    "interpolationMode": CliParameter("choice", "Linear", ("Linear", "NearestNeighbor", "BSpline")),
    "numberOfThreads": CliParameter("integer", -1),
    "useScaleVersor3D": CliParameter("boolean", False, simulated=False),
    "useScaleSkewVersor3D": CliParameter("boolean", False, simulated=False),
    "bsplineTransform": CliParameter("transform", output=True, simulated=False),
    "useBSpline": CliParameter("boolean", False, simulated=False),
    "useSyN": CliParameter("boolean", False, simulated=False),
    "removeIntensityOutliers": CliParameter("double", 0.0, simulated=False),
    "ROIAutoDilateSize": CliParameter("double", 0.0, simulated=False),
    "ROIAutoClosingSize": CliParameter("double", 9.0, simulated=False),
    "reproportionScale": CliParameter("double", 1.0, simulated=False),
    "skewScale": CliParameter("double", 1.0, simulated=False),
    "maxBSplineDisplacement": CliParameter("double", 0.0, simulated=False),
    "fixedVolumeTimeIndex": CliParameter("integer", 0, simulated=False),
    "movingVolumeTimeIndex": CliParameter("integer", 0, simulated=False),
    "medianFilterSize": CliParameter("string", "0,0,0", simulated=False),
    "histogramMatch": CliParameter("boolean", False, simulated=False),
    "echoSwitch": CliParameter("boolean", False, simulated=False),
    "debugLevel": CliParameter("integer", 0, simulated=False),
}

# What the next run may be told to do instead of registering.
COMPUTE, NO_OUTPUT, FAIL, HANG = "compute", "no output", "fail", "hang"


class BrainsFitModule(qSlicerCoreModule):
    """`slicer.modules.brainsfit`; `Session.brainsFit` makes it, and tells what goes wrong with the next run."""

    def __init__(self) -> None:
        super().__init__("BRAINSFit", "BRAINSFit")
        self.title = "General Registration (BRAINS)"
        self._nextRun = COMPUTE

    def setNextRun(self, behavior: str) -> None:
        """For tests: what the next run does (COMPUTE, NO_OUTPUT, FAIL or HANG)."""
        if behavior not in (COMPUTE, NO_OUTPUT, FAIL, HANG):
            raise ValueError(f"The BRAINSFit stand-in cannot '{behavior}'")
        self._nextRun = behavior

    def logic(self) -> Any:
        raise HarnessError("The logic of a command-line module cannot be used from Python in the harness")

    def _checked(self, parameters: dict[str, Any]) -> dict[str, Any]:
        return checkedParameters(self.name, PARAMETERS, parameters)

    def _startJob(self, values: dict[str, Any]) -> BrainsFitJob:
        behavior, self._nextRun = self._nextRun, COMPUTE
        return BrainsFitJob(values, behavior)


class BrainsFitJob:
    """Files in a temporary folder, a process that reads and writes them, and the way back into the scene."""

    def __init__(self, values: dict[str, Any], behavior: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="brainsfit-")
        self.output = ""
        self.error = ""
        folder = Path(self._folder.name)
        job: dict[str, Any] = {"behavior": behavior, "folder": str(folder)}
        for name, value in values.items():
            if PARAMETERS[name].output:
                job[name] = None if value is None else name
            elif value is None or PARAMETERS[name].kind not in ("image", "transform"):
                job[name] = value
            elif PARAMETERS[name].kind == "image":
                job[name] = str(folder / f"{name}.nrrd")
                sitk.WriteImage(sitk_utils.PullVolumeFromSlicer(value), job[name])
            else:
                job[name] = str(folder / f"{name}.h5")
                _writeTransform(value, job[name])
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        worker = Path(__file__).with_name("brainsfit_process.py")
        self._process = subprocess.Popen(
            [sys.executable, str(worker), str(folder / "job.json")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finished(self) -> bool:
        if self._process.poll() is None:
            return False
        self.output, self.error = self._process.communicate()
        if self._process.returncode == 0:
            self.error = ""
        elif not self.error:
            self.error = f"BRAINSFit ended with exit code {self._process.returncode}"
        return True

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._folder.cleanup()

    def bringResultsIntoTheScene(self, values: dict[str, Any], updateDisplay: bool) -> None:
        """As Slicer does: what was written is loaded, what was not written is passed over in silence."""
        folder = Path(self._folder.name)
        transform = values["linearTransform"]
        written = folder / "linearTransform.h5"
        if transform is not None and written.exists():
            _readTransform(transform, str(written))
            if values["movingVolume"] is not None:
                values["movingVolume"].SetAndObserveTransformNodeID(transform.GetID())
        resampled = folder / "outputVolume.nrrd"
        if values["outputVolume"] is not None and resampled.exists():
            sitk_utils.PushVolumeToSlicer(sitk.ReadImage(str(resampled)), values["outputVolume"])
            if updateDisplay:
                slicer.util.setSliceViewerLayers(background=values["outputVolume"])
        self._folder.cleanup()


def _storage(path: str) -> Any:
    storage = slicer.vtkMRMLTransformStorageNode()
    storage.SetFileName(path)
    return storage


def _writeTransform(node: Any, path: str) -> None:
    if not _storage(path).WriteData(node):
        raise OSError(f"Cannot write the transform {node.GetName()} to {path}")


def _readTransform(node: Any, path: str) -> None:
    if not _storage(path).ReadData(node):
        raise OSError(f"Cannot read the transform {path}")
