"""Copies of nodes with their parent transforms built in; the originals stay as they are."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

from SSPELib.errors import InputError

from . import dicom, marks, straightening
from .provenance import originalOf

OWN_PREFIX = "SSPE"


def hardenedCopy(node: Any) -> Any:
    """Return a copy of a node, "NAME registered", where its parent transforms put it, under no transform itself.

    A volume that transforms shear or bend is resampled at right angles, its padding marked; label maps are not.

    Raises:
        InputError: the node is an expanded volume, whose synthetic slices would pass for real ones.
    """
    requireReal(node)
    name = slicer.mrmlScene.GenerateUniqueName(_("{name} registered").format(name=node.GetName()))
    if node.GetClassName() == "vtkMRMLScalarVolumeNode" and not straightening.isStraight(node):
        copy = straightening.straightenedCopy(node)
        copy.SetName(name)
        return copy
    copy = _copyOf(node, name)
    _forgetRoles(copy)
    copy.SetAndObserveTransformNodeID(node.GetTransformNodeID())
    copy.HardenTransform()
    noData = marks.noDataArray(node)
    if noData is not None:
        marks.markNoData(copy, noData > 0)
    return copy


def requireReal(node: Any) -> None:
    """Raise InputError where a node is an expanded volume, whose synthetic slices would pass for real ones."""
    if originalOf(node) is not None:
        text = _("{name} has synthetic slices, which would pass for real ones in a copy. Choose its original volume.")
        raise InputError(text.format(name=node.GetName()))


def _copyOf(node: Any, name: str) -> Any:
    """A copy with display and storage nodes of its own, beside the node in the subject hierarchy."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = dicom.itemOf(node) or hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)
    copied = slicer.vtkSlicerSubjectHierarchyModuleLogic.CloneSubjectHierarchyItem(hierarchy, item, name)
    return hierarchy.GetItemDataNode(copied)


def _forgetRoles(copy: Any) -> None:
    """A copy is no result of SSPE, and has no part in a registration."""
    roles: list[str] = []
    copy.GetNodeReferenceRoles(roles)
    for role in roles:
        if role.startswith(OWN_PREFIX):
            copy.RemoveNodeReferenceIDs(role)
    for name in copy.GetAttributeNames():
        if name.startswith(OWN_PREFIX):
            copy.RemoveAttribute(name)
