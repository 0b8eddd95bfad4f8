"""The simulated Slicer with the modules of SSPE loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = [ROOT / name / f"{name}.py" for name in ("SSPEExtension", "SSPEExpand", "SSPERegister")]


@pytest.fixture
def sspe(slicer_session: Any) -> Any:
    """A session with the three modules."""
    slicer_session.loadModules(*MODULES)
    return slicer_session
