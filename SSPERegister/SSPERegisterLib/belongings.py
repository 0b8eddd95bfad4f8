"""What belongs to the moving scan and should move along: structures, points, surfaces, doses, other images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import slicer
from slicer.i18n import tr as _

from SSPELib.errors import InputError
from SSPESlicer.scene import dicom, geometry, marks, provenance, results

from . import placement

VOLUME = "vtkMRMLScalarVolumeNode"
CARRIED = ("vtkMRMLSegmentationNode", "vtkMRMLMarkupsNode", "vtkMRMLModelNode", VOLUME)
DOSE_ATTRIBUTE = "DicomRtImport.DoseVolume"


@dataclass(frozen=True)
class Belonging:
    """A node that could move along.

    Attributes:
        node: a segmentation, markups, a model or another volume.
        reason: how it belongs to the moving scan, in words.
        isExpected: whether it moves along unless somebody decides otherwise.
        whyNot: why it cannot move along, None where it can.
    """

    node: Any
    reason: str
    isExpected: bool
    whyNot: str | None = None

    @property
    def label(self) -> str:
        """Name and reason in one line."""
        return _("{name}: {reason}").format(name=self.node.GetName(), reason=self.reason)

    @property
    def toolTip(self) -> str:
        """Why it cannot move along, or what it is and how it belongs to the moving scan."""
        text = _("{name} ({kind}): {reason}")
        return self.whyNot or text.format(name=self.node.GetName(), kind=kindOf(self.node), reason=self.reason)


def belongingsOf(movingNode: Any, fixedNode: Any = None, without: Sequence[Any] = ()) -> list[Belonging]:
    """Return what could move along with a moving volume, what is expected to first.

    Expected is what was made on the moving scan, lies in its DICOM frame of reference or, where no frame is known, in
    its study; but only where that does not hold for the fixed volume just as well.

    Args:
        without: nodes that are left out, landmarks for example.
    """
    scans = [provenance.originalOf(node) or node for node in (movingNode, fixedNode) if node is not None]
    own = [node for scan in scans for node in placement.family(scan)]
    own += [node for volume in slicer.util.getNodesByClass(VOLUME) for node in marks.markingsOf(volume)]
    found = [
        _belonging(node, scans[0], scans[1] if len(scans) > 1 else None)
        for kind in CARRIED
        for node in slicer.util.getNodesByClass(kind)
        if not node.GetHideFromEditors()
        and node not in own
        and node not in without
        and provenance.originalOf(node) is None
        and not results.isResult(node)
    ]
    return sorted(found, key=lambda one: (not one.isExpected, one.node.GetName().lower()))


def kindOf(node: Any) -> str:
    """Return what a node is, in a word."""
    if node.GetAttribute(DOSE_ATTRIBUTE) is not None:
        return _("dose")
    if node.IsA(VOLUME) and dicom.modalityOf(node) == "PT":
        return _("PET")
    kinds = {
        "vtkMRMLSegmentationNode": _("segmentation"),
        "vtkMRMLMarkupsNode": _("markups"),
        "vtkMRMLModelNode": _("model"),
        "vtkMRMLLabelMapVolumeNode": _("label map"),
    }
    return next((word for kind, word in kinds.items() if node.IsA(kind)), _("volume"))


def _belonging(node: Any, moving: Any, fixed: Any) -> Belonging:
    reason, isExpected = _reason(node, moving, fixed)
    whyNot = None
    try:
        geometry.parentToWorld(node, beforeRegistration=True)
    except InputError as error:
        whyNot = str(error)
    return Belonging(node, reason, isExpected and whyNot is None, whyNot)


def _reason(node: Any, moving: Any, fixed: Any) -> tuple[str, bool]:
    madeOn = next((scan for scan in (moving, fixed) if scan is not None and _wasMadeOn(node, scan)), None)
    if madeOn is not None:
        return _("made on {scan}").format(scan=madeOn.GetName()), madeOn is moving
    frame, frames = dicom.frameOfReference(node), [_frameOf(scan) for scan in (moving, fixed)]
    if frame is not None and frame in frames:
        if frames[0] == frames[1]:
            return _("frame of reference of both volumes"), False
        scan = moving if frame == frames[0] else fixed
        return _("frame of reference of {scan}").format(scan=scan.GetName()), scan is moving
    if frame is not None and None not in frames:
        return _("another frame of reference"), False
    study, studies = dicom.studyOf(node), [_studyOf(scan) for scan in (moving, fixed)]
    if study is not None and study in studies:
        if studies[0] == studies[1]:
            return _("study of both volumes"), False
        scan = moving if study == studies[0] else fixed
        return _("study of {scan}").format(scan=scan.GetName()), scan is moving and frame is None
    return _("link not known"), False


def _wasMadeOn(node: Any, scan: Any) -> bool:
    """Whether a node refers to a scan: by slices, by the grid of a segmentation, or as its child in the hierarchy."""
    if set(dicom.referencedBy(node)) & set(dicom.instancesOf(scan)):
        return True
    if node.IsA("vtkMRMLSegmentationNode"):
        grid = node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole())
        if grid is not None and (provenance.originalOf(grid) or grid) is scan:
            return True
    parent, item = dicom.parentItemOf(node), dicom.itemOf(scan)
    return bool(item) and parent == item


def _frameOf(scan: Any) -> str | None:
    return dicom.frameOfReference(scan) if scan is not None else None


def _studyOf(scan: Any) -> int | None:
    return dicom.studyOf(scan) if scan is not None else None
