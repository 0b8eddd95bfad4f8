"""`sspe train`: what it says where it cannot begin."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from command_line import Run


def test_training_without_its_packages_says_how_to_get_them(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.toml").touch()
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    monkeypatch.delitem(sys.modules, "SSPELib.training.run", raising=False)
    done = run("train", tmp_path / "config.toml")
    assert done.code == 2
    assert "pip install 'sspe[train]'" in done.err


def test_training_needs_a_configuration(run: Run, tmp_path: Path) -> None:
    assert "nowhere.toml is neither a file nor a shipped configuration" in run("train", tmp_path / "nowhere.toml").err
