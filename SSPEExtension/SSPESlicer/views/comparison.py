"""Showing two volumes where they meet: in colors, blended, in squares, switching, or side by side, in linked views."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
from numpy.typing import NDArray
from slicer.i18n import tr as _

from SSPELib import colors

from ..scene import display, geometry, marks, own_nodes
from ..scene.display import copyDisplay
from . import joined, layouts

FLICKER_MILLISECONDS = 600
VIEW_MARGIN = 1.05
MODES = ("color", "blend", "checkerboard", "flicker", "sideBySide")
SHADES = 256


class Comparison:
    """Shows a fixed volume (background, or left) and a moving one (foreground, or right) in linked slice views.

    Most modes show hidden nodes in place of the volumes, which are not saved with the scene: who loads one calls `show`
    again. The views show the planes of the fixed volume until `stop`.
    """

    def __init__(self) -> None:
        self._nodes: tuple[Any, Any] = (None, None)
        self._mode = MODES[0]
        self._opacity = 0.5
        self._views: list[str] = []
        self._made: list[Any] = []
        self._timer: Any = None

    def show(self, fixedNode: Any, movingNode: Any, mode: str = MODES[0], center: bool = True) -> None:
        """Show two volumes in a mode of MODES; `center` brings the junction to the middle of the views."""
        self._stopFlicker()
        earlier, self._made = self._made, []
        self._nodes, self._mode = (fixedNode, movingNode), mode
        display.shareWindowLevel([fixedNode, movingNode])
        self._views = layouts.showSideBySide() if mode == "sideBySide" else layouts.showThreeSlices()
        layouts.showPlanesOf(fixedNode, self._views)
        background, foreground = self._layers()
        for name, composite in self._composites():
            right = name in layouts.RIGHT_VIEWS
            composite.SetLinkedControl(1)
            composite.SetClipToBackgroundVolume(False)
            composite.SetCompositing(composite.Add if mode == "color" else composite.Alpha)
            composite.SetForegroundOpacity(self._opacity if mode in ("blend", "sideBySide") else 1.0)
            composite.SetBackgroundVolumeID((movingNode if right else background).GetID())
            composite.SetForegroundVolumeID(foreground.GetID() if foreground is not None else None)
        for node in earlier:
            own_nodes.removeNode(node)
        self._tintInOwnViews()
        if mode == "flicker":
            self._startFlicker()
        if center:
            self.centerOnJunction()

    def _layers(self) -> tuple[Any, Any]:
        """The nodes that the views show: background and foreground."""
        fixedNode, movingNode = self._nodes
        if self._mode == "sideBySide":
            return fixedNode, None
        if self._mode == "color":
            return self._inColor(fixedNode, movingNode, colors.FIXED), self._inColor(
                movingNode, fixedNode, colors.MOVING
            )
        name = _("{fixed}, continued by {moving}").format(fixed=fixedNode.GetName(), moving=movingNode.GetName())
        background = self._make(name, *joined.continued(fixedNode, movingNode), fixedNode)
        return background, self._inSquares(movingNode) if self._mode == "checkerboard" else movingNode

    def _inColor(self, node: Any, other: Any, color: str) -> Any:
        made = self._make(_("{name} in color").format(name=node.GetName()), *joined.padded(node, other), node)
        table = own_nodes.addHiddenNode("vtkMRMLColorTableNode", f"{node.GetName()} {color}")
        table.SetTypeToUser()
        table.SetNumberOfColors(SHADES)
        for shade in range(SHADES):
            table.SetColor(shade, str(shade), *(part * shade / (SHADES - 1) for part in colors.rgb(color)), 1.0)
        made.GetDisplayNode().SetAndObserveColorNodeID(table.GetID())
        self._made.append(table)
        return made

    def _inSquares(self, node: Any) -> Any:
        array, least = joined.squares(node)
        made = self._make(_("{name} in squares").format(name=node.GetName()), array, geometry.ijkToWorld(node), node)
        display = made.GetDisplayNode()
        display.SetThreshold(least, np.finfo(np.float32).max)
        display.SetApplyThreshold(True)  # what lies below is transparent
        return made

    def _make(self, name: str, array: NDArray[Any], toWorld: NDArray[np.float64], like: Any) -> Any:
        """Make a hidden node that lives as long as the comparison, under no transform, and looks like another one."""
        made = own_nodes.addHiddenNode("vtkMRMLScalarVolumeNode", name)
        self._made.append(made)
        copyDisplay(like, made)  # before the voxels come, of which Slicer would look for a window of its own
        made.GetDisplayNode().SetSaveWithScene(False)
        made.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(toWorld))
        made.SetAndObserveImageData(joined.imageOf(array))
        return made

    @property
    def isShown(self) -> bool:
        """Whether the views show a comparison."""
        return bool(self._views)

    def setBlend(self, opacity: float) -> None:
        """Set the share of the moving volume, 0 to 1, in every view at once."""
        self._opacity = opacity
        if self._mode == "blend":
            self._setForegroundOpacity(opacity)

    def centerOnJunction(self) -> None:
        """Bring the place where the volumes meet to the middle of the views, at a size that shows both sides."""
        point, extent = junction(*self._nodes)
        for name in self._views:
            logic = layouts.sliceLogic(name)
            if logic is None:
                continue
            sliceNode = logic.GetSliceNode()
            logic.FitSliceToBackground()
            sliceNode.JumpSliceByCentering(*point)
            width, height, depth = sliceNode.GetFieldOfView()
            factor = VIEW_MARGIN * extent / max(min(width, height), 1.0)
            sliceNode.SetFieldOfView(width * factor, height * factor, depth)
            sliceNode.UpdateMatrices()

    def forget(self, node: Any) -> None:
        """Stop where one of the two volumes is about to go."""
        if node in self._nodes:
            self.stop()

    def stop(self) -> None:
        """Show the volumes themselves again, take away what was made, and give the views their own planes back."""
        self._stopFlicker()
        fixedNode = self._nodes[0]
        shown = fixedNode.GetID() if fixedNode is not None and slicer.mrmlScene.IsNodePresent(fixedNode) else None
        for _name, composite in self._composites():
            composite.SetCompositing(composite.Alpha)
            for node in self._made:
                if composite.GetBackgroundVolumeID() == node.GetID():
                    composite.SetBackgroundVolumeID(shown)
                if composite.GetForegroundVolumeID() == node.GetID():
                    composite.SetForegroundVolumeID(None)
        for node in self._made:
            own_nodes.removeNode(node)
        self._made = []
        layouts.giveBackPlanes()
        self._nodes, self._views = (None, None), []

    def _tintInOwnViews(self) -> None:
        """Side by side, the synthetic slices of a volume are tinted only where that volume is shown."""
        for node, names in zip(self._nodes, (layouts.LEFT_VIEWS, layouts.RIGHT_VIEWS), strict=True):
            logics = [layouts.sliceLogic(name) for name in names] if self._mode == "sideBySide" else []
            for displayNode in marks.tintsOf(node):
                displayNode.RemoveAllViewNodeIDs()
                for logic in logics:
                    if logic is not None:
                        displayNode.AddViewNodeID(logic.GetSliceNode().GetID())

    def _composites(self) -> list[tuple[str, Any]]:
        logics = [(name, layouts.sliceLogic(name)) for name in self._views]
        return [(name, logic.GetSliceCompositeNode()) for name, logic in logics if logic is not None]

    def _setForegroundOpacity(self, opacity: float) -> None:
        for _name, composite in self._composites():
            composite.SetForegroundOpacity(opacity)

    def _startFlicker(self) -> None:
        import qt

        self._timer = qt.QTimer()
        self._timer.setInterval(FLICKER_MILLISECONDS)
        self._timer.connect("timeout()", self._onFlicker)
        self._timer.start()

    def _onFlicker(self) -> None:
        shown = [composite.GetForegroundOpacity() for _name, composite in self._composites()]
        self._setForegroundOpacity(0.0 if shown and shown[0] > 0.5 else 1.0)

    def _stopFlicker(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
            self._setForegroundOpacity(self._opacity)


def junction(fixedNode: Any, movingNode: Any) -> tuple[NDArray[np.float64], float]:
    """Return the point (RAS mm) in the middle of where two volumes meet, or come nearest, and a view size, mm."""
    boxes = [geometry.worldBounds(node) for node in (fixedNode, movingNode)]
    low = np.maximum(boxes[0][:, 0], boxes[1][:, 0])
    high = np.minimum(boxes[0][:, 1], boxes[1][:, 1])
    extent = max(box[axis, 1] - box[axis, 0] for box in boxes for axis in (0, 1))
    return (low + high) / 2, float(extent)
