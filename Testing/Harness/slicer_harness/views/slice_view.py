"""The picture of a slice: VTK renders it offscreen, and the widget paints it as an image."""

from __future__ import annotations

from typing import Any

import slicer
import vtk
from PySide6 import QtCore, QtGui, QtWidgets
from vtk.util.numpy_support import vtk_to_numpy

_DISPLAYABLE_MANAGERS = (
    "vtkMRMLVolumeGlyphSliceDisplayableManager",
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLCrosshairDisplayableManager",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLTransformsDisplayableManager2D",
)


class qMRMLSliceView(QtWidgets.QWidget):
    """Renders when it is painted, so hidden views cost nothing; the wheel and the arrow keys move the slice."""

    def __init__(self, logic: Any, applicationLogic: Any, controller: Any) -> None:
        super().__init__()
        self._logic = logic
        self._applicationLogic = applicationLogic
        self._controller = controller
        self._picture: QtGui.QImage | None = None
        self._renderWindow: Any = None
        self._managers: Any = None
        self.setMinimumSize(80, 80)
        self.setFocusPolicy(QtCore.Qt.StrongFocus)
        self.setSizePolicy(QtWidgets.QSizePolicy.Expanding, QtWidgets.QSizePolicy.Expanding)

    def mrmlSliceNode(self) -> Any:
        return self._logic.GetSliceNode()

    def renderWindow(self) -> Any:
        """The VTK window, made when it is first needed."""
        if self._renderWindow is None:
            self._renderWindow = vtk.vtkRenderWindow()
            self._renderWindow.SetOffScreenRendering(1)
            self._renderWindow.SetMultiSamples(0)
            self._renderer = vtk.vtkRenderer()
            self._renderer.SetBackground(0.0, 0.0, 0.0)
            self._renderWindow.AddRenderer(self._renderer)
            self._mapper = vtk.vtkImageMapper()
            self._mapper.SetColorWindow(255)
            self._mapper.SetColorLevel(127.5)
            self._imageActor = vtk.vtkActor2D()
            self._imageActor.SetMapper(self._mapper)
            self._imageActor.GetProperty().SetDisplayLocationToBackground()
            self._imageActor.VisibilityOff()
            self._renderer.AddViewProp(self._imageActor)  # before what is drawn over it: the order of adding counts
            self._interactor = vtk.vtkGenericRenderWindowInteractor()
            self._interactor.SetRenderWindow(self._renderWindow)
            self._addDisplayableManagers()
        return self._renderWindow

    def _addDisplayableManagers(self) -> None:
        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        factory.SetMRMLApplicationLogic(self._applicationLogic)
        for name in _DISPLAYABLE_MANAGERS:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
        self._managers = factory.InstantiateDisplayableManagers(self._renderer)
        self._managers.SetMRMLDisplayableNode(self._logic.GetSliceNode())
        self._managers.AddObserver(vtk.vtkCommand.UpdateEvent, lambda _caller, _event: self.scheduleRender())

    def scheduleRender(self) -> None:
        if slicer.app._pausedRenders:
            return  # resumeRender() asks again
        self._picture = None
        self.update()

    def forceRender(self) -> None:
        """Renders now, whether the view shows or not."""
        self._render()
        self.update()

    def _render(self) -> None:
        window = self.renderWindow()
        width, height = max(self.width, 16), max(self.height, 16)
        window.SetSize(width, height)
        self._resizeSlice(width, height)
        self._logic.UpdatePipeline()
        image = self._logic.GetImageDataConnection()
        if image is not None:
            self._mapper.SetInputConnection(image)
        self._imageActor.SetVisibility(image is not None)
        window.Render()
        grabber = vtk.vtkWindowToImageFilter()
        grabber.SetInput(window)
        grabber.SetInputBufferTypeToRGB()
        grabber.ReadFrontBufferOff()
        grabber.Update()
        output = grabber.GetOutput()
        columns, rows, _ = output.GetDimensions()
        pixels = vtk_to_numpy(output.GetPointData().GetScalars()).reshape(rows, columns, 3)[::-1].copy()
        self._picture = QtGui.QImage(pixels.data, columns, rows, 3 * columns, QtGui.QImage.Format_RGB888).copy()

    def _resizeSlice(self, width: int, height: int) -> None:
        if tuple(self._logic.GetSliceNode().GetDimensions()[:2]) != (width, height):
            self._logic.ResizeSliceNode(width, height)

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:
        if self._picture is None:
            self._render()
        painter = QtGui.QPainter(self)
        painter.drawImage(0, 0, self._picture)
        self._paintNames(painter)

    def _paintNames(self, painter: QtGui.QPainter) -> None:
        """The names of the volumes in the lower left corner, as Slicer's Data Probe shows them."""
        composite = self._logic.GetSliceCompositeNode()
        lines = []
        for letter, layer in (("F", composite.GetForegroundVolumeID()), ("B", composite.GetBackgroundVolumeID())):
            node = slicer.mrmlScene.GetNodeByID(layer) if layer else None
            if node is not None:
                share = f" ({100 * composite.GetForegroundOpacity():.0f}%)" if letter == "F" else ""
                lines.append(f"{letter}: {node.GetName()}{share}")
        painter.setPen(QtGui.QColor("#e6e6b4"))
        painter.drawText(
            self.rect.adjusted(6, 4, -6, -4), QtCore.Qt.AlignBottom | QtCore.Qt.AlignLeft, "\n".join(lines)
        )

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        self._picture = None
        self._resizeSlice(max(self.width, 16), max(self.height, 16))  # at once: what fits depends on it
        super().resizeEvent(event)

    def wheelEvent(self, event: QtGui.QWheelEvent) -> None:
        self._moveSlices(1 if event.angleDelta().y() > 0 else -1)
        event.accept()

    def keyPressEvent(self, event: QtGui.QKeyEvent) -> None:
        steps = {QtCore.Qt.Key_Up: 1, QtCore.Qt.Key_Right: 1, QtCore.Qt.Key_Down: -1, QtCore.Qt.Key_Left: -1}
        if event.key() in steps:
            self._moveSlices(steps[event.key()])
        else:
            super().keyPressEvent(event)

    def _moveSlices(self, steps: int) -> None:
        self._controller.moveSlice(steps * self._logic.GetLowestVolumeSliceSpacing()[2])
