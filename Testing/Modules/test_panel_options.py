"""What an option means, its range, choices and default stand in the library once; panels take them from there."""

from dataclasses import dataclass, field, fields
from typing import Any

import pytest
import slicer
from PySide6 import QtWidgets

from SSPELib.options import ExpandOptions, MergeOptions, Option, Options, RegisterOptions

# Of these the panel has no widget: the volume says which end grows.
ELSEWHERE = {"direction"}
PANELS = [("SSPEExpand", ExpandOptions), ("SSPERegister", RegisterOptions), ("SSPERegister", MergeOptions)]


@dataclass(frozen=True)
class PatientOptions(RegisterOptions):
    """An option more."""

    patience_s: float = field(
        default=30.0, metadata={"option": Option(30.0, "How long to wait.", low=1.0, high=60.0, unit="s")}
    )


@pytest.mark.parametrize(("module", "kind"), PANELS)
def test_every_option_has_a_widget_that_says_what_the_option_says(sspe: Any, module: str, kind: type[Options]) -> None:
    from SSPESlicer.panel.options import optionName

    ui = vars(sspe.openModule(module).ui)
    found = {optionName(widget, kind): name for name, widget in ui.items()}
    for name in {one.name for one in fields(kind)} - ELSEWHERE:  # type: ignore[arg-type]
        option, widget, label = kind.option(name), ui[found[name]], ui.get(f"{found[name]}Label")
        assert widget.toolTip.startswith(option.sentence), name
        if label is None:
            assert widget.text, f"{name} has no label and says nothing itself"
        else:
            assert label.toolTip == widget.toolTip
        if option.low is not None:
            assert (widget.minimum, widget.maximum, widget.value) == (option.low, option.high, option.default)
            assert f"{option.low:g} to {option.high:g} {option.unit}" in widget.toolTip
        if option.choices:
            shown = [widget.itemText(index) for index in range(widget.count)]
            assert shown[: len(option.choices)] == list(option.words), name
            assert widget.currentIndex == option.choices.index(option.default)
        if isinstance(option.default, bool):
            assert widget.checked is option.default


@pytest.mark.parametrize("kind", [kind for _module, kind in PANELS])
def test_choices_that_panels_show_have_words(kind: type[Options]) -> None:
    for one in fields(kind):  # type: ignore[arg-type]
        option = kind.option(one.name)
        assert len(option.words) == (0 if one.name in ELSEWHERE else len(option.choices)), one.name


def test_what_the_panel_shows_reaches_the_work(sspe: Any) -> None:
    from SSPERegisterLib.logic import SSPERegisterLogic
    from SSPERegisterLib.selftest import knownMotion
    from SSPESlicer.selftest import AnsweringProcess, addNode, halves

    panel = sspe.openModule("SSPERegister")
    process = AnsweringProcess(transform=knownMotion())
    panel.logic = SSPERegisterLogic(lambda: process)
    panel.chooseVolumes(*(addNode(part, name) for part, name in zip(halves(80.0), ("chest", "abdomen"), strict=True)))
    panel.ui.toleranceSpinBox.value = 4
    panel.ui.distanceSlider.value = 96
    panel.ui.expandCheckBox.checked = False
    panel.ui.backendComboBox.currentIndex = 2
    panel.ui.applyButton.click()
    sspe.waitUntil(lambda: not panel.controls.isRunning, 20.0, "the end")
    wanted = RegisterOptions(tolerance_mm=4.0, distance_mm=96.0, expand=False, backend="simpleitk")
    assert process.job["options"] == wanted.as_dict()
    assert "Reliable within 4 mm" in panel.ui.resultLabel.text
    panel.ui.toleranceSpinBox.value = 2
    assert "NOT RELIABLE" in panel.ui.resultLabel.text
    assert "Errors above 2 mm cannot be ruled out" in panel.ui.resultLabel.text
    panel.ui.toleranceSpinBox.value = 5
    assert "Reliable within 5 mm" in panel.ui.resultLabel.text
    assert "cannot be ruled out" not in panel.ui.resultLabel.text


def test_a_new_option_needs_itself_a_parameter_and_a_widget(sspe: Any) -> None:
    """The recipe of CONTRIBUTING.md, tried: nothing else has to change."""
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    from SSPESlicer.panel.options import PARAMETER_PROPERTY, explainWidgets, optionsOf, parameterType

    @parameterNodeWrapper
    class Parameters:
        patienceS: parameterType(PatientOptions, "patience_s") = PatientOptions.patience_s

    window = QtWidgets.QWidget()
    layout = QtWidgets.QFormLayout(window)
    box, label = QtWidgets.QDoubleSpinBox(), QtWidgets.QLabel("Patience:")
    box.setObjectName("patienceBox")
    label.setObjectName("patienceBoxLabel")
    box.setProperty(PARAMETER_PROPERTY, "patienceS")
    layout.addRow(label, box)
    ui = slicer.util.childWidgetVariables(window)
    explainWidgets(ui, PatientOptions)
    parameters = Parameters(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode"))
    tag = parameters.connectGui(ui)
    assert (box.toolTip, label.toolTip) == ("How long to wait. 1 to 60 s; 30 s unless changed.",) * 2
    assert (box.minimum, box.maximum, box.value, box.suffix) == (1.0, 60.0, 30.0, " s")
    box.value = 12
    assert optionsOf(PatientOptions, parameters).as_dict() == {**RegisterOptions().as_dict(), "patience_s": 12.0}
    parameters.disconnectGui(tag)
