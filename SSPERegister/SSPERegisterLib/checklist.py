"""A list of nodes with a check mark each, in a list widget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import qt


@dataclass(frozen=True)
class Entry:
    """One line: a node, what is written, whether it is checked, the tool tip, and whether the user may change it."""

    node: Any
    text: str
    isChecked: bool
    toolTip: str
    isEnabled: bool = True


class Checklist:
    """Shows entries and tells of check marks that the user sets or takes away.

    Args:
        listWidget: QListWidget.
        onToggled: called with the node and whether it is checked now.
    """

    def __init__(self, listWidget: Any, onToggled: Callable[[Any, bool], None]) -> None:
        self._list, self._onToggled = listWidget, onToggled
        self._entries: list[Entry] = []
        listWidget.connect("itemChanged(QListWidgetItem*)", self._onItemChanged)

    def show(self, entries: list[Entry]) -> None:
        """Show entries; nothing happens where they are shown already, so that the list stays where it was scrolled."""
        if entries == self._entries:
            return
        self._entries = list(entries)
        blocked = self._list.blockSignals(True)
        self._list.clear()
        for index, entry in enumerate(entries):
            self._list.addItem(entry.text)
            item = self._list.item(index)
            item.setToolTip(entry.toolTip)
            item.setCheckState(qt.Qt.Checked if entry.isChecked else qt.Qt.Unchecked)
            if not entry.isEnabled:
                item.setFlags(qt.Qt.NoItemFlags)
        self._list.blockSignals(blocked)

    def states(self) -> dict[Any, bool]:
        """Return the nodes, and whether each is checked."""
        return {entry.node: entry.isChecked for entry in self._entries}

    def checked(self) -> list[Any]:
        """Return the nodes that are checked."""
        return [entry.node for entry in self._entries if entry.isChecked]

    def _onItemChanged(self, item: Any) -> None:
        index, isChecked = self._list.row(item), item.checkState() == qt.Qt.Checked
        entry = self._entries[index]
        self._entries[index] = replace(entry, isChecked=isChecked)  # so that `show` leaves the item as it is
        self._onToggled(entry.node, isChecked)
