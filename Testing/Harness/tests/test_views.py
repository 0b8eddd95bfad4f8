"""Live slice views: what they show, how they scroll, how linked ones follow, and pictures of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest


@pytest.fixture
def ball(slicer_session: Any) -> Any:
    """A bright ball of radius 30 mm around (0, 0, 0) on a dark ground, shown in all slice views."""
    import slicer

    k, j, i = numpy.mgrid[0:40, 0:50, 0:50]
    inside = (2 * i - 50) ** 2 + (2 * j - 50) ** 2 + (3 * k - 60) ** 2 < 900
    ijkToRas = numpy.array([[-2.0, 0, 0, 50], [0, -2, 0, 50], [0, 0, 3, -60], [0, 0, 0, 1]])
    volume = slicer.util.addVolumeFromArray((inside * 1000 - 500).astype(numpy.int16), ijkToRas, "Ball")
    volume.GetDisplayNode().SetAutoWindowLevel(False)
    volume.GetDisplayNode().SetWindowLevelMinMax(-500, 500)
    slicer_session.mainWindow.show()
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    slicer_session.processEvents(0.1)
    return volume


def _pixels(widget: Any) -> numpy.ndarray:
    """Gray values (rows, columns) as the user sees them."""
    import qt

    image = widget.grab().toImage().convertToFormat(qt.QImage.Format_Grayscale8)
    data = numpy.frombuffer(image.constBits(), numpy.uint8).reshape(image.height(), image.bytesPerLine())
    return data[:, : image.width()].copy()


def _view(name: str) -> Any:
    import slicer

    return slicer.app.layoutManager().sliceWidget(name).sliceView()


def _scroll(view: Any, notches: int) -> None:
    import qt
    from PySide6 import QtCore

    center = QtCore.QPointF(view.width / 2, view.height / 2)
    event = qt.QWheelEvent(
        center,
        view.mapToGlobal(center),
        QtCore.QPoint(),
        QtCore.QPoint(0, 120 * notches),
        qt.Qt.NoButton,
        qt.Qt.NoModifier,
        qt.Qt.NoScrollPhase,
        False,
    )
    qt.QApplication.sendEvent(view, event)


def _offset(name: str) -> float:
    import slicer

    return slicer.app.layoutManager().sliceWidget(name).sliceLogic().GetSliceOffset()


def test_the_picture_shows_the_ball(ball: Any) -> None:
    pixels = _pixels(_view("Red"))
    rows, columns = pixels.shape
    assert pixels[rows // 2, columns // 2] > 240
    assert pixels[rows // 2, columns // 2 - rows // 2 + 12] < 15
    diameter = (pixels[rows // 2] > 127).sum() / (rows / 100)  # the 100 mm field of view fills the height
    assert diameter == pytest.approx(60, abs=4)


def test_the_wheel_moves_the_slice_by_its_thickness(slicer_session: Any, ball: Any) -> None:
    before = _offset("Red")
    bright = (_pixels(_view("Red")) > 127).sum()
    _scroll(_view("Red"), 1)
    assert _offset("Red") == pytest.approx(before + 3)
    for _ in range(8):
        _scroll(_view("Red"), 1)
    slicer_session.processEvents(0.05)
    assert (_pixels(_view("Red")) > 127).sum() < 0.6 * bright


def test_linked_views_follow(slicer_session: Any, ball: Any) -> None:
    import slicer

    manager = slicer.app.layoutManager()
    manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutTwoOverTwoView)
    for name in ("Red", "Yellow"):
        manager.sliceWidget(name).mrmlSliceNode().SetOrientation("Axial")
    manager.sliceWidget("Yellow").sliceLogic().SetSliceOffset(_offset("Red"))
    before = _offset("Yellow")
    _scroll(_view("Red"), 1)
    assert _offset("Yellow") == before
    manager.sliceWidget("Red").setSliceLink(True)
    _scroll(_view("Red"), 1)
    assert _offset("Yellow") == pytest.approx(_offset("Red"))
    assert manager.sliceWidget("Yellow").sliceController().sliceOffsetSlider().value == pytest.approx(
        _offset("Red"), abs=0.01
    )


def test_the_offset_slider_moves_the_slice(ball: Any) -> None:
    import slicer

    slider = slicer.app.layoutManager().sliceWidget("Green").sliceController().sliceOffsetSlider()
    slider.setValue(20.0)
    assert _offset("Green") == pytest.approx(20.0)
    slicer.app.layoutManager().sliceWidget("Green").sliceLogic().SetSliceOffset(-10.0)
    assert slider.value == pytest.approx(-10.0)


def test_a_foreground_is_blended(slicer_session: Any, ball: Any) -> None:
    import slicer

    volumes = slicer.modules.volumes.logic()
    black = volumes.CloneVolume(slicer.mrmlScene, ball, "Black")
    slicer.util.arrayFromVolume(black)[:] = -500
    slicer.util.arrayFromVolumeModified(black)
    slicer.util.setSliceViewerLayers(foreground=black, foregroundOpacity=0.5)
    slicer_session.processEvents(0.05)
    pixels = _pixels(_view("Red"))
    assert int(pixels[pixels.shape[0] // 2, pixels.shape[1] // 2]) == pytest.approx(127, abs=4)


def test_a_segmentation_tints_the_slice(slicer_session: Any, ball: Any) -> None:
    import slicer

    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Marks")
    segmentation.CreateDefaultDisplayNodes()
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(ball)
    segment = segmentation.GetSegmentation().AddEmptySegment("synthetic", "synthetic", (1.0, 0.0, 0.0))
    mask = (slicer.util.arrayFromVolume(ball) > 0).astype(numpy.uint8)
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, segmentation, segment, ball)
    slicer_session.processEvents(0.1)
    color = _view("Red").grab().toImage().pixelColor(_view("Red").width // 2, _view("Red").height // 2)
    assert color.red() > color.green() + 60


def test_a_landmark_shows_in_its_slice_only(slicer_session: Any, ball: Any) -> None:
    import slicer

    landmarks = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "L")
    landmarks.CreateDefaultDisplayNodes()
    landmarks.GetDisplayNode().SetSelectedColor(0.0, 1.0, 0.0)
    landmarks.GetDisplayNode().SetPointLabelsVisibility(False)
    landmarks.AddControlPoint(0.0, 0.0, 0.0)
    logic = slicer.app.layoutManager().sliceWidget("Red").sliceLogic()
    logic.GetSliceNode().JumpSliceByCentering(0.0, 0.0, 0.0)
    colors = []
    for offset in (0.0, 30.0):
        logic.SetSliceOffset(offset)
        slicer_session.processEvents(0.05)
        color = _view("Red").grab().toImage().pixelColor(_view("Red").width // 2, _view("Red").height // 2)
        colors.append(color.green() - color.red())
    assert colors[0] > 100
    assert abs(colors[1]) < 10


def test_a_custom_layout_gets_its_own_view(slicer_session: Any, ball: Any) -> None:
    import slicer

    description = (
        '<layout type="vertical"><item><view class="vtkMRMLSliceNode" singletontag="Compare">'
        '<property name="orientation" action="default">Coronal</property></view></item></layout>'
    )
    manager = slicer.app.layoutManager()
    manager.layoutLogic().GetLayoutNode().AddLayoutDescription(5551, description)
    manager.setLayout(5551)
    slicer_session.processEvents(0.05)
    assert "Compare" in manager.sliceViewNames()
    assert manager.sliceWidget("Compare").isVisible()
    assert not manager.sliceWidget("Red").isVisible()
    assert manager.sliceWidget("Compare").sliceOrientation == "Coronal"


def test_screenshots_are_written_where_the_environment_says(
    slicer_session: Any, ball: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import qt

    from slicer_harness.failures import HarnessError

    monkeypatch.delenv("SLICER_HARNESS_SCREENSHOTS", raising=False)
    assert slicer_session.screenshot("nothing") is None
    monkeypatch.setenv("SLICER_HARNESS_SCREENSHOTS", str(tmp_path / "shots"))
    path = slicer_session.screenshot("01-ball")
    image = qt.QImage(str(path))
    assert (image.width(), image.height()) == (1280, 860)
    with pytest.raises(HarnessError):
        slicer_session.screenshot("../outside")
