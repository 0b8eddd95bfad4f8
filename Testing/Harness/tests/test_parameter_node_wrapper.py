"""Typed parameters: kept in the node, validated, saved with the scene, in step with the widgets."""

import enum
import pathlib
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import pytest


class Side(enum.Enum):
    LEFT = "left side"
    RIGHT = "right side"

    def label(self) -> str:
        return self.value


@pytest.fixture
def wrapperClass(slicer_session: Any) -> Any:
    import slicer
    from slicer.parameterNodeWrapper import Choice, Default, Minimum, WithinRange, parameterNodeWrapper

    @parameterNodeWrapper
    class Parameters:
        count: Annotated[int, Minimum(0)] = 3
        distance: Annotated[float, WithinRange(0, 128)] = 64.0
        method: Annotated[str, Choice(["fast", "exact"])] = "exact"
        side: Side
        text: str
        active: bool = True
        folder: pathlib.Path = pathlib.Path("/tmp/äöü")
        pair: tuple[int, bool] = (7, True)
        names: list[str]
        weights: dict[str, float]
        volume: slicer.vtkMRMLScalarVolumeNode
        volumes: list[slicer.vtkMRMLScalarVolumeNode]
        generated: Annotated[str, Default(generator=lambda: "made")]
        maybe: float | None

    return Parameters


@pytest.fixture
def parameters(wrapperClass: Any) -> Any:
    import slicer

    return wrapperClass(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode"))


def test_defaults(parameters: Any) -> None:
    assert (parameters.count, parameters.distance, parameters.method) == (3, 64.0, "exact")
    assert (parameters.side, parameters.text, parameters.active) == (Side.LEFT, "", True)
    assert (parameters.folder, parameters.pair) == (pathlib.Path("/tmp/äöü"), (7, True))
    assert (parameters.names, parameters.weights, parameters.volumes) == ([], {}, [])
    assert (parameters.volume, parameters.generated, parameters.maybe) == (None, "made", None)


def test_a_second_wrapper_keeps_the_values_of_the_node(parameters: Any, wrapperClass: Any) -> None:
    import slicer

    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    parameters.count, parameters.distance, parameters.side = 9, 12.5, Side.RIGHT
    parameters.volume, parameters.volumes = volume, [volume]
    parameters.names.append("one")
    parameters.weights["a"] = 0.5
    parameters.maybe = 1.5
    again = wrapperClass(parameters.parameterNode)
    assert (again.count, again.distance, again.side) == (9, 12.5, Side.RIGHT)
    assert again.volume is volume
    assert again.volumes == [volume]
    assert (again.names, again.weights, again.maybe) == (["one"], {"a": 0.5}, 1.5)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("count", -1, ValueError),
        ("count", "3", TypeError),
        ("count", None, ValueError),
        ("distance", 128.5, ValueError),
        ("method", "slow", ValueError),
        ("side", "LEFT", TypeError),
        ("names", [3], TypeError),
        ("volume", "vtkMRMLScalarVolumeNode1", TypeError),
        ("distanse", 3.0, AttributeError),
    ],
)
def test_values_that_do_not_fit_raise(parameters: Any, name: str, value: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        setattr(parameters, name, value)
    assert parameters.count == 3


def test_deleting_the_node_clears_the_reference(parameters: Any) -> None:
    import slicer

    parameters.volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    slicer.mrmlScene.RemoveNode(parameters.volume)
    assert parameters.volume is None


def test_declarations_that_cannot_be_kept_raise(slicer_session: Any) -> None:
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    class Unsupported:
        value: object

    with pytest.raises(TypeError, match="keeps no values"):
        parameterNodeWrapper(Unsupported)


def test_widgets_and_parameters_follow_each_other(parameters: Any) -> None:
    import ctk
    import qt

    spin, slider, choice, side = qt.QSpinBox(), ctk.ctkSliderWidget(), qt.QComboBox(), qt.QComboBox()
    tag = parameters.connectParametersToGui({"count": spin, "distance": slider, "method": choice, "side": side})
    assert (spin.value, slider.value, slider.maximum) == (3, 64.0, 128.0)
    assert (choice.currentText, side.currentText) == ("exact", "left side")
    spin.value = 5
    slider.value = 32
    choice.setCurrentText("fast")
    side.setCurrentIndex(1)
    assert (parameters.count, parameters.distance) == (5, 32.0)
    assert (parameters.method, parameters.side) == ("fast", Side.RIGHT)
    parameters.distance = 96
    assert slider.value == 96.0
    parameters.disconnectGui(tag)
    slider.value = 1
    parameters.count = 8
    assert (parameters.distance, spin.value) == (96.0, 5)


def test_widgets_that_do_not_fit_raise(parameters: Any) -> None:
    import ctk
    import qt

    for name, widget in (("count", ctk.ctkSliderWidget()), ("active", qt.QPushButton()), ("text", qt.QSpinBox())):
        with pytest.raises(ValueError, match=name):
            parameters.connectParametersToGui({name: widget})
    with pytest.raises(ValueError, match="no parameter 'nothing'"):
        parameters.connectParametersToGui({"nothing": qt.QSpinBox()})


@pytest.mark.parametrize("extension", ["mrb", "mrml"])
def test_parameters_survive_saving_and_loading_the_scene(
    sample: SimpleNamespace, tmp_path: Path, extension: str
) -> None:
    slicer, ui = sample.slicer, sample.ui
    ui.inputSelector.setCurrentNode(sample.volume)
    ui.thresholdSlider.value = 123.4
    ui.noteEdit.text = "Grüße, 你好"
    folder = tmp_path / "Größe"
    folder.mkdir()
    assert slicer.util.saveNode(sample.volume, str(folder / "steps.nrrd"))
    path = str(folder / f"scene.{extension}")
    assert slicer.util.saveScene(path)
    slicer.mrmlScene.Clear(0)
    assert (ui.thresholdSlider.value, ui.inputSelector.currentNode()) == (100.0, None)
    slicer.util.loadScene(path)
    sample.session.processEvents()
    loaded = slicer.util.getNode("Steps")
    assert (ui.thresholdSlider.value, ui.noteEdit.text) == (123.4, "Grüße, 你好")
    assert ui.inputSelector.currentNode() is loaded
    assert int(slicer.util.arrayFromVolume(loaded).sum()) == 3510
