"""Arrangements of slice views: three directions of one scene, or two volumes side by side in coronal and sagittal."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import slicer
from numpy.typing import NDArray

from ..scene.geometry import ijkToWorld

PLANE_ATTRIBUTE = "SSPE.PlaneBefore"
THREE_SLICES_ID = 27001
SIDE_BY_SIDE_ID = 27002

LEFT_VIEWS = ("Green", "Yellow")
RIGHT_VIEWS = ("SSPECoronal", "SSPESagittal")
_VIEWS = {
    "Red": ("Axial", "R", "#F34A33"),
    "Green": ("Coronal", "G", "#6EB04B"),
    "Yellow": ("Sagittal", "Y", "#EDD54C"),
    "SSPECoronal": ("Coronal", "C2", "#8CB04B"),
    "SSPESagittal": ("Sagittal", "S2", "#EDB54C"),
}


def showThreeSlices() -> list[str]:
    """Show coronal slices over the whole height, beside them sagittal over axial ones; return the views' names."""
    column = f'<item><layout type="vertical">{_item("Yellow")}{_item("Red")}</layout></item>'
    _arrange(THREE_SLICES_ID, f'<layout type="horizontal">{_item("Green")}{column}</layout>')
    return ["Green", "Yellow", "Red"]


def showSideBySide() -> list[str]:
    """Show coronal over sagittal slices in two columns, one for each volume; return the names of the views."""
    rows = "".join(
        f'<item><layout type="horizontal">{_item(left)}{_item(right)}</layout></item>'
        for left, right in zip(LEFT_VIEWS, RIGHT_VIEWS, strict=True)
    )
    _arrange(SIDE_BY_SIDE_ID, f'<layout type="vertical">{rows}</layout>')
    return [*LEFT_VIEWS, *RIGHT_VIEWS]


def showPlanesOf(volumeNode: Any, viewNames: list[str]) -> None:
    """Turn views into the planes of a volume, the nearest to their names; `giveBackPlanes` turns them back.

    Slicer turns its views into the plane of the volume that was loaded last.
    """
    axes = _axes(volumeNode)
    for name in viewNames:
        logic = sliceLogic(name)
        if logic is None:
            continue
        node = logic.GetSliceNode()
        if node.GetAttribute(PLANE_ATTRIBUTE) is None:
            before = slicer.util.arrayFromVTKMatrix(node.GetSliceToRAS())[:3, :3]
            node.SetAttribute(PLANE_ATTRIBUTE, json.dumps(before.tolist()))
        node.SetOrientation(_VIEWS[name][0])
        upright = slicer.util.arrayFromVTKMatrix(node.GetSliceToRAS())[:3, :3]
        _turn(node, axes @ upright)


def giveBackPlanes() -> None:
    """Turn the views back into the planes that they showed before `showPlanesOf`, where they are now."""
    for node in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
        before = node.GetAttribute(PLANE_ATTRIBUTE)
        if before is not None:
            node.RemoveAttribute(PLANE_ATTRIBUTE)
            _turn(node, np.array(json.loads(before)))


def _axes(volumeNode: Any) -> NDArray[np.float64]:
    """The unit vectors (columns) of a volume that lie nearest to R, A and S, pointing there."""
    matrix = ijkToWorld(volumeNode)[:3, :3]
    columns = matrix / np.linalg.norm(matrix, axis=0)
    order = max(itertools.permutations(range(3)), key=lambda order: np.abs(np.diag(columns[:, order])).sum())
    ordered = columns[:, order]
    return np.asarray(ordered * np.sign(np.diag(ordered)))


def _turn(sliceNode: Any, axes: NDArray[np.float64]) -> None:
    matrix = slicer.util.arrayFromVTKMatrix(sliceNode.GetSliceToRAS()).copy()
    matrix[:3, :3] = axes
    sliceNode.GetSliceToRAS().DeepCopy(slicer.util.vtkMatrixFromArray(matrix))
    sliceNode.UpdateMatrices()


def sliceLogic(viewName: str) -> Any:
    """The logic of a slice view of the current layout; None in a Slicer without views."""
    widget = slicer.app.layoutManager().sliceWidget(viewName) if slicer.app.layoutManager() is not None else None
    return widget.sliceLogic() if widget is not None else None


def _arrange(identifier: int, description: str) -> None:
    layoutManager = slicer.app.layoutManager()
    if layoutManager is None:  # Slicer without a main window
        return
    node = layoutManager.layoutLogic().GetLayoutNode()
    if not node.IsLayoutDescription(identifier):
        node.AddLayoutDescription(identifier, description)
    if layoutManager.layout != identifier:
        layoutManager.setLayout(identifier)
        slicer.app.processEvents()  # the views take their sizes, on which what they show depends


def _item(name: str) -> str:
    orientation, label, color = _VIEWS[name]
    return (
        f'<item><view class="vtkMRMLSliceNode" singletontag="{name}">'
        f'<property name="orientation" action="default">{orientation}</property>'
        f'<property name="viewlabel" action="default">{label}</property>'
        f'<property name="viewcolor" action="default">{color}</property></view></item>'
    )
