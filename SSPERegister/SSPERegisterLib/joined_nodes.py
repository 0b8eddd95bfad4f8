"""Volumes joined from several as nodes: voxels, where these come from, and what the alignment behind them is worth."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from SSPELib.errors import InputError
from SSPELib.volume import Volume
from SSPELib.worker import read_job_volume
from SSPESlicer.jobs.background import Event
from SSPESlicer.scene import dicom, display, geometry, results, sources

from . import outcome

UNCHANGED = 1e-4
WORTH = ("reliable", "expected_error_mm", "error_bound_mm")


@dataclass
class JoinedNodes:
    """What a merge or a stitch made.

    Attributes:
        volume: the joined volume, under no transform.
        sources: the segmentation that says where its voxels come from.
        reliable: what the alignment is worth: True, False, or None where nothing is known.
        transforms: of stitched parts, by their nodes, to the part that stays.
        leftOut: parts that fit nowhere.
        warnings: what to heed.
    """

    volume: Any
    sources: Any
    reliable: bool | None
    transforms: dict[Any, Any] = field(default_factory=dict)
    leftOut: list[Any] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class Poses:
    """Remembers where volumes lie: what was computed of them is of use only while they lie there."""

    def __init__(self, nodes: Sequence[Any]) -> None:
        self._poses = {node: geometry.ijkToWorld(node) for node in nodes}

    def requireUnchanged(self) -> None:
        """Raise InputError where a volume was moved since."""
        for node, pose in self._poses.items():
            if not np.allclose(geometry.ijkToWorld(node), pose, atol=UNCHANGED):
                text = _("{name} was moved while SSPE worked on it. Run it again.")
                raise InputError(text.format(name=node.GetName()))


def makeJoined(
    result: Event,
    folder: Path,
    node: Any,
    name: str,
    parts: Sequence[Any],
    origins: Mapping[int, sources.Origin],
) -> JoinedNodes:
    """Fill a volume node, a new one where none is given, with the result of a job; the first of the parts stays."""
    volume = read_job_volume(result["volume"], folder)
    told = result["verdict"] or {}
    worth = {name: told.get(name) for name in WORTH}
    if node is None:
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", slicer.mrmlScene.GenerateUniqueName(name))
    _fill(node, volume, parts[0])
    node.SetNodeReferenceID(results.FIXED_ROLE, parts[0].GetID())
    node.RemoveNodeReferenceIDs(results.MOVING_ROLE)
    for part in parts[1:]:
        node.AddNodeReferenceID(results.MOVING_ROLE, part.GetID())
    node.SetAttribute(results.JOINED_ATTRIBUTE, json.dumps(worth))
    node.SetDescription(outcome.verdict(worth["reliable"]))
    dicom.putBeside(node, parts[0])
    segmentation = sources.markSources(node, np.load(folder / result["sources"]), origins)
    return JoinedNodes(node, segmentation, worth["reliable"])


def isJoinedOf(node: Any, fixedNode: Any, movingNode: Any) -> bool:
    """Tell whether a volume was merged of two others."""
    if node is None or node.GetAttribute(results.JOINED_ATTRIBUTE) is None:
        return False
    roles = (results.FIXED_ROLE, results.MOVING_ROLE)
    return [node.GetNodeReference(role) for role in roles] == [fixedNode, movingNode]


def worthOf(node: Any) -> Event:
    """Return what the alignment behind a joined volume is worth: the values of WORTH, None where not known."""
    known: Event = json.loads(node.GetAttribute(results.JOINED_ATTRIBUTE))
    return known


def _fill(node: Any, volume: Volume, like: Any) -> None:
    with slicer.util.NodeModify(node):
        node.SetAndObserveTransformNodeID(None)
        slicer.util.updateVolumeFromArray(node, volume.array)
        node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(geometry.RAS_TO_LPS @ volume.index_to_lps))
        display.copyDisplay(like, node)
