"""How CTs look: window, level and color."""

from __future__ import annotations

from typing import Any

CT_WINDOW_HU, CT_LEVEL_HU = 1400.0, 0.0


def copyDisplay(source: Any, target: Any) -> None:
    """Give a scalar volume the window, level, color table and threshold of another."""
    if target.GetDisplayNode() is None:
        target.CreateDefaultDisplayNodes()
    if source.GetDisplayNode() is not None and target.GetDisplayNode() is not None:
        target.GetDisplayNode().CopyContent(source.GetDisplayNode())


def shareWindowLevel(nodes: list[Any]) -> None:
    """Give CTs whose window and level Slicer chose by itself one common window, so that equal HU look alike.

    A window that the user has set stays; the others take it over.
    """
    displays = [node.GetDisplayNode() for node in nodes if node.GetDisplayNode() is not None]
    chosen = [(display.GetWindow(), display.GetLevel()) for display in displays if not display.GetAutoWindowLevel()]
    for display in displays:
        if display.GetAutoWindowLevel():
            display.SetAutoWindowLevel(False)
            display.SetWindowLevel(*(chosen[0] if chosen else (CT_WINDOW_HU, CT_LEVEL_HU)))
