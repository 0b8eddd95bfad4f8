"""What the panels of SSPE share: run and cancel with one button, progress in words, choices shown in plain language."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from typing import Any

import slicer
from slicer.i18n import tr as _

from SSPELib.errors import Cancelled
from SSPELib.model.bundle import DEFAULT_MODEL

from . import plan

SECONDS_WORTH_TELLING = 3
NOTE_COLOR = "#b26a00"


class Explained:
    """A control that says in its tool tip why it is disabled, and else what it does."""

    def __init__(self, widget: Any) -> None:
        self._widget, self._toolTip = widget, widget.toolTip

    def allow(self, whyNot: str | None) -> None:
        """Enable the control, or disable it for a reason."""
        self._widget.enabled = whyNot is None
        self._widget.toolTip = whyNot or self._toolTip


def show(label: Any, text: str) -> None:
    """Show text in a label that wraps, or hide the label where there is none; at once at the height that it needs."""
    if label.text != text:
        label.text = text
    label.visible = bool(text)
    widget = label.parentWidget()
    while widget is not None:  # else the label gets its height with a later event, and is cut off until then
        layout = widget.layout()
        if layout is not None:
            layout.activate()
        widget = widget.parentWidget()


class RunControls:
    """The button that runs and cancels, the progress bar and the line of text below it.

    Args:
        button: says what it does while nothing runs, in its text and its tool tip.
        bar: QProgressBar.
        status: QLabel.
    """

    def __init__(self, button: Any, bar: Any, status: Any) -> None:
        self._button, self._bar, self._status = button, bar, status
        self._runText, self._runToolTip = button.text, button.toolTip
        self.isRunning = False
        bar.visible = status.visible = False

    def allow(self, whyNot: str | None) -> None:
        """Enable the button, or disable it and say why; the reason is also readable below the button."""
        if self.isRunning:
            return
        self._button.enabled = whyNot is None
        self._button.toolTip = whyNot or self._runToolTip
        self._say(whyNot or "")

    def started(self) -> None:
        self.isRunning = True
        self._button.text = _("Cancel")
        self._button.toolTip = _("Stop the work. Nothing is changed.")
        self._button.enabled = True
        self._bar.setRange(0, 0)
        self._bar.visible = True
        self._say(_("Starting…"))

    def progress(self, fraction: float, message: str, secondsLeft: float | None) -> None:
        self._bar.setRange(0, 100)
        self._bar.value = round(100 * fraction)
        left = "" if secondsLeft is None or secondsLeft < SECONDS_WORTH_TELLING else " · " + timeLeft(secondsLeft)
        self._say(message + left)

    def ended(self, message: str) -> None:
        self.isRunning = False
        self._button.text = self._runText
        self._button.toolTip = self._runToolTip
        self._bar.visible = False
        self._say(message)

    def _say(self, text: str) -> None:
        show(self._status, text)


def timeLeft(seconds: float) -> str:
    """Say a time in words: 'about 40 s left'."""
    if seconds < 90:
        return _("about {seconds} s left").format(seconds=round(seconds))
    return _("about {minutes} min left").format(minutes=round(seconds / 60))


def showFailure(controls: RunControls, what: str, error: Exception) -> None:
    """End a run that did not succeed: a word for a cancel, one dialog for an error."""
    if isinstance(error, Cancelled):
        controls.ended(_("Canceled. Nothing was changed."))
        return
    controls.ended(str(error))
    slicer.util.errorDisplay(f"{what}\n\n{error}")


def setItemTexts(comboBox: Any, texts: Mapping[str, str]) -> None:
    """Show plain words for the values of a choice, in the order of the values; the parameter keeps its values."""
    for index, text in enumerate(texts.values()):
        comboBox.setItemText(index, text)


def fillModels(comboBox: Any, models: list[str], onChosen: Callable[[int], None]) -> None:
    """List the bundled models; without any, say so instead of staying empty."""
    for model in models or [_("none installed")]:
        comboBox.addItem(model)
    comboBox.enabled = bool(models)
    comboBox.connect("currentIndexChanged(int)", onChosen)


def selectModel(comboBox: Any, model: str) -> None:
    """Show the model of the parameters; an empty name stands for the default one."""
    index = comboBox.findText(model or DEFAULT_MODEL)
    if index >= 0:
        comboBox.currentIndex = index


def note(text: str) -> str:
    """Rich text of a sentence to heed."""
    return f'<span style="color:{NOTE_COLOR}">{html.escape(text)}</span>'


def paragraphs(sentences: list[plan.Sentence]) -> str:
    """Rich text of sentences, one a line, those to heed in color."""
    return "<br>".join(note(text) if heed else html.escape(text) for text, heed in sentences)
