"""Registering volume nodes, with or without a panel."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from SSPELib.errors import InputError
from SSPELib.options import RegisterOptions
from SSPELib.volume import Volume
from SSPELib.worker import job_volume
from SSPESlicer.jobs.background import BackgroundJob, Event
from SSPESlicer.jobs.scene_job import ifPresent
from SSPESlicer.jobs.warm import WarmProcess
from SSPESlicer.scene import geometry, provenance, results, volumes
from SSPESlicer.scene.node_files import readTransform

from . import brainsfit, outcome, placement, verdict
from .after_logic import AfterRegistrationLogic

UNCHANGED = 1e-4


@dataclass
class RegisteredNodes:
    """What a registration made: the transform node, the verdict on it, and what to heed."""

    transform: Any
    result: Event
    warnings: list[str] = field(default_factory=list)


class SSPERegisterLogic(AfterRegistrationLogic):
    """Registers volume nodes; needs no panel.

    registered = SSPERegisterLogic().register(fixedNode, movingNode, RegisterOptions(start="unknown"))
    """

    def __init__(self, processFactory: Callable[[], Any] = WarmProcess) -> None:
        AfterRegistrationLogic.__init__(self, processFactory)
        self._folder = Path()
        self._brainsFitRun: brainsfit.BrainsFitRun | None = None

    def whyNot(
        self,
        fixedNode: Any,
        movingNode: Any,
        options: RegisterOptions = RegisterOptions(),
        landmarks: tuple[Any, Any] | None = None,
        outputTransform: Any = None,
    ) -> str | None:
        """Return why these nodes cannot be registered, None where they can; for the arguments see `register`."""
        noPair = placement.whyNotPair(fixedNode, movingNode)
        if noPair is not None:
            return noPair
        for node in (fixedNode, movingNode):
            problem = volumes.problemOf(node, beforeRegistration=node is movingNode)
            if problem is not None:
                return problem
            if not placement.isWhereItsOriginalIs(node):
                text = _("{name} and the volume that it was expanded from lie under different transforms.")
                return text.format(name=node.GetName())
        landmarksMissing = placement.whyNotLandmarks(*landmarks) if landmarks is not None else None
        if landmarksMissing is not None:
            return landmarksMissing
        if options.backend == "brainsfit" and not brainsfit.isAvailable():
            return _("This Slicer has no module BRAINSFit. Choose another way to refine (Advanced).")
        return placement.whyNotUnder(outputTransform, movingNode) if outputTransform is not None else None

    def register(
        self,
        fixedNode: Any,
        movingNode: Any,
        options: RegisterOptions = RegisterOptions(),
        landmarks: tuple[Any, Any] | None = None,
        outputTransform: Any = None,
        overwrite: bool = False,
        waitForCompletion: bool = True,
        onProgress: Callable[[float, str, float | None], None] | None = None,
        onEnd: Callable[[Any, Exception | None], None] | None = None,
    ) -> RegisteredNodes | None:
        """Align a moving volume to a fixed one and put it, and what belongs to it, under the transform found.

        A volume that an earlier run has moved is taken as it lay before that run.

        Args:
            options: how, see SSPELib.options.
            landmarks: point lists on the fixed and on the moving volume to start from, instead of options.start.
            outputTransform: takes the transform; a new one where None.
            overwrite: let the output transform lose what SSPE did not make.
            waitForCompletion: False returns at once; onEnd then gets the nodes or the error.

        Raises:
            InputError: an option is not allowed, the nodes cannot be registered, or the output transform holds
                something else.
            SSPEError: the work failed, with words for the user (with waitForCompletion).
        """
        options.check()
        reason = self.whyNot(fixedNode, movingNode, options, landmarks, outputTransform)
        if reason is not None:
            raise InputError(reason)
        results.requireOwnTargets([(outputTransform, movingNode)], overwrite)
        start = placement.landmarkTransform(*landmarks, movingNode) if landmarks is not None else None
        sides = {
            "fixed": volumes.scanFromNode(fixedNode),
            "moving": volumes.scanFromNode(movingNode, beforeRegistration=True),
        }
        job = BackgroundJob(self._processFactory(), onProgress, self._answerWith(waitForCompletion))
        self._folder = job.folder
        if options.backend == "automatic" and brainsfit.isAvailable():
            options = replace(options, backend="brainsfit")
        description = {"task": "register", "options": options.as_dict()}
        files: dict[str, Any] = {}
        for role, volume in sides.items():
            description[role], voxels = job_volume(volume, role)
            files.update(voxels)
        if start is not None:
            description["start_transform"] = "start.tfm"
            files["start.tfm"] = start

        def makeNodes(result: Event) -> RegisteredNodes:
            _requireUnmoved(fixedNode, sides["fixed"])
            _requireUnmoved(movingNode, sides["moving"], beforeRegistration=True)
            transformNode = self._makeTransform(
                ifPresent(outputTransform), fixedNode, movingNode, job.folder / result["transform"]
            )
            moveAlong = ifPresent(landmarks[1]) if landmarks is not None else None
            placement.place(transformNode, fixedNode, movingNode, moveAlong)
            found = {name: value for name, value in result.items() if name not in ("event", "transform")}
            found["tolerance_mm"] = options.tolerance_mm
            verdict.remember(transformNode, found)
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

    def judgeAgain(self, movingNode: Any, toleranceMm: float) -> Event | None:
        """Judge the registration that placed a volume by another tolerance, without doing it again.

        Returns the verdict, which is remembered; None where `resultOf` has none.
        """
        result = self.resultOf(movingNode)
        if result is None:
            return None
        judged = outcome.judgedBy(result, toleranceMm)
        if judged != result:
            verdict.remember(geometry.placedBy(movingNode), judged)
        return judged

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
