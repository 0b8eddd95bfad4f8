"""What DICOM knows of a node, as Slicer keeps it: instances, study and frame of reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer

INSTANCES_ATTRIBUTE = "DICOM.instanceUIDs"
FRAME_OF_REFERENCE_TAG = "0020,0052"


def instancesOf(node: Any) -> list[str]:
    """Return the instance UIDs of the slices or the object that a node was loaded from; none for other nodes."""
    listed, item = node.GetAttribute(INSTANCES_ATTRIBUTE), itemOf(node)
    if not listed and item:
        listed = _hierarchy().GetItemUID(item, _names().GetDICOMInstanceUIDName())
    return (listed or "").split()


def referencedBy(node: Any) -> list[str]:
    """Return the instance UIDs that a node refers to: the slices on which a structure was drawn, for example."""
    return (_itemAttribute(node, _names().GetDICOMReferencedInstanceUIDsAttributeName()) or "").split()


def frameOfReference(node: Any) -> str | None:
    """Return the DICOM frame of reference of a node that was loaded through Slicer's DICOM database."""
    instances, database = instancesOf(node), _database()
    if instances and database is not None:
        found = database.instanceValue(instances[0], FRAME_OF_REFERENCE_TAG)
        if found:
            return str(found)
    return _itemAttribute(node, _names().GetDICOMFrameOfReferenceUIDAttributeName())


def filesOf(node: Any) -> list[Path]:
    """Return the files of the slices of a volume; none where one of them is not in Slicer's DICOM database any more."""
    database = _database()
    files = [database.fileForInstance(uid) for uid in instancesOf(node)] if database is not None else []
    paths = [Path(file) for file in files if file]
    return paths if len(paths) == len(files) and all(path.is_file() for path in paths) else []


def modalityOf(node: Any) -> str | None:
    """Return the DICOM modality of a node: CT, PT and so on."""
    return _itemAttribute(node, _names().GetDICOMSeriesModalityAttributeName())


def studyOf(node: Any) -> int | None:
    """Return the study of a node in the subject hierarchy; None where it lies under none."""
    item = itemOf(node)
    return (_hierarchy().GetItemAncestorAtLevel(item, _names().GetDICOMLevelStudy()) or None) if item else None


def itemOf(node: Any) -> int:
    """Return the item of a node in the subject hierarchy; 0 where it has none."""
    item: int = _hierarchy().GetItemByDataNode(node)
    return item


def parentItemOf(node: Any) -> int:
    """Return the item above that of a node in the subject hierarchy; 0 where it has none."""
    parent: int = _hierarchy().GetItemParent(itemOf(node)) if itemOf(node) else 0
    return parent


def putBeside(node: Any, other: Any) -> None:
    """Put a node beside another one in the subject hierarchy: Slicer exports what lies under a study."""
    hierarchy, parent = _hierarchy(), parentItemOf(other)
    if parent:
        hierarchy.SetItemParent(itemOf(node) or hierarchy.CreateItem(parent, node), parent)


def shareFrameOfReference(node: Any, other: Any) -> None:
    """Give a copy of a node, whose slices are no DICOM instances, the frame of reference of that node."""
    frame = frameOfReference(other)
    if frame is not None:
        hierarchy = _hierarchy()
        item = itemOf(node) or hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)
        hierarchy.SetItemAttribute(item, _names().GetDICOMFrameOfReferenceUIDAttributeName(), frame)


def describeRegistration(transformNode: Any, fixedNode: Any, movingNode: Any) -> None:
    """Say what a transform registers, as the export of a spatial registration (SlicerRT) and Slicer itself read it.

    References to both volumes, the slices of both by their instance UIDs, and a place under the fixed volume's study.
    """
    transformNode.SetNodeReferenceID(transformNode.GetFixedNodeReferenceRole(), fixedNode.GetID())
    transformNode.SetNodeReferenceID(transformNode.GetMovingNodeReferenceRole(), movingNode.GetID())
    putBeside(transformNode, fixedNode)
    item = itemOf(transformNode)
    if item:
        referenced = " ".join([*instancesOf(fixedNode), *instancesOf(movingNode)])
        _hierarchy().SetItemAttribute(item, _names().GetDICOMReferencedInstanceUIDsAttributeName(), referenced)


def _itemAttribute(node: Any, name: str) -> str | None:
    item = itemOf(node)
    return (_hierarchy().GetItemAttribute(item, name) or None) if item else None


def _hierarchy() -> Any:
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)


def _names() -> Any:
    return slicer.vtkMRMLSubjectHierarchyConstants


def _database() -> Any:
    return getattr(slicer, "dicomDatabase", None)
