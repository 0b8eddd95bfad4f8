"""What README and docs say of the modules is so: console snippets run, panels have the controls that are named."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
import slicer

ROOT = Path(__file__).resolve().parents[2]
README, GUIDE, CONSOLE = ("README.md", "docs/user-guide.md", "docs/console.md")
WORDS_IN_README = 900


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def section(name: str, title: str) -> str:
    """The text below a heading of a file, up to the next one."""
    return re.split(r"^##+ ", text_of(name).split(f"# {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def panel_texts(module: str) -> set[str]:
    """The labels, titles and buttons of a panel, without their colons."""
    files = (ROOT / module / "Resources" / "UI").glob("*.ui")
    properties = [item for path in files for item in ElementTree.parse(path).iter("property")]
    shown = [item for item in properties if item.get("name") in ("text", "title")]
    return {"".join(item.itertext()).strip().rstrip(":") for item in shown}


def test_console_snippets_run(
    sspe: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from SSPELib import tasks
    from SSPERegisterLib.selftest import knownMotion
    from SSPESlicer.jobs.warm import WarmProcess
    from SSPESlicer.selftest import AnsweringProcess, addNode, halves, registeredBy

    monkeypatch.setattr(WarmProcess, "__new__", lambda cls: AnsweringProcess(transform=knownMotion()))
    for part, name in zip(halves(20.0), ("Upper chest", "Lower chest"), strict=True):
        addNode(part, name)
    names: dict[str, Any] = {"slicer": slicer}
    snippets = re.findall(r"```python\n(.*?)```", section(CONSOLE, "From Slicer's Python console"), re.DOTALL)
    assert len(snippets) == 4
    exec(snippets[0], names)
    assert capsys.readouterr().out.strip() == (
        "True Expected error 1.2 mm; 9 of 10 such results are within 3 mm 60.0 Lower chest to Upper chest"
    )
    exec(snippets[1], names)
    logic = names["logic"]
    sspe.waitUntil(lambda: not logic._sceneJob.isRunning, 10.0, "the end")
    assert capsys.readouterr().out.splitlines() == ["50 % Half done", "Lower chest to Upper chest"]
    monkeypatch.setattr(tasks, "register", lambda *_, **__: registeredBy(knownMotion()))
    exec(snippets[2].replace("/data/new-folder", str(tmp_path / "new-folder")), names)
    assert capsys.readouterr().out.splitlines() == [
        "Upper chest and Lower chest merged True Upper chest and Lower chest merged sources",
        "['Upper chest'] []",
    ]
    assert (tmp_path / "new-folder" / "REG.dcm").is_file()
    assert slicer.util.getNode("Lower chest registered").GetParentTransformNode() is None
    exec(snippets[3], names)
    assert names["upper"].GetName() == "Upper chest"  # which is straight


def test_the_controls_that_it_names_are_there() -> None:
    after = "SSPE Register, *After the registration*"
    for module, title in (("SSPEExpand", "SSPE Expand"), ("SSPERegister", "SSPE Register"), ("SSPERegister", after)):
        table = section(GUIDE, "Panels").split(f"| {title} | |\n", 1)[1].split("\n\n", 1)[0]
        rows = [line.split("|")[1] for line in table.splitlines()]
        named = {name for row in rows for name in re.findall(r"\*\*(.+?)\*\*", row)}
        assert len(named) >= 7
        assert named <= panel_texts(module), named - panel_texts(module)
    shown = panel_texts("SSPEExtension") | panel_texts("SSPEExpand") | panel_texts("SSPERegister")
    for name, title in ((GUIDE, "Tutorial on the sample data"), (README, "Tutorial with sample data")):
        pressed = set(re.findall(r"\*\*(.+?)\*\*", section(name, title)))
        assert {"Load sample volumes", "Expand", "Register"} <= pressed <= shown, pressed - shown


def test_screenshots_are_few_and_small() -> None:
    texts = text_of(README) + text_of(GUIDE)
    used = {Path(name).name for name in re.findall(r"\((?:docs/)?screenshots/([^)]+)\)", texts)}
    there = {path.name for path in (ROOT / "docs" / "screenshots").iterdir()}
    assert used == there
    assert all((ROOT / "docs" / "screenshots" / name).stat().st_size < 300_000 for name in there)


def test_texts_stay_readable() -> None:
    assert len(text_of(README).split()) < WORDS_IN_README
    for path in [ROOT / README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")]:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            assert len(line) <= 120 or line.startswith(("|", "    ")) or "http" in line, (
                f"{path.name}:{number} is too long"
            )


@pytest.mark.parametrize("name", [README, GUIDE, CONSOLE, "CONTRIBUTING.md", "docs/method.md", "docs/command-line.md"])
def test_links_and_paths_lead_somewhere(name: str) -> None:
    text = text_of(name)
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link]
    paths = re.findall(r"`((?:SSPE|Testing|docs)\w*/[\w/.-]+)`", text)
    for link in links:
        assert ((ROOT / name).parent / link).exists(), link
    for path in paths:
        places = [ROOT / path, ROOT / "SSPEExtension" / path]
        assert any(place.exists() for place in places), path
