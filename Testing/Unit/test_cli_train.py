"""`sspe train`, `sspe bundle`, `sspe import-dicom`: what they say where they cannot begin."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from command_line import Run, files_in

# An extra brings the reader only where Python has none.
TOML_READER = "tomllib" if sys.version_info >= (3, 11) else "tomli"


@pytest.mark.parametrize(
    ("arguments", "missing", "importers"),
    [
        (["train", "config.toml"], TOML_READER, ["settings", "config"]),
        (["bundle", ".", "model"], TOML_READER, ["settings", "config", "bundling"]),
    ],
)
def test_training_and_bundling_without_their_packages_say_how_to_get_them(
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    missing: str,
    importers: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("config.toml").touch()
    monkeypatch.setitem(sys.modules, missing, None)
    for module in importers:
        monkeypatch.delitem(sys.modules, f"SSPEResearch.training.{module}", raising=False)
    done = run(*arguments)
    assert done.code == 2
    assert f"needs the package {missing}" in done.err
    assert "pip install 'sspe[train]'" in done.err
    assert files_in(tmp_path) == {"config.toml"}


def test_training_needs_a_configuration(run: Run, tmp_path: Path) -> None:
    assert "nowhere.toml is neither a file nor a shipped configuration" in run("train", tmp_path / "nowhere.toml").err


@pytest.mark.parametrize(
    "arguments", [["train", "lambda-ResGAN", "--output", "file"], ["import-dicom", ".", "file/volumes"]], ids=str
)
def test_results_need_a_folder(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    done = run(*arguments)
    assert done.code == 2
    assert "file cannot be made a folder" in done.err
    assert files_in(tmp_path) == {"file"}
