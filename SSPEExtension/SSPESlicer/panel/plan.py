"""What the panels say before a run: which end grows, what the headers tell of two volumes, what is missing."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from SSPELib.errors import InputError
from SSPELib.expansion.expander import DOUBTFUL_MM
from SSPELib.volume import Volume

from ..scene import provenance, volumes
from ..scene.straightening import assumptionOn

Sentence = tuple[str, bool]
"""A sentence, and whether it is to be heeded."""


def expansionPlan(upperNode: Any, lowerNode: Any, distanceMm: float) -> list[Sentence]:
    """Say which end of which volume will grow, and how the volumes lie to each other."""
    sentences = assumptions(upperNode, lowerNode)
    grows = {_("toward the feet"): upperNode, _("toward the head"): lowerNode}
    for toward, node in grows.items():
        if node is not None:
            text = _("{name} will grow by {distance} mm {toward}.")
            sentences.append((text.format(name=node.GetName(), distance=f"{distanceMm:.0f}", toward=toward), False))
    sentences += distanceSentences(distanceMm) if sentences else []
    if upperNode is None or lowerNode is None or upperNode is lowerNode:
        return sentences
    return sentences + _positions(upperNode, lowerNode, upperFirst=True)


def registrationPlan(fixedNode: Any, movingNode: Any, expandFirst: bool, distanceMm: float) -> list[Sentence]:
    """Say what will be expanded first, and how the volumes lie to each other."""
    if fixedNode is None or movingNode is None or fixedNode is movingNode:
        return []
    plain = [node for node in (fixedNode, movingNode) if provenance.originalOf(node) is None]
    sentences = assumptions(fixedNode, movingNode)
    if plain and expandFirst:
        names = _(" and ").join(node.GetName() for node in plain)
        text = _("{names} will be expanded by {distance} mm toward the other volume first.")
        sentences.append((text.format(names=names, distance=f"{distanceMm:.0f}"), False))
        sentences += distanceSentences(distanceMm)
    fixed, moving = (provenance.originalOf(node) or node for node in (fixedNode, movingNode))
    return sentences + _positions(fixed, moving, upperFirst=False)


def assumptions(*nodes: Any) -> list[Sentence]:
    """What was assumed of input volumes, or of those that they were expanded from: which were resampled, and why."""
    originals = [provenance.originalOf(node) or node for node in nodes if node is not None]
    found = [assumptionOn(node) for node in originals]
    return [(text, False) for text in found if text is not None]


def distanceSentences(distanceMm: float) -> list[Sentence]:
    """Warn of a distance at which the anatomy is a guess; the limit is the library's."""
    if distanceMm <= DOUBTFUL_MM:
        return []
    text = _("Errors add up with distance: beyond {limit} mm the anatomy shown is a guess.")
    return [(text.format(limit=f"{DOUBTFUL_MM:.0f}"), True)]


def _positions(firstNode: Any, secondNode: Any, upperFirst: bool) -> list[Sentence]:
    """How two volumes lie to each other; nothing where one of them cannot be used, which the button says."""
    from SSPELib.volume.overlap import predict_overlap

    try:
        first = volumes.headerFromNode(firstNode)
        second = volumes.headerFromNode(secondNode, beforeRegistration=True)
    except InputError:
        return []
    prediction = predict_overlap(first, second)
    sentences = [_frameSentence(first, second)]
    if upperFirst and prediction.upper == "moving":
        text = _("By the headers {lower} lies above {upper}. Exchange them if that is right.")
        sentences.append((text.format(lower=second.name, upper=first.name), True))
    if prediction.overlap_mm > 0:
        text = _("By the headers they overlap by {overlap} mm ({percent} % of the shorter one).")
        words = text.format(overlap=f"{prediction.overlap_mm:.0f}", percent=f"{prediction.percent:.0f}")
    else:
        words = _("By the headers there is a gap of {gap} mm between them.").format(gap=f"{-prediction.overlap_mm:.0f}")
    return [*sentences, (words, False)]


def _frameSentence(first: Volume, second: Volume) -> Sentence:
    if first.frame_of_reference is None or second.frame_of_reference is None:
        return _("Whether they share a frame of reference is not known (no DICOM header)."), False
    if first.frame_of_reference == second.frame_of_reference:
        return _("They share a frame of reference: their positions can be trusted."), False
    return _("They have different frames of reference: their positions may mean nothing."), True
