"""A button that starts a job in the background, and cancels it while it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer

from . import widgets


class JobButton:
    """One of several jobs of a panel, with a progress bar and a line of text of its own.

    Args:
        button, bar, status: QPushButton, QProgressBar, QLabel.
        start: called when the user starts the job; it calls `run`.
        cancel: stops the job.
        onChanged: called when a job has begun or ended.
    """

    def __init__(
        self,
        button: Any,
        bar: Any,
        status: Any,
        start: Callable[[], None],
        cancel: Callable[[], None],
        onChanged: Callable[[], None],
    ) -> None:
        self._controls = widgets.RunControls(button, bar, status)
        self._start, self._cancel, self._onChanged = start, cancel, onChanged
        self._whyNot: str | None = ""
        button.connect("clicked()", self._onClicked)

    @property
    def isRunning(self) -> bool:
        """Whether the job of this button runs."""
        return self._controls.isRunning

    def allow(self, whyNot: str | None) -> None:
        """Enable the button, or disable it and say why; what the last run said stays while that does not change."""
        if whyNot != self._whyNot and not self.isRunning:
            self._whyNot = whyNot
            self._controls.allow(whyNot)

    def run(self, begin: Callable[..., Any], failure: str, onDone: Callable[[Any], list[str]]) -> None:
        """Run a job of the logic.

        Args:
            begin: starts the job; given waitForCompletion, onProgress and onEnd.
            failure: what is said first where it does not succeed.
            onDone: is given what came of it, and returns what is to be heeded.
        """

        def end(value: Any, error: Exception | None) -> None:
            if error is not None:
                widgets.showFailure(self._controls, failure, error)
            else:
                self._controls.ended("\n".join(f"• {text}" for text in onDone(value)))
            self._onChanged()

        with slicer.util.tryWithErrorDisplay(failure, waitCursor=True):
            begin(waitForCompletion=False, onProgress=self._controls.progress, onEnd=end)
            self._controls.started()
            self._onChanged()

    def _onClicked(self) -> None:
        if self.isRunning:
            self._cancel()
        else:
            self._start()
