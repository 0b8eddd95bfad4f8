"""The back end BRAINSFit: one of Slicer's command-line modules, run on temporary nodes.

Its exit status says nothing, so what counts is whether it wrote a transform, and whether that is near where it began.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from SSPELib.errors import InputError, RegistrationError, SSPEError
from SSPESlicer.scene.node_files import readTransform, readVolume, writeTransform
from SSPESlicer.scene.own_nodes import addHiddenNode, removeNode

SAMPLES = 0.05
UNTOUCHED_MM = 98765.0
FARTHEST_FROM_START_MM = 60.0
LARGEST_SCALING = 1.3


def isAvailable() -> bool:
    """Tell whether Slicer has the module BRAINSFit."""
    return hasattr(slicer.modules, "brainsfit")


class BrainsFitRun(VTKObservationMixin):
    """One refinement, as the worker of SSPE asks for it.

    Args:
        request: paths of images, masks and initial transform, and the transform type.
        waitForCompletion: whether `start` blocks, for scripts.
    """

    def __init__(self, request: dict[str, Any], folder: Path, waitForCompletion: bool) -> None:
        VTKObservationMixin.__init__(self)
        self._request, self._folder, self._wait = request, folder, waitForCompletion
        self._nodes: dict[str, Any] = {}
        self._cliNode: Any = None
        self._answer: Callable[[dict[str, Any]], None] = lambda message: None

    def start(self, answer: Callable[[dict[str, Any]], None]) -> None:
        """Run the module; `answer` gets the path of the transform, or the reason why there is none."""
        self._answer = answer
        try:
            self._makeNodes()
        except InputError as error:
            self._removeNodes()
            answer({"error": str(_failure(_("BRAINSFit could not be started: {reason}").format(reason=error)))})
            return
        self._cliNode = slicer.cli.run(
            slicer.modules.brainsfit, None, self._parameters(), wait_for_completion=self._wait
        )
        if not self._cliNode.IsBusy():
            self._end()
            return
        self.addObserver(self._cliNode, "ModifiedEvent", self._onModified)

    def cancel(self) -> None:
        """Stop the module and take the temporary nodes away."""
        self.removeObservers()
        if self._cliNode is not None:
            self._cliNode.Cancel()
        self._removeNodes()

    def _makeNodes(self) -> None:
        for name in ("fixed", "moving"):
            self._readVolume(name, name, "vtkMRMLScalarVolumeNode")
            self._readVolume(f"{name}Mask", f"{name}_mask", "vtkMRMLLabelMapVolumeNode")
        for name in ("initial", "output"):
            label = _("BRAINSFit {name}").format(name=name)
            self._nodes[name] = addHiddenNode("vtkMRMLLinearTransformNode", label)
        readTransform(self._nodes["initial"], self._folder / self._request["initial"])
        self._nodes["output"].SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(_untouched()))

    def _readVolume(self, name: str, file: str, nodeClass: str) -> None:
        self._nodes[name] = addHiddenNode(nodeClass, _("BRAINSFit {name}").format(name=name))
        readVolume(self._nodes[name], self._folder / self._request[file])

    def _parameters(self) -> dict[str, Any]:
        initial = slicer.util.arrayFromTransformMatrix(self._nodes["initial"])[:3, :3]
        return {
            "fixedVolume": self._nodes["fixed"].GetID(),
            "movingVolume": self._nodes["moving"].GetID(),
            "linearTransform": self._nodes["output"].GetID(),
            "initialTransform": self._nodes["initial"].GetID(),
            "fixedBinaryVolume": self._nodes["fixedMask"].GetID(),
            "movingBinaryVolume": self._nodes["movingMask"].GetID(),
            "maskProcessingMode": "ROI",
            "samplingPercentage": SAMPLES,
            "backgroundFillValue": -1000.0,
            # A rigid stage would take the stretch out of where it begins.
            "useRigid": np.allclose(initial @ initial.T, np.eye(3), atol=1e-4),
            "useAffine": self._request["transform_type"] == "affine",
        }

    def _onModified(self, caller: Any, event: Any) -> None:
        if self._cliNode is None or self._cliNode.IsBusy():
            return
        import qt

        self.removeObservers()
        # Not here: Slicer goes on with the node that this event comes from, and aborts where it was removed meanwhile.
        qt.QTimer.singleShot(0, self._endUnlessCanceled)

    def _endUnlessCanceled(self) -> None:
        if self._cliNode is not None:
            self._end()

    def _end(self) -> None:
        try:
            path = self._folder / "refined.tfm"
            self._check()
            writeTransform(self._nodes["output"], path)
            self._answer({"transform": path.name})
        except SSPEError as error:
            self._answer({"error": str(error)})
        finally:
            self._removeNodes()

    def _check(self) -> None:
        status = self._cliNode.GetStatusString()
        details = (self._cliNode.GetErrorText() or "").strip().splitlines()
        if status != "Completed":
            reason = ": ".join([status, *details[-1:]])
            raise _failure(_("BRAINSFit ended with the status {reason}.").format(reason=reason))
        found, initial = (slicer.util.arrayFromTransformMatrix(self._nodes[name]) for name in ("output", "initial"))
        if np.allclose(found, _untouched()):
            raise _failure(_("BRAINSFit said that it succeeded but wrote no transform."))
        center = self._centerOfMoving()
        distance = np.linalg.norm((found @ center - initial @ center)[:3])
        scaling = np.linalg.svd(found[:3, :3], compute_uv=False)
        if not np.isfinite(found).all() or distance > FARTHEST_FROM_START_MM:
            text = _("BRAINSFit ran {distance} mm away from where it began.")
            raise _failure(text.format(distance=f"{distance:.0f}"))
        if scaling.max() > LARGEST_SCALING or scaling.min() < 1 / LARGEST_SCALING:
            text = _("BRAINSFit changed the size of the moving volume {least} to {most} times.")
            raise _failure(text.format(least=f"{scaling.min():.2f}", most=f"{scaling.max():.2f}"))

    def _centerOfMoving(self) -> np.ndarray:
        bounds = [0.0] * 6
        self._nodes["movingMask"].GetRASBounds(bounds)
        return np.array([*np.array(bounds).reshape(3, 2).mean(axis=1), 1.0])

    def _removeNodes(self) -> None:
        for node in [self._cliNode, *self._nodes.values()]:
            removeNode(node)
        self._nodes.clear()
        self._cliNode = None


def _failure(what: str) -> RegistrationError:
    advice = _("The result is not refined by it; choose SimpleITK (Advanced, Refine with) and register again.")
    return RegistrationError(f"{what} {advice}")


def _untouched() -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = UNTOUCHED_MM
    return matrix
