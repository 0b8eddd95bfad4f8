"""Module files: loading, panels, popups, failures nobody could catch, and the runner of self-tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

SAMPLE_MODULE = Path(__file__).parent / "SampleModule" / "SampleModule.py"


def _click(widget: Any) -> None:
    import qt
    from PySide6.QtTest import QTest

    QTest.mouseClick(widget, qt.Qt.LeftButton)


def test_the_panel_works_with_the_mouse(sample: SimpleNamespace) -> None:
    ui = sample.ui
    assert not ui.applyButton.enabled
    assert ui.applyButton.toolTip == "Select an input volume"
    ui.inputSelector.setCurrentNode(sample.volume)
    ui.thresholdSlider.value = 150
    assert ui.applyButton.enabled
    _click(ui.applyButton)
    output = sample.widget._parameterNode.outputVolume
    assert int(sample.slicer.util.arrayFromVolume(output).sum()) == 11


def test_unfolding_a_section_makes_room_for_its_contents(sample: SimpleNamespace) -> None:
    ui = sample.ui
    assert not ui.noteEdit.visible
    _click(ui.advancedCollapsibleButton)  # in the middle of the folded section, which is its header
    sample.session.processEvents(0.05)
    assert ui.noteEdit.visible
    for widget in (ui.noteEdit, ui.inputSelector, ui.repeatsBox):
        assert widget.height >= widget.minimumSizeHint.height()
    assert ui.advancedCollapsibleButton.height > 80


def test_the_module_is_found_as_in_slicer(sample: SimpleNamespace) -> None:
    slicer = sample.slicer
    module = slicer.modules.samplemodule
    assert (module.name, module.title, module.path) == ("SampleModule", "Sample Module", str(SAMPLE_MODULE.resolve()))
    assert slicer.util.getModuleLogic("SampleModule") is sample.widget.logic
    assert slicer.modules.SampleModuleWidget is sample.widget
    assert slicer.util.selectedModule() == "SampleModule"
    assert module._pythonSide.startups == 1
    assert slicer.util.getModuleLogic("Volumes").IsA("vtkSlicerVolumesLogic")


def test_clearing_the_session_takes_the_panel_down(sample: SimpleNamespace) -> None:
    widget = sample.widget
    sample.session.clear()
    assert widget._parameterNode is None
    assert not hasattr(sample.slicer.modules, "SampleModuleWidget")
    assert sample.session.openModule("SampleModule") is not widget


def test_an_error_in_a_slot_opens_a_popup_and_is_recorded(sample: SimpleNamespace) -> None:
    sample.ui.inputSelector.setCurrentNode(sample.volume)
    sample.ui.thresholdSlider.value = 499
    with (
        sample.session.expectFailure("ValueError: No voxel is above 499"),
        sample.session.expectPopup("Failed to threshold") as popups,
    ):
        _click(sample.ui.applyButton)
    assert "No voxel is above 499.0" in popups[0].text


def test_failures_nobody_expects_are_raised(slicer_session: Any) -> None:
    import qt
    import slicer

    from slicer_harness.failures import RecordedFailures

    def fail(*_arguments: object) -> None:
        raise RuntimeError("inside a slot")

    button = qt.QPushButton()
    button.connect("clicked()", fail)
    button.click()
    with pytest.raises(RecordedFailures, match="inside a slot"):
        slicer_session.raiseFailures()
    tag = slicer.mrmlScene.AddObserver(slicer.mrmlScene.NodeAddedEvent, fail)
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode")
    slicer.mrmlScene.RemoveObserver(tag)
    with pytest.raises(RecordedFailures, match="inside a slot"):
        slicer_session.raiseFailures()
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLNoSuchNode")
    with pytest.raises(RecordedFailures, match="VTK error"):
        slicer_session.raiseFailures()
    qt.QTimer().setInterval(-1)
    qt.QObject().startTimer(-1)
    with pytest.raises(RecordedFailures, match="Qt warning"):
        slicer_session.raiseFailures()


def test_popups_nobody_expects_are_failures(slicer_session: Any) -> None:
    import qt
    import slicer

    from slicer_harness.failures import RecordedFailures

    slicer_session.mainWindow.show()
    for ask in (
        lambda: slicer.util.errorDisplay("Out of memory"),
        lambda: qt.QMessageBox.question(None, "Title", "Out of memory?"),
        lambda: qt.QInputDialog.getText(None, "Out of memory", "How much:"),
    ):
        ask()
        with pytest.raises(RecordedFailures, match=r"unexpected popup: [^:]*: [\s\S]*Out of memory"):
            slicer_session.raiseFailures()


def test_popups_get_the_expected_answer(slicer_session: Any, tmp_path: Path) -> None:
    import qt
    import slicer

    with slicer_session.expectPopup("Install PyTorch"):
        assert slicer.util.confirmOkCancelDisplay("Install PyTorch?") is True
    with slicer_session.expectPopup("Install PyTorch", qt.QMessageBox.Cancel):
        assert slicer.util.confirmOkCancelDisplay("Install PyTorch?") is False
    with slicer_session.expectPopup("Choose", str(tmp_path)):
        assert qt.QFileDialog.getExistingDirectory(None, "Choose a folder") == str(tmp_path)
    with pytest.raises(AssertionError, match="none was opened"), slicer_session.expectPopup("never"):
        slicer.app.processEvents()


def test_module_properties_are_checked(slicer_session: Any, tmp_path: Path) -> None:
    from slicer_harness.failures import HarnessError

    text = (
        "from slicer.ScriptedLoadableModule import *\n"
        "class {name}(ScriptedLoadableModule):\n"
        "    def __init__(self, parent):\n"
        "        ScriptedLoadableModule.__init__(self, parent)\n"
        "        {line}\n"
    )
    cases = {
        "WrongType": ("parent.categories = 'Registration'", TypeError),
        "WrongName": ("parent.categorys = ['Registration']", AttributeError),
        "WrongDependency": ("parent.dependencies = ['NoSuchModule']", HarnessError),
    }
    for name, (line, error) in cases.items():
        path = tmp_path / f"{name}.py"
        path.write_text(text.format(name=name, line=line), encoding="utf-8")
        with pytest.raises(error):
            slicer_session.loadModules(path)


def test_packages_are_never_installed(slicer_session: Any) -> None:
    import slicer

    slicer.packaging.pip_ensure("numpy>=1.20")
    with pytest.raises(RuntimeError, match="installs no packages"):
        slicer.packaging.pip_ensure("no-such-package-anywhere")


def test_processes_run_on_python_slicer(slicer_session: Any) -> None:
    import slicer

    lines: list[str] = []
    ended: list[int] = []
    slicer.util.executePythonModule(
        "this", [], blocking=False, logCallback=lines.append, completedCallback=ended.append
    )
    slicer_session.waitUntil(lambda: bool(ended), 30.0, "the end of the process")
    assert ended == [0]
    assert lines[0] == "The Zen of Python, by Tim Peters"


def test_self_tests_run_from_the_command_line(slicer_session: Any, capsys: pytest.CaptureFixture[str]) -> None:
    from slicer_harness.__main__ import main

    assert main(["selftest", str(SAMPLE_MODULE)]) == 0
    output = capsys.readouterr().out
    assert "SampleModuleTest.test_threshold" in output
    assert "All self-tests passed" in output


def test_generic_tests_open_a_panel_without_a_main_window(
    slicer_session: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import slicer

    from slicer_harness.__main__ import main

    assert main(["generic", str(SAMPLE_MODULE)]) == 0
    assert "SampleModule: ok" in capsys.readouterr().out
    assert slicer.util.mainWindow() is not None
    text = SAMPLE_MODULE.read_text(encoding="utf-8").replace("SampleModule", "WindowModule")
    for before, after, error in (
        ("ScriptedLoadableModuleWidget.setup(self)", "slicer.app.layoutManager().setLayout(3)", AttributeError),
        ('_("Thresholds a volume.")', '""', AssertionError),
    ):
        name = f"WindowModule{error.__name__}"
        path = tmp_path / f"{name}.py"
        path.write_text(text.replace(before, after).replace("WindowModule", name), encoding="utf-8")
        with pytest.raises(error):
            main(["generic", str(path)])
        slicer_session.clear()


def test_each_self_test_is_a_pytest_item(tmp_path: Path) -> None:
    for file in ("SampleModule.py", "Resources/UI/SampleModule.ui"):
        target = tmp_path / file
        target.parent.mkdir(parents=True, exist_ok=True)
        text = (SAMPLE_MODULE.parent / file).read_text(encoding="utf-8")
        target.write_text(text.replace("sum()) == 16", "sum()) == 17"), encoding="utf-8")
    selftest = ["--slicer-selftest", str(tmp_path / "SampleModule.py"), "--rootdir", str(tmp_path), str(tmp_path)]
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "slicer_harness.pytest_plugin",
            "-p",
            "no:cacheprovider",
            *selftest,
        ],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1, result.stdout + result.stderr
    assert "FAILED" in result.stdout
    assert "SampleModuleTest::test_threshold" in result.stdout
    assert "1 failed, 1 passed" in result.stdout
