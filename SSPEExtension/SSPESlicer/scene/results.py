"""Results of SSPE in the scene: which nodes hold one, of what, and whether a node may be written over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from SSPELib.errors import InputError

from .provenance import INFERIOR_ATTRIBUTE, originalOf

REGISTRATION_ATTRIBUTE = "SSPE.Result"
JOINED_ATTRIBUTE = "SSPE.Joined"
FIXED_ROLE = "SSPEFixed"
MOVING_ROLE = "SSPEMoving"

Target = tuple[Any, Any]
"""A node that is to take a result, or None for a new one, and the input of that result, or None where there is none."""


def isResult(node: Any) -> bool:
    """Tell whether SSPE has filled a volume or a transform."""
    attributes = (INFERIOR_ATTRIBUTE, REGISTRATION_ATTRIBUTE, JOINED_ATTRIBUTE)
    return any(node.GetAttribute(name) is not None for name in attributes)


def requireOwnTargets(targets: Sequence[Target], overwrite: bool) -> None:
    """Refuse to write into nodes that hold something that SSPE did not make, unless the caller says so.

    Raises:
        InputError: naming the node.
    """
    for node in _written(targets):
        if not (overwrite or isResult(node) or _isEmpty(node)):
            text = _(
                "{name} was not made by SSPE and would be overwritten. Choose another output, or none, which makes a "
                "new one. (In a script: overwrite=True.)"
            )
            raise InputError(text.format(name=node.GetName()))


def lossesOf(targets: Sequence[Target]) -> list[str]:
    """Say what would be lost by writing the results: whatever is no earlier result of the same input."""
    losses = []
    for node, inputNode in _written(targets).items():
        if not (isResult(node) or _isEmpty(node)):
            text = _("{name} was not made by SSPE. What it holds will be replaced and cannot be brought back.")
            losses.append(text.format(name=node.GetName()))
        elif isResult(node) and not _isResultOf(node, inputNode):
            text = _("{name} is a result of another volume, not of {input}. It will be replaced.")
            losses.append(text.format(name=node.GetName(), input=inputNode.GetName()))
    return losses


def _written(targets: Sequence[Target]) -> dict[Any, Any]:
    return {node: inputNode for node, inputNode in targets if node is not None and inputNode is not None}


def _isResultOf(node: Any, inputNode: Any) -> bool:
    refers = node.IsA("vtkMRMLTransformNode") or node.GetAttribute(JOINED_ATTRIBUTE) is not None
    of = node.GetNodeReference(MOVING_ROLE) if refers else node
    return of is not None and (originalOf(of) or of) is (originalOf(inputNode) or inputNode)


def _isEmpty(node: Any) -> bool:
    if node.IsA("vtkMRMLVolumeNode"):
        return node.GetImageData() is None or node.GetImageData().GetNumberOfPoints() == 0
    users = slicer.util.getNodesByClass("vtkMRMLTransformableNode")
    isUsed = any(user.GetParentTransformNode() is node for user in users)
    return not isUsed and np.array_equal(slicer.util.arrayFromTransformMatrix(node), np.eye(4))
