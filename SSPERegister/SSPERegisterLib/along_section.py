"""The panel's list of what moves along with the moving volume, and the copies that keep the place."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

from SSPESlicer.panel import widgets
from SSPESlicer.scene import geometry, provenance

from . import placement
from .belongings import Belonging
from .checklist import Checklist, Entry


class AlongSection:
    """Where the moving volume is registered, a check mark is what lies under its transform; else what will.

    Args:
        panel: of SSPE Register; its ui has alongList and hardenButton.
    """

    def __init__(self, panel: Any) -> None:
        self._panel = panel
        self._list = Checklist(panel.ui.alongList, self._onToggled)
        self._harden = widgets.Explained(panel.ui.hardenButton)
        self._moving: Any = None
        self._fixed: Any = None
        self._without: list[Any] = []
        self._choices: dict[str, bool] = {}
        panel.ui.hardenButton.connect("clicked()", self.onHardenButton)

    def update(self, movingNode: Any, fixedNode: Any, without: list[Any]) -> None:
        """Show what could move along with a volume."""
        if movingNode is not self._moving:
            self._moving, self._choices = movingNode, {}
        self._fixed, self._without = fixedNode, [node for node in without if node is not None]
        self._list.show(
            [
                Entry(one.node, one.label, self._isChecked(one), one.toolTip, one.whyNot is None)
                for one in self._belongings()
            ]
        )
        self._harden.allow(None if placement.isPlaced(movingNode) else _("Register the moving volume first."))

    def forget(self) -> None:
        """Let go of all nodes."""
        self._moving, self._fixed, self._without, self._choices = None, None, [], {}
        self._list.show([])

    def decide(self) -> None:
        """Take the check marks as they are now for the registration that begins; `follow` goes by them at its end."""
        self._choices = {node.GetID(): isChecked for node, isChecked in self._list.states().items()}

    def follow(self, transformNode: Any) -> None:
        """Put what is checked under the transform of a registration that has just ended, and the others back."""
        if self._moving is None or geometry.placedBy(self._moving) is not transformNode:
            return
        chosen = [one.node for one in self._belongings() if self._choices.get(one.node.GetID(), one.isExpected)]
        with slicer.util.tryWithErrorDisplay(_("Not all that is checked could be moved along.")):
            listed = [one.node for one in self._belongings()]
            along = placement.movedAlongWith(self._moving)
            self._panel.logic.takeBack(node for node in along if node in listed and node not in chosen)
            self._panel.logic.moveAlong(chosen, transformNode)

    def _belongings(self) -> list[Belonging]:
        if self._moving is None:
            return []
        return list(self._panel.logic.belongingsOf(self._moving, self._fixed, self._without))

    def _isChecked(self, belonging: Belonging) -> bool:
        if placement.isPlaced(self._moving):
            return geometry.placedBy(belonging.node) is geometry.placedBy(self._moving)
        return self._choices.get(belonging.node.GetID(), belonging.isExpected)

    def _onToggled(self, node: Any, isChecked: bool) -> None:
        self._choices[node.GetID()] = isChecked
        if not placement.isPlaced(self._moving):
            return
        with slicer.util.tryWithErrorDisplay(_("{name} could not be moved.").format(name=node.GetName())):
            if isChecked:
                self._panel.logic.moveAlong([node], geometry.placedBy(self._moving))
            else:
                self._panel.logic.takeBack([node])

    def onHardenButton(self) -> None:
        with slicer.util.tryWithErrorDisplay(_("The copies could not be made."), waitCursor=True):
            self._panel.logic.hardenCopies([provenance.originalOf(self._moving) or self._moving, *self._list.checked()])
