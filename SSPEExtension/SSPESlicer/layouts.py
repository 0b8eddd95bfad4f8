"""Arrangements of slice views: three directions of one scene, or two volumes side by side in coronal and sagittal."""

from __future__ import annotations

from typing import Any

import slicer

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
