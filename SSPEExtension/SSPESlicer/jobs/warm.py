"""A process that outlives its job: between two clicks Python, PyTorch and the model stay loaded.

One idle process at most is kept. It ends with the scene and with Slicer, when a job for another device or model comes,
and by itself after ten minutes without a job.
"""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from SSPELib.worker import JOB_FILE

from .background import ERRORS_FILE, EVENTS_FILE, Event, PythonProcess

SETTINGS = ("device", "model")
LAST_EVENTS = ("result", "error")

Setting = frozenset[tuple[str, Any]]


class ServingProcess(PythonProcess):
    """SSPELib.worker that does one job after the other."""

    def __init__(self) -> None:
        super().__init__()
        self._place: Path | None = None
        self._errorsRead = 0

    def start(self, folder: Path) -> None:
        """Hand over a job; the process is started where it does not run.

        Raises:
            OSError: it cannot be started, or has just ended.
        """
        if self._place is None:
            self._place = Path(tempfile.mkdtemp(prefix="sspe-worker-"))
            self._launch(self._place, [])
        self._errorsRead = (self._folder / ERRORS_FILE).stat().st_size
        self._read = (self._folder / EVENTS_FILE).stat().st_size
        self.answer({"job": str(folder)})

    def errorText(self) -> str:
        """What the process said of this job on standard error."""
        text = (self._folder / ERRORS_FILE).read_bytes()[self._errorsRead :]
        return text.decode("utf-8", errors="replace")

    def kill(self) -> None:
        """End the process and remove its files."""
        super().kill()
        if self._place is not None:
            shutil.rmtree(self._place, ignore_errors=True)


class WarmProcess:
    """A `WorkerProcess` of one job, done by the process that is kept where its setting fits, else by a new one."""

    def __init__(self) -> None:
        self._process = ServingProcess()
        self._folder = Path()
        self._setting: Setting = frozenset()
        self._unread: list[Event] = []
        self._isReused = self._isHeard = self._isOver = False

    def start(self, folder: Path) -> None:
        self._folder = folder
        self._setting = frozenset(_settings(json.loads((folder / JOB_FILE).read_text(encoding="utf-8"))))
        kept = _take(self._setting)
        if kept is not None:
            self._process, self._isReused = kept.process, True
            self._setting |= kept.setting
        self._hand()

    def isRunning(self) -> bool:
        """Tell whether the job goes on; an idle process that ended just when it was needed is replaced."""
        running = self._process.isRunning()
        self._listen()
        if not running and self._isReused and not self._isHeard:
            self._renew()
            return True
        return running and not self._isOver

    def events(self) -> list[Event]:
        self._listen()
        events, self._unread = self._unread, []
        return events

    def answer(self, message: Event) -> None:
        self._process.answer(message)

    def errorText(self) -> str:
        return self._process.errorText()

    def kill(self) -> None:
        """End the process in the middle of its job; one whose job is over is kept for the next."""
        if self._isOver and self._process.isRunning():
            _keep(self._process, self._setting)
        else:
            self._process.kill()

    def _hand(self) -> None:
        try:
            self._process.start(self._folder)
        except OSError:
            if not self._isReused:
                raise
            self._renew()

    def _renew(self) -> None:
        self._process.kill()
        self._process, self._isReused = ServingProcess(), False
        self._process.start(self._folder)

    def _listen(self) -> None:
        new = self._process.events()
        self._unread += new
        self._isHeard |= bool(new)
        self._isOver |= any(event["event"] in LAST_EVENTS for event in new)


@dataclass
class _Kept:
    """The process that waits for the next job, and the observer of the scene that ends it."""

    process: ServingProcess
    setting: Setting
    scene: Any
    tag: Any


_kept: _Kept | None = None


def endKept(*_: Any) -> None:
    """End the process that waits for the next job, if there is one."""
    kept = _released()
    if kept is not None:
        kept.process.kill()


def _keep(process: ServingProcess, setting: Setting) -> None:
    import slicer

    global _kept
    endKept()
    atexit.unregister(endKept)
    atexit.register(endKept)
    scene = slicer.mrmlScene
    _kept = _Kept(process, setting, scene, scene.AddObserver(scene.StartCloseEvent, endKept))


def _take(setting: Setting) -> _Kept | None:
    """What is kept, where it still runs and its device and model are not other ones; else it is ended."""
    if _kept is None or not _kept.process.isRunning() or _differ(_kept.setting | setting):
        endKept()
    return _released()


def _released() -> _Kept | None:
    global _kept
    kept, _kept = _kept, None
    if kept is not None:
        kept.scene.RemoveObserver(kept.tag)
    return kept


def _differ(setting: Setting) -> bool:
    return len(dict(setting)) < len(setting)


def _settings(job: Any) -> Iterator[tuple[str, Any]]:
    """The devices and models that a job speaks of, wherever in it."""
    if isinstance(job, dict):
        for name, value in job.items():
            if name in SETTINGS:
                yield name, value
            else:
                yield from _settings(value)
    elif isinstance(job, list):
        for value in job:
            yield from _settings(value)
