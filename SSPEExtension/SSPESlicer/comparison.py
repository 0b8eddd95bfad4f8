"""Showing two volumes where they meet: blended, in alternating squares, switching, or side by side, in linked views."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
from numpy.typing import NDArray
from slicer.i18n import tr as _

from SSPELib.volume import Volume

from . import joined, layouts, marks, own_nodes, volumes
from .volumes import RAS_TO_LPS, copyDisplay

FLICKER_MILLISECONDS = 600
VIEW_MARGIN = 1.05
MODES = ("blend", "checkerboard", "flicker", "sideBySide")


class Comparison:
    """Shows a fixed volume (background, or left) and a moving one (foreground, or right) in linked slice views.

    The background of a blend is a joined volume that is not saved with the scene: who loads one calls `show` again.
    """

    def __init__(self) -> None:
        self._nodes: tuple[Any, Any] = (None, None)
        self._mode = "blend"
        self._opacity = 0.5
        self._views: list[str] = []
        self._board: Any = None
        self._timer: Any = None

    def show(self, fixedNode: Any, movingNode: Any, mode: str = "blend", center: bool = True) -> None:
        """Show two volumes in a mode of MODES; `center` brings the junction to the middle of the views."""
        self._stopFlicker()
        self._removeBoard()
        self._nodes, self._mode = (fixedNode, movingNode), mode
        volumes.showInOneWindow([fixedNode, movingNode])
        if mode == "sideBySide":
            self._views = layouts.showSideBySide()
        else:
            self._views = layouts.showThreeSlices()
        background, foreground = self._nodes
        if mode == "checkerboard":
            text = _("{fixed} and {moving} in squares")
            background, foreground = self._makeBoard(joined.checkerboard(*self._nodes), text), None
        elif mode != "sideBySide":
            background = self._makeBoard(joined.continued(*self._nodes), _("{fixed}, continued by {moving}"))
        for name, composite in self._composites():
            composite.SetLinkedControl(1)
            composite.SetClipToBackgroundVolume(False)
            composite.SetForegroundOpacity(1.0 if mode == "flicker" else self._opacity)
            right = mode == "sideBySide" and name in layouts.RIGHT_VIEWS
            composite.SetBackgroundVolumeID((foreground if right else background).GetID())
            above = foreground if foreground is not None and mode != "sideBySide" else None
            composite.SetForegroundVolumeID(above.GetID() if above is not None else None)
        self._tintInOwnViews()
        if mode == "flicker":
            self._startFlicker()
        if center:
            self.centerOnJunction()

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
        """Stop flickering and take away what was made for the comparison."""
        self._stopFlicker()
        self._removeBoard()
        self._nodes, self._views = (None, None), []

    def _tintInOwnViews(self) -> None:
        """Side by side, the synthetic slices of a volume are tinted only where that volume is shown."""
        for node, names in zip(self._nodes, (layouts.LEFT_VIEWS, layouts.RIGHT_VIEWS), strict=True):
            displayNode = marks.tintOf(node)
            if displayNode is None:
                continue
            displayNode.RemoveAllViewNodeIDs()
            for name in names if self._mode == "sideBySide" else ():
                logic = layouts.sliceLogic(name)
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

    def _makeBoard(self, volume: Volume, name: str) -> Any:
        """Make the node of a joined volume, which lives as long as the comparison."""
        fixedNode, movingNode = self._nodes
        name = name.format(fixed=fixedNode.GetName(), moving=movingNode.GetName())
        self._board = own_nodes.addHiddenNode("vtkMRMLScalarVolumeNode", name)
        slicer.util.updateVolumeFromArray(self._board, volume.array)
        self._board.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(RAS_TO_LPS @ volume.index_to_lps))
        copyDisplay(fixedNode, self._board)
        return self._board

    def _removeBoard(self) -> None:
        """Take the joined volume away; the views that showed it show the fixed volume."""
        if self._board is not None and slicer.mrmlScene.IsNodePresent(self._board):
            fixedNode = self._nodes[0]
            behind = fixedNode.GetID() if slicer.mrmlScene.IsNodePresent(fixedNode) else None
            for _name, composite in self._composites():
                if composite.GetBackgroundVolumeID() == self._board.GetID():
                    composite.SetBackgroundVolumeID(behind)
            own_nodes.removeNode(self._board)
        self._board = None


def junction(fixedNode: Any, movingNode: Any) -> tuple[NDArray[np.float64], float]:
    """Return the point (RAS mm) in the middle of where two volumes meet, or come nearest, and a view size, mm."""
    boxes = [volumes.worldBounds(node) for node in (fixedNode, movingNode)]
    low = np.maximum(boxes[0][:, 0], boxes[1][:, 0])
    high = np.minimum(boxes[0][:, 1], boxes[1][:, 1])
    extent = max(box[axis, 1] - box[axis, 0] for box in boxes for axis in (0, 1))
    return (low + high) / 2, float(extent)
