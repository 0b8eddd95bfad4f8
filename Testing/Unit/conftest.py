"""What the unit tests share: one small torso on disk, and where the CT data are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from phantoms import torso, write

from SSPELib.volume import Volume


@pytest.fixture(scope="session")
def small_torso() -> Volume:
    """A torso of 200 mm along the body."""
    return torso()


@pytest.fixture
def torso_file(tmp_path: Path, small_torso: Volume) -> Path:
    """The small torso as NIfTI."""
    return write(small_torso, tmp_path / "torso.nii.gz")


@pytest.fixture(scope="session")
def ct_data() -> Path:
    """The folder of CT volumes (SSPE_DATA, or ../shared/data beside the repository); skips without it."""
    root = Path(__file__).resolve().parents[2]
    folder = Path(os.environ.get("SSPE_DATA", root.parent / "shared" / "data"))
    if not (folder / "openkbp").is_dir():
        pytest.skip(f"no CT data in {folder}")
    return folder
