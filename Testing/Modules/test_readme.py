"""What the README says of the modules is so: its console snippets run, its panels have the controls that it names."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
import slicer

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """The text below a heading, up to the next one."""
    return re.split(r"^##+ ", README.split(f"# {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def panel_texts(module: str) -> set[str]:
    """The labels and buttons of a panel, without their colons."""
    path = ROOT / module / "Resources" / "UI" / f"{module}.ui"
    properties = ElementTree.parse(path).iter("property")
    return {"".join(item.itertext()).strip().rstrip(":") for item in properties if item.get("name") == "text"}


def test_console_snippets_run(sspe: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from SSPERegisterLib.selftest import knownMotion
    from SSPESlicer.background import PythonProcess
    from SSPESlicer.selftest_support import AnsweringProcess, addNode, halves

    monkeypatch.setattr(PythonProcess, "__new__", lambda cls: AnsweringProcess(transform=knownMotion()))
    for part, name in zip(halves(20.0), ("Upper chest", "Lower chest"), strict=True):
        addNode(part, name)
    names: dict[str, Any] = {"slicer": slicer}
    snippets = re.findall(r"```python\n(.*?)```", section("From Slicer's Python console"), re.DOTALL)
    assert len(snippets) == 2
    exec(snippets[0], names)
    assert capsys.readouterr().out.strip() == "True 0.95 60.0 Lower chest to Upper chest"
    exec(snippets[1], names)
    logic = names["logic"]
    sspe.waitUntil(lambda: not logic._sceneJob.isRunning, 10.0, "the end")
    assert capsys.readouterr().out.splitlines() == ["50 % Half done", "Lower chest to Upper chest"]


def test_the_controls_that_it_names_are_there() -> None:
    for module, title in (("SSPEExpand", "SSPE Expand"), ("SSPERegister", "SSPE Register")):
        table = section("Panels").split(f"| {title} | |\n", 1)[1].split("\n\n", 1)[0]
        rows = [line.split("|")[1] for line in table.splitlines()]
        named = {name for row in rows for name in re.findall(r"\*\*(.+?)\*\*", row)}
        assert len(named) >= 7
        assert named <= panel_texts(module), named - panel_texts(module)
    shown = panel_texts("SSPEExtension") | panel_texts("SSPEExpand") | panel_texts("SSPERegister")
    pressed = set(re.findall(r"\*\*(.+?)\*\*", section("Tutorial on the sample data")))
    assert {"Load sample volumes", "Expand", "Register"} <= pressed <= shown, pressed - shown


def test_its_screenshots_are_few_and_small() -> None:
    used = set(re.findall(r"\((Documentation/Screenshots/[^)]+)\)", README))
    there = {path.relative_to(ROOT).as_posix() for path in (ROOT / "Documentation" / "Screenshots").iterdir()}
    assert used == there
    assert len(there) <= 4
    assert all((ROOT / name).stat().st_size < 300_000 for name in there)
