"""Registering volume nodes, with or without a panel."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from SSPELib.errors import InputError
from SSPELib.options import DeviceName, RegisterOptions, TransformType
from SSPELib.volume import Volume
from SSPESlicer.jobs.background import BackgroundJob, Event
from SSPESlicer.jobs.files import volumeFiles
from SSPESlicer.jobs.scene_job import ifPresent
from SSPESlicer.jobs.warm import WarmProcess
from SSPESlicer.scene import geometry, provenance, results, volumes
from SSPESlicer.scene.node_files import readTransform

from . import brainsfit, outcome, placement, verdict
from .after_logic import AfterRegistrationLogic

STARTS = (*RegisterOptions.option("start").choices, "landmarks")
UNCHANGED = 1e-4


@dataclass
class RegisteredNodes:
    """What a registration made: the transform node, the verdict on it, and what to heed."""

    transform: Any
    result: Event
    warnings: list[str] = field(default_factory=list)


class SSPERegisterLogic(AfterRegistrationLogic):
    """Registers volume nodes; needs no panel.

    registered = SSPERegisterLogic().register(fixedNode, movingNode)
    """

    def __init__(self, processFactory: Callable[[], Any] = WarmProcess) -> None:
        AfterRegistrationLogic.__init__(self, processFactory)
        self._folder = Path()
        self._brainsFitRun: brainsfit.BrainsFitRun | None = None

    def whyNot(
        self,
        fixedNode: Any,
        movingNode: Any,
        start: str = RegisterOptions.start,
        fixedLandmarks: Any = None,
        movingLandmarks: Any = None,
        outputTransform: Any = None,
        backend: str = RegisterOptions.backend,
    ) -> str | None:
        """Return why these nodes cannot be registered, None where they can."""
        if fixedNode is None or movingNode is None:
            return _("Choose a fixed and a moving volume.")
        if placement.sameBody(fixedNode, movingNode):
            return _("Fixed and moving volume must not be the same.")
        for node in (fixedNode, movingNode):
            problem = volumes.problemOf(node, beforeRegistration=node is movingNode)
            if problem is not None:
                return problem
            if not placement.isWhereItsOriginalIs(node):
                text = _("{name} and the volume that it was expanded from lie under different transforms.")
                return text.format(name=node.GetName())
        landmarksMissing = placement.whyNotLandmarks(fixedLandmarks, movingLandmarks) if start == "landmarks" else None
        if landmarksMissing is not None:
            return landmarksMissing
        if backend == "brainsfit" and not brainsfit.isAvailable():
            return _("This Slicer has no module BRAINSFit. Choose another way to refine (Advanced).")
        return placement.whyNotUnder(outputTransform, movingNode) if outputTransform is not None else None

    def register(
        self,
        fixedNode: Any,
        movingNode: Any,
        start: str = RegisterOptions.start,
        transformType: TransformType = RegisterOptions.transform_type,
        fixedLandmarks: Any = None,
        movingLandmarks: Any = None,
        outputTransform: Any = None,
        expandFirst: bool = RegisterOptions.expand,
        distanceMm: float = RegisterOptions.distance_mm,
        backend: str = RegisterOptions.backend,
        model: str | None = RegisterOptions.model,
        device: DeviceName = RegisterOptions.device,
        overwrite: bool = False,
        waitForCompletion: bool = True,
        onProgress: Callable[[float, str, float | None], None] | None = None,
        onEnd: Callable[[Any, Exception | None], None] | None = None,
    ) -> RegisteredNodes | None:
        """Align a moving volume to a fixed one and put it, and what belongs to it, under the transform found.

        A volume that an earlier run has moved is taken as it lay before that run.

        Args:
            start: "header", "unknown" or "landmarks" (with the two markups nodes).
            transformType: "rigid" or "affine".
            expandFirst: expand volumes that are not expanded yet, by distanceMm.
            backend: "automatic", "brainsfit" or "simpleitk", for the last refinement.
            overwrite: let the output transform lose what SSPE did not make.
            waitForCompletion: False returns at once; onEnd then gets the nodes or the error.

        Raises:
            InputError: the nodes cannot be registered, or the output transform holds something else.
            SSPEError: the work failed, with words for the user (with waitForCompletion).
        """
        reason = self.whyNot(fixedNode, movingNode, start, fixedLandmarks, movingLandmarks, outputTransform, backend)
        if reason is not None:
            raise InputError(reason)
        if start not in STARTS:
            raise InputError(_("Start is one of {starts}.").format(starts=", ".join(STARTS)))
        RegisterOptions.option("backend").check("backend", backend)
        results.requireOwnTargets([(outputTransform, movingNode)], overwrite)
        landmarks = None
        if start == "landmarks":
            landmarks = placement.landmarkTransform(fixedLandmarks, movingLandmarks, movingNode)
        useBrainsFit = brainsfit.isAvailable() and backend != "simpleitk"
        sides = {
            "fixed": volumes.scanFromNode(fixedNode),
            "moving": volumes.scanFromNode(movingNode, beforeRegistration=True),
        }
        job = BackgroundJob(self._processFactory(), onProgress, self._answerWith(waitForCompletion))
        self._folder = job.folder
        options = RegisterOptions(
            transform_type=transformType,
            start="header" if start == "landmarks" else start,
            expand=expandFirst,
            distance_mm=distanceMm,
            backend="brainsfit" if useBrainsFit else "simpleitk",
            model=model,
            device=device,
        )
        description = {"task": "register", "options": options.as_dict()}
        files: dict[str, Any] = {}
        for role, volume in sides.items():
            description[role], voxels = volumeFiles(volume, role)
            files.update(voxels)
        if landmarks is not None:
            description["start_transform"] = "start.tfm"
            files["start.tfm"] = landmarks

        def makeNodes(result: Event) -> RegisteredNodes:
            _requireUnmoved(fixedNode, sides["fixed"])
            _requireUnmoved(movingNode, sides["moving"], beforeRegistration=True)
            transformNode = self._makeTransform(
                ifPresent(outputTransform), fixedNode, movingNode, job.folder / result["transform"]
            )
            moveAlong = ifPresent(movingLandmarks) if start == "landmarks" else None
            placement.place(transformNode, fixedNode, movingNode, moveAlong)
            found = {name: value for name, value in result.items() if name not in ("event", "transform")}
            verdict.remember(transformNode, found)
            transformNode.SetDescription(outcome.verdict(found["reliable"]))
            if not found["reliable"]:
                logging.warning("%s: %s", transformNode.GetName(), transformNode.GetDescription())
            return RegisteredNodes(transformNode, found, job.warnings)

        originals = [provenance.originalOf(node) for node in (fixedNode, movingNode)]
        inputs = [fixedNode, movingNode, *(node for node in originals if node is not None)]
        end = self._endWith(onEnd or (lambda nodes, error: None))
        try:
            return self._sceneJob.run(job, description, files, inputs, makeNodes, None if waitForCompletion else end)
        finally:
            if waitForCompletion:
                self._stopBrainsFit()

    def resultOf(self, movingNode: Any) -> Event | None:
        """Return the verdict on the registration that placed a volume, also after the scene was saved and loaded."""
        return verdict.verdictOn(movingNode)

    def _answerWith(self, waitForCompletion: bool) -> Callable[[Event, Callable[[Event], None]], None]:
        def answer(request: Event, reply: Callable[[Event], None]) -> None:
            self._brainsFitRun = brainsfit.BrainsFitRun(request, self._folder, waitForCompletion)
            self._brainsFitRun.start(reply)

        return answer

    def _endWith(self, onEnd: Callable[[Any, Exception | None], None]) -> Callable[[Any, Exception | None], None]:
        def end(nodes: Any, error: Exception | None) -> None:
            self._stopBrainsFit()
            onEnd(nodes, error)

        return end

    def _stopBrainsFit(self) -> None:
        if self._brainsFitRun is not None:
            self._brainsFitRun.cancel()
            self._brainsFitRun = None

    def _makeTransform(self, transformNode: Any, fixedNode: Any, movingNode: Any, path: Path) -> Any:
        if transformNode is None:
            moving, fixed = (provenance.originalOf(node) or node for node in (movingNode, fixedNode))
            name = _("{moving} to {fixed}").format(moving=moving.GetName(), fixed=fixed.GetName())
            transformNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", name)
        transformNode.SetAndObserveTransformNodeID(None)
        readTransform(transformNode, path)
        return transformNode


def _requireUnmoved(node: Any, copy: Volume, beforeRegistration: bool = False) -> None:
    """A result is of use only where the volume still lies as it did when the work began."""
    pose = geometry.RAS_TO_LPS @ geometry.ijkToWorld(node, beforeRegistration)
    if not np.allclose(pose, copy.index_to_lps, atol=UNCHANGED):
        raise InputError(_("{name} was moved while SSPE worked on it. Register again.").format(name=node.GetName()))
