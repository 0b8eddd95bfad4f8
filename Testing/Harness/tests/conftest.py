"""The sample module of the harness's own tests, loaded and opened."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import pytest

SAMPLE_MODULE = Path(__file__).parent / "SampleModule" / "SampleModule.py"


@pytest.fixture
def sample(slicer_session: Any) -> SimpleNamespace:
    """session, slicer, the opened panel's widget object and its ui, and a small volume."""
    import slicer

    slicer_session.loadModules(SAMPLE_MODULE)
    widget = slicer_session.openModule("SampleModule")
    array = numpy.arange(27, dtype=numpy.int16).reshape(3, 3, 3) * 10
    volume = slicer.util.addVolumeFromArray(array, name="Steps")
    return SimpleNamespace(session=slicer_session, slicer=slicer, widget=widget, ui=widget.ui, volume=volume)


@pytest.fixture
def ui_file(tmp_path: Path) -> Any:
    """Writes a Designer file from the inside of its top-level widget."""

    def write(inside: str, customWidgets: tuple[str, ...] = (), connections: str = "") -> str:
        customs = "".join(
            f"<customwidget><class>{name}</class><extends>QWidget</extends></customwidget>" for name in customWidgets
        )
        path = tmp_path / "panel.ui"
        path.write_text(
            f'<ui version="4.0"><class>Panel</class><widget class="QWidget" name="Panel">{inside}</widget>'
            f"<customwidgets>{customs}</customwidgets><connections>{connections}</connections></ui>",
            encoding="utf-8",
        )
        return str(path)

    return write
