"""The verdict on a registration, as the transform of that registration remembers it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import slicer

from SSPESlicer.jobs.background import Event
from SSPESlicer.scene import geometry, results

from . import outcome, placement

UNCHANGED = 1e-4


def remember(transformNode: Any, verdict: Event) -> None:
    """Write a verdict into the transform that it is on."""
    matrix = slicer.util.arrayFromTransformMatrix(transformNode).tolist()
    transformNode.SetAttribute(results.REGISTRATION_ATTRIBUTE, json.dumps({"verdict": verdict, "matrix": matrix}))
    transformNode.SetDescription(outcome.verdict(verdict["reliable"], outcome.toleranceOf(verdict)))


def verdictOn(movingNode: Any, fixedNode: Any = None) -> Event | None:
    """Return the verdict on the registration that placed a volume, to a fixed volume where one is given.

    There is none where the transform was changed since: the verdict is not on what somebody else has made of it.
    """
    transformNode = geometry.placedBy(movingNode)
    text = transformNode.GetAttribute(results.REGISTRATION_ATTRIBUTE) if transformNode is not None else None
    if not text:
        return None
    registeredTo = transformNode.GetNodeReference(results.FIXED_ROLE)
    if fixedNode is not None and (registeredTo is None or not placement.sameBody(registeredTo, fixedNode)):
        return None
    result = json.loads(text)
    matrix = slicer.util.arrayFromTransformMatrix(transformNode, toWorld=True)
    return result["verdict"] if np.allclose(matrix, result["matrix"], atol=UNCHANGED) else None
