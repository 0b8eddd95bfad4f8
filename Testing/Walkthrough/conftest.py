"""Two partial CTs of the demo's patient, small, at a path with letters of other alphabets, and a model."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
import SimpleITK as sitk

from slicer_harness.session import SCREENSHOT_FOLDER_VARIABLE
from SSPELib.errors import InputError
from SSPELib.model.bundle import list_bundles

ROOT = Path(__file__).resolve().parents[2]
MODULES = [ROOT / name / f"{name}.py" for name in ("SSPEExtension", "SSPEExpand", "SSPERegister")]
sys.path.insert(0, str(ROOT / "Testing"))


@pytest.fixture
def sspe(slicer_session: Any) -> Any:
    """A session with the three modules."""
    slicer_session.loadModules(*MODULES)
    return slicer_session


@pytest.fixture(scope="session")
def chest_parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, sitk.Transform]:
    """Files of the upper and the lower part, and the transform from upper to lower points (LPS)."""
    import make_sample_data

    try:
        upper, lower, expected = make_sample_data.parts(make_sample_data.chest())
    except InputError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("Röntgen 胸部")
    paths = folder / "oberer Teil ä.nrrd", folder / "unterer Teil ß.nrrd"
    shrink = 1 if os.environ.get(SCREENSHOT_FOLDER_VARIABLE) else 2  # small, unless somebody will look at them
    for image, path in zip((upper, lower), paths, strict=True):
        sitk.WriteImage(sitk.BinShrink(image, (shrink, shrink, 1)), str(path))
    return *paths, expected


@pytest.fixture
def model(sspe: Any, tmp_path: Path) -> str:
    """The bundled model; where there is none yet, a small one with random weights."""
    if list_bundles():
        return ""
    from SSPEExpandLib.selftest import smallModel

    return smallModel(str(tmp_path / "model"))
