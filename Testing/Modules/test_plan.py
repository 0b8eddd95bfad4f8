"""What the panels say of two volumes before a run, with a DICOM database as in Slicer."""

from __future__ import annotations

from typing import Any

import pytest
import slicer


class Database:
    """Knows the frame of reference of each instance."""

    def __init__(self, frames: dict[str, str]) -> None:
        self._frames = frames

    def instanceValue(self, instance: str, tag: str) -> str:
        assert tag == "0020,0052"
        return self._frames.get(instance, "")


@pytest.mark.parametrize(
    ("frames", "words", "heed"),
    [
        ({"1.1": "9.9", "2.1": "9.9"}, "They share a frame of reference", False),
        ({"1.1": "9.9", "2.1": "9.8"}, "They have different frames of reference", True),
        ({"1.1": "9.9"}, "Whether they share a frame of reference is not known", False),
    ],
)
def test_the_frame_of_reference_is_said(
    sspe: Any, monkeypatch: pytest.MonkeyPatch, frames: dict[str, str], words: str, heed: bool
) -> None:
    from SSPESlicer.panel.widgets import NOTE_COLOR
    from SSPESlicer.selftest import addNode, halves

    monkeypatch.setattr(slicer, "dicomDatabase", Database(frames), raising=False)
    nodes = [addNode(part, name) for part, name in zip(halves(20.0), ("chest", "belly"), strict=True)]
    for node, instances in zip(nodes, ("1.1 1.2", "2.1 2.2"), strict=True):
        node.SetAttribute("DICOM.instanceUIDs", instances)
    for module, names in (
        ("SSPEExpand", ("upperSelector", "lowerSelector")),
        ("SSPERegister", ("fixedSelector", "movingSelector")),
    ):
        ui = sspe.openModule(module).ui
        for name, node in zip(names, nodes, strict=True):
            getattr(ui, name).setCurrentNode(node)
        assert words in ui.planLabel.text
        assert (f'{NOTE_COLOR}">{words}' in ui.planLabel.text) == heed
        assert "overlap by 20 mm" in ui.planLabel.text
