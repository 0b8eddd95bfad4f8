"""Expanding volume nodes, with or without a panel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from SSPELib.errors import InputError
from SSPELib.options import Direction, ExpandOptions
from SSPELib.volume import Provenance
from SSPELib.worker import job_volume
from SSPESlicer.jobs.background import BackgroundJob, Event
from SSPESlicer.jobs.scene_job import JobLogic, ifPresent
from SSPESlicer.scene import marks, provenance, results, volumes

MARKINGS = ("segmentation", "labelMap")
GROWS: dict[str, Direction] = {"upper": "inferior", "lower": "superior"}


@dataclass
class ExpansionNodes:
    """The nodes that an expansion made; None for a volume that was not given."""

    upper: Any = None
    lower: Any = None
    marks: list[Any] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """Say what was made, and what to heed."""
        names = _(" and ").join(node.GetName() for node in (self.upper, self.lower) if node is not None)
        if all(mark.IsA("vtkMRMLSegmentationNode") for mark in self.marks):
            text = _("Made {names}. Synthetic slices are tinted.")
        else:
            text = _("Made {names}. Synthetic slices are tinted, and marked in a label map.")
        made = text.format(names=names)
        return "\n".join([made, *(f"• {text}" for text in self.warnings)])


class SSPEExpandLogic(JobLogic):
    """Expands volume nodes; needs no panel.

    nodes = SSPEExpandLogic().expand(upperNode, lowerNode, ExpandOptions(distance_mm=96))
    """

    def whyNot(self, upperNode: Any, lowerNode: Any, upperOutput: Any = None, lowerOutput: Any = None) -> str | None:
        """Return why these nodes cannot be expanded, None where they can."""
        inputs = [node for node in (upperNode, lowerNode) if node is not None]
        outputs = [node for node in (upperOutput, lowerOutput) if node is not None]
        if not inputs:
            return _("Choose an upper or a lower volume.")
        if upperNode is lowerNode:
            return _("Upper and lower volume must not be the same.")
        for node in inputs:
            problem = volumes.problemOf(node)
            if problem is not None:
                return problem
            if provenance.originalOf(node) is not None:
                return _("{name} is expanded already. Choose the original.").format(name=node.GetName())
        if any(output in inputs for output in outputs) or (len(outputs) == 2 and outputs[0] is outputs[1]):
            return _("Every result needs a volume of its own; inputs are never overwritten.")
        return None

    def expand(
        self,
        upperNode: Any,
        lowerNode: Any = None,
        options: ExpandOptions = ExpandOptions(),
        upperOutput: Any = None,
        lowerOutput: Any = None,
        marking: str = "segmentation",
        overwrite: bool = False,
        waitForCompletion: bool = True,
        onProgress: Callable[[float, str, float | None], None] | None = None,
        onEnd: Callable[[Any, Exception | None], None] | None = None,
    ) -> ExpansionNodes | None:
        """Grow the upper volume toward the feet and the lower one toward the head; either may be None.

        Args:
            options: how, see SSPELib.options; which end grows is said by the volume, not by options.direction.
            marking: "segmentation", which tints the synthetic slices, or "labelMap" for a label map of them as well.
            overwrite: let the outputs lose what SSPE did not make; without, only new, empty and earlier results do.
            waitForCompletion: False returns at once; onEnd then gets the nodes or the error.

        Raises:
            InputError: an option is not allowed, the nodes cannot be expanded, or an output holds something else.
            SSPEError: the work failed, with words for the user (with waitForCompletion).
        """
        options.check()
        reason = self.whyNot(upperNode, lowerNode, upperOutput, lowerOutput)
        if reason is not None:
            raise InputError(reason)
        if marking not in MARKINGS:
            text = _("The marking {marking} is unknown. Choose one of {choices}.")
            raise InputError(text.format(marking=marking, choices=", ".join(MARKINGS)))
        results.requireOwnTargets([(upperOutput, upperNode), (lowerOutput, lowerNode)], overwrite)
        sides = {"upper": (upperNode, upperOutput), "lower": (lowerNode, lowerOutput)}
        given = {role: nodes for role, nodes in sides.items() if nodes[0] is not None}
        copies = {role: volumes.scanFromNode(nodes[0]) for role, nodes in given.items()}
        job = BackgroundJob(self._processFactory(), onProgress)
        description: Event = {"task": "expand", "volumes": []}
        files = {}
        for role, volume in copies.items():
            described, voxels = job_volume(volume, role)
            ofThis = replace(options, direction=GROWS[role])
            description["volumes"].append({"volume": described, "options": ofThis.as_dict()})
            files.update(voxels)

        def makeNodes(result: Event) -> ExpansionNodes:
            nodes = ExpansionNodes(warnings=job.warnings)
            for role, grown in zip(given, result["volumes"], strict=True):
                inputNode, outputNode = given[role]
                grownNode, mark = self._makeNodes(
                    inputNode, ifPresent(outputNode), copies[role].origin, grown, job.folder, marking
                )
                grownNode.SetAttribute("SSPE.Model", result["model"])
                setattr(nodes, role, grownNode)
                nodes.marks.append(mark)
            return nodes

        inputs = [nodes[0] for nodes in given.values()]
        end = onEnd or (lambda nodes, error: None)
        return self._sceneJob.run(job, description, files, inputs, makeNodes, None if waitForCompletion else end)

    def _makeNodes(
        self, inputNode: Any, outputNode: Any, origin: tuple[float, ...], grown: Event, folder: Path, marking: str
    ) -> tuple[Any, Any]:
        name = _("{name} expanded").format(name=inputNode.GetName())
        if outputNode is None:
            outputNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
        matrix = np.array(grown["direction"]) * np.array(grown["spacing"])
        offset = np.linalg.solve(matrix, np.array(grown["origin"]) - np.array(origin)).round().astype(int)
        volumes.fillGrownNode(outputNode, inputNode, np.load(folder / grown["file"]), offset)
        outputNode.SetAttribute(provenance.INFERIOR_ATTRIBUTE, f"{grown['synthetic_mm']['inferior']:g}")
        outputNode.SetAttribute(provenance.SUPERIOR_ATTRIBUTE, f"{grown['synthetic_mm']['superior']:g}")
        sources = np.load(folder / grown["provenance_file"])
        marks.markNoData(outputNode, sources == Provenance.NO_DATA)
        return outputNode, marks.mark(outputNode, (sources == Provenance.SYNTHETIC).astype(np.uint8), marking)
