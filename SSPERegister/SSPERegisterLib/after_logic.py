"""What follows a registration: other nodes move along, both volumes become one, several parts too, DICOM goes out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from SSPELib.errors import InputError
from SSPELib.options import FEWEST_PARTS, MOST_PARTS, MergeOptions, RegisterOptions
from SSPELib.worker import job_volume
from SSPESlicer.jobs.background import BackgroundJob, Event
from SSPESlicer.jobs.scene_job import JobLogic, ifPresent
from SSPESlicer.scene import dicom, geometry, hardening, provenance, results, sources, volumes

from . import belongings, dicom_export, placement, verdict
from .joined_nodes import WORTH, JoinedNodes, Poses, makeJoined

Progress = Callable[[float, str, float | None], None]
End = Callable[[Any, Exception | None], None]


class AfterRegistrationLogic(JobLogic):
    """The part of the logic of SSPE Register that works with volumes that are aligned; needs no panel."""

    def belongingsOf(
        self, movingNode: Any, fixedNode: Any = None, without: Sequence[Any] = ()
    ) -> list[belongings.Belonging]:
        """Return what could move along with a moving volume, and why; see `belongings.belongingsOf`."""
        return belongings.belongingsOf(movingNode, fixedNode, without)

    def moveAlong(self, nodes: Iterable[Any], transformNode: Any) -> None:
        """Put nodes under the transform of a registration; `undo` takes them back too.

        Raises:
            InputError: one of them cannot move along; none was moved.
        """
        placement.moveAlong(list(nodes), transformNode)

    def takeBack(self, nodes: Iterable[Any]) -> None:
        """Put nodes that moved along back under the transforms that they had."""
        placement.takeBack(list(nodes))

    def undo(self, movingNode: Any) -> None:
        """Put a moving volume, and all that moved along with it, back to where it was before the registration."""
        placement.undo(movingNode)

    def hardenCopies(self, nodes: Iterable[Any]) -> list[Any]:
        """Return copies of nodes, "NAME registered", with their transforms built in; the nodes stay as they are.

        Raises:
            InputError: one is an expanded volume; no copy was made.
        """
        copied = list(nodes)
        for node in copied:
            hardening.requireReal(node)
        return [hardening.hardenedCopy(node) for node in copied]

    def whyNotMerge(self, fixedNode: Any, movingNode: Any, outputVolume: Any = None) -> str | None:
        """Return why two volumes cannot be merged as they lie now, None where they can."""
        noPair = placement.whyNotPair(fixedNode, movingNode)
        return noPair or _whyNotJoin((fixedNode, movingNode), outputVolume, beforeRegistration=True)

    def merge(
        self,
        fixedNode: Any,
        movingNode: Any,
        options: MergeOptions = MergeOptions(),
        outputVolume: Any = None,
        overwrite: bool = False,
        waitForCompletion: bool = True,
        onProgress: Progress | None = None,
        onEnd: End | None = None,
    ) -> JoinedNodes | None:
        """Make one volume of two as they lie now, in world coordinates, on the grid of the fixed one.

        Args:
            options: the seam and so on; accept_unreliable where the registration is not reliable.
            outputVolume: takes the result; a new node where none is given.
            overwrite: let the output lose what SSPE did not make.
            waitForCompletion: False returns at once; onEnd then gets the nodes or the error.

        Raises:
            InputError: the nodes cannot be merged, or the registration is not reliable and that was not accepted.
            SSPEError: the work failed, with words for the user (with waitForCompletion).
        """
        reason = self.whyNotMerge(fixedNode, movingNode, outputVolume)
        if reason is not None:
            raise InputError(reason)
        options.check()
        fixed, moving = (provenance.originalOf(node) or node for node in (fixedNode, movingNode))
        results.requireOwnTargets([(outputVolume, moving)], overwrite)
        known = verdict.verdictOn(movingNode, fixedNode) or {}
        if known.get("reliable") is False and not options.accept_unreliable:
            text = _("The registration {name} is not reliable. Look at it, and merge by accept_unreliable=True.")
            raise InputError(text.format(name=_nameOfAlignment(moving)))
        poses = Poses([fixed, moving])
        job = BackgroundJob(self._processFactory(), onProgress)
        description: Event = {
            "task": "merge",
            "options": options.as_dict(),
            "alignment": {
                "matrix": _fixedToMoving(moving).tolist(),
                "name": _nameOfAlignment(moving),
                "reasons": known.get("reasons", []),
                **{name: known.get(name) for name in WORTH},
            },
        }
        files: dict[str, Any] = {}
        for role, node, before in (("fixed", fixed, False), ("moving", moving, True)):
            description[role], voxels = job_volume(volumes.scanFromNode(node, before), role)
            files.update(voxels)

        def makeNodes(result: Event) -> JoinedNodes:
            poses.requireUnchanged()
            name = _("{fixed} and {moving} merged").format(fixed=fixed.GetName(), moving=moving.GetName())
            origins = sources.originsOfTwo(fixed.GetName(), moving.GetName())
            node = ifPresent(outputVolume)
            joined = makeJoined(result, job.folder, node, name, [fixed, moving], origins)
            joined.warnings = job.warnings
            return joined

        return self._run(job, description, files, [fixed, moving], makeNodes, waitForCompletion, onEnd)

    def whyNotStitch(self, nodes: Sequence[Any], outputVolume: Any = None) -> str | None:
        """Return why volumes cannot be stitched, None where they can."""
        if not FEWEST_PARTS <= len(nodes) <= MOST_PARTS:
            text = _("Choose {fewest} to {most} volumes of one body.")
            return text.format(fewest=FEWEST_PARTS, most=MOST_PARTS)
        return _whyNotJoin(nodes, outputVolume)

    def stitch(
        self,
        nodes: Sequence[Any],
        registerOptions: RegisterOptions = RegisterOptions(),
        mergeOptions: MergeOptions = MergeOptions(),
        outputVolume: Any = None,
        overwrite: bool = False,
        waitForCompletion: bool = True,
        onProgress: Progress | None = None,
        onEnd: End | None = None,
    ) -> JoinedNodes | None:
        """Register two to ten parts of one body in pairs, given in any order, and make one volume of them.

        The parts stay where they are; a transform is made for each that was placed. Parts that fit nowhere are left
        out and named in the warnings.

        Args, Raises: as `merge`.
        """
        reason = self.whyNotStitch(nodes, outputVolume)
        if reason is not None:
            raise InputError(reason)
        registerOptions.check()
        mergeOptions.check()
        parts = list(nodes)
        results.requireOwnTargets([(outputVolume, parts[0])], overwrite)
        poses = Poses(parts)
        job = BackgroundJob(self._processFactory(), onProgress)
        options = {"register_options": registerOptions.as_dict(), "merge_options": mergeOptions.as_dict()}
        description: Event = {"task": "stitch", "parts": [], **options}
        files: dict[str, Any] = {}
        for number, node in enumerate(parts):
            part, voxels = job_volume(volumes.scanFromNode(node), f"part-{number}")
            description["parts"].append(part)
            files.update(voxels)

        def makeNodes(result: Event) -> JoinedNodes:
            poses.requireUnchanged()
            placed = {parts[int(index)]: np.array(pose) for index, pose in result["poses"].items()}
            name = _("{count} parts stitched").format(count=len(placed))
            origins = sources.originsOfParts([node.GetName() for node in parts])
            node = ifPresent(outputVolume)
            joined = makeJoined(result, job.folder, node, name, list(placed), origins)
            joined.transforms = _transformsOf(parts[result["root"]], placed)
            joined.leftOut = [parts[index] for index in result["left_out"]]
            joined.warnings = job.warnings
            return joined

        return self._run(job, description, files, parts, makeNodes, waitForCompletion, onEnd)

    def exportDicom(
        self,
        folder: str | Path,
        fixedNode: Any,
        movingNode: Any,
        mergedVolume: Any = None,
        segmentations: Sequence[Any] = (),
        tags: Mapping[str, str] | None = None,
        seamMm: float = MergeOptions.seam_mm,
        waitForCompletion: bool = True,
        onProgress: Progress | None = None,
        onEnd: End | None = None,
    ) -> dicom_export.Exported | None:
        """Write the registration as a DICOM spatial registration, and a merged volume as a series, into a new folder.

        Args:
            folder: is made; it must not be there yet, or be empty.
            mergedVolume: made by `merge` of these two; None writes the registration alone.
            segmentations: are written on the merged series, as they lie now; where segments overlap the later counts.
            tags: patient and study by DICOM keyword (PatientID, PatientName, ...), for volumes that are no DICOM.
            seamMm: of the merged volume, for its description.

        Raises:
            InputError: the moving volume is not registered, the folder cannot be made, or a package is missing.
            SSPEError: the work failed, with words for the user (with waitForCompletion).
        """
        export = dicom_export.Export(Path(folder), fixedNode, movingNode, mergedVolume, segmentations, tags or {})
        job = BackgroundJob(self._processFactory(), onProgress)
        description, files = export.job(seamMm)

        def publish(result: Event) -> dicom_export.Exported:
            exported = export.publish(job.folder / result["folder"])
            exported.warnings = job.warnings
            return exported

        return self._run(job, description, files, export.nodes, publish, waitForCompletion, onEnd)

    def _run(
        self,
        job: BackgroundJob,
        description: Event,
        files: Mapping[str, Any],
        inputs: list[Any],
        take: Callable[[Event], Any],
        waitForCompletion: bool,
        onEnd: End | None,
    ) -> Any:
        end = None if waitForCompletion else onEnd or (lambda value, error: None)
        return self._sceneJob.run(job, description, files, inputs, take, end)


def _whyNotJoin(nodes: Sequence[Any], outputVolume: Any, beforeRegistration: bool = False) -> str | None:
    """Why volumes cannot become one, None where they can."""
    if outputVolume is not None and any(placement.sameBody(outputVolume, node) for node in nodes):
        return _("The result needs a node of its own. Choose another output.")
    problems = (volumes.problemOf(node, beforeRegistration) for node in nodes)
    return next((problem for problem in problems if problem is not None), None)


def _fixedToMoving(movingNode: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The matrix (4, 4) of a registration, LPS mm: from where points of the moving volume lie to where they lay."""
    now, before = geometry.ijkToWorld(movingNode), geometry.ijkToWorld(movingNode, beforeRegistration=True)
    return geometry.RAS_TO_LPS @ before @ np.linalg.inv(now) @ geometry.RAS_TO_LPS


def _nameOfAlignment(movingNode: Any) -> str:
    transformNode = geometry.placedBy(movingNode)
    return transformNode.GetName() if transformNode is not None else _("the present position")


def _transformsOf(root: Any, placed: Mapping[Any, Any]) -> dict[Any, Any]:
    """A transform for each placed part but the root, from the part's points to the root's, with references to both."""
    made = {}
    for node, pose in placed.items():
        if node is root:
            continue
        name = _("{moving} to {fixed}").format(moving=node.GetName(), fixed=root.GetName())
        name = slicer.mrmlScene.GenerateUniqueName(name)
        transformNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", name)
        toParent = geometry.RAS_TO_LPS @ np.linalg.inv(pose) @ geometry.RAS_TO_LPS
        transformNode.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(toParent))
        dicom.describeRegistration(transformNode, root, node)
        made[node] = transformNode
    return made
