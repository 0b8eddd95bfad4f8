"""The acceptance checks find what they are for."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def acceptance() -> Any:
    specification = importlib.util.spec_from_file_location("acceptance", ROOT / "Testing" / "acceptance.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["acceptance"] = module
    specification.loader.exec_module(module)
    return module


def test_the_modules_pass(acceptance: Any) -> None:
    for name in (
        "names_and_index_entry",
        "address",
        "icons",
        "file_scope",
        "installation_of_torch",
        "translation",
        "panels",
    ):
        assert list(getattr(acceptance, f"check_{name}")()) == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import torch", ["imports torch at file scope"]),
        ("from torch import nn", ["imports torch at file scope"]),
        ("class A:\n    import pandas", ["imports pandas at file scope"]),
        ("import os, numpy, slicer, vtk, qt, ctk\nfrom SimpleITK import Image", []),
        ("def later():\n    import torch", []),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch", []),
        ("from .neighbor import name", ["imports torch at file scope"]),
        ("print('hello')", ["runs code at file scope"]),
        ("try:\n    x = 1\nfinally:\n    pass", ["runs code at file scope"]),
        ("'''Words.'''\nX = 1", []),
    ],
)
def test_file_scope_is_searched(
    acceptance: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, found: list[str]
) -> None:
    module = tmp_path / "SSPEExpand"
    package = module / "Library"
    package.mkdir(parents=True)
    (module / "SSPEExpand.py").write_text("from Library import part\n", encoding="utf-8")
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "part.py").write_text(code, encoding="utf-8")
    (package / "neighbor.py").write_text("import torch\nname = 1\n", encoding="utf-8")
    monkeypatch.setattr(acceptance, "ROOT", tmp_path)
    monkeypatch.setattr(acceptance, "MODULES", ("SSPEExpand",))
    ast.parse(code)
    problems = list(acceptance.check_file_scope())
    assert len(problems) == len(found)
    for problem, words in zip(problems, found, strict=True):
        assert words in problem


@pytest.mark.parametrize(
    ("subject", "wrong"),
    [
        ("ENH: options are written once", None),
        ("Options are written once", "must begin with one of"),
        (f"BUG: {'x' * 70}", "keep it under 72"),
        ("Merge branch 'topic'", None),
    ],
)
def test_subjects_of_commits(subject: str, wrong: str | None) -> None:
    hook = ROOT / "Testing" / "commit_subject.py"
    specification = importlib.util.spec_from_file_location("commit_subject", hook)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    found = module.problem_of(f"{subject}\n\nbody")
    assert found is None if wrong is None else wrong in found
