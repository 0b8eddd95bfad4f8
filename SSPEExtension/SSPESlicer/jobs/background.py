"""A job of SSPELib.worker in a process of its own: the application stays alive, and cancel is certain."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import SSPELib
from SSPELib.errors import Cancelled, SSPEError
from SSPELib.worker import JOB_FILE

from .files import Files, write

EVENTS_FILE = "events.jsonl"
ERRORS_FILE = "errors.txt"
POLL_MILLISECONDS = 100
SECONDS_TO_END = 1.0
_WRITTEN = object()

Event = dict[str, Any]


class WorkerProcess(Protocol):
    """What a job needs of a process; tests inject their own.

    isRunning tells whether more is to come of this job; kill ends what still runs of it.
    """

    def start(self, folder: Path) -> None: ...
    def isRunning(self) -> bool: ...
    def events(self) -> list[Event]: ...
    def answer(self, message: Event) -> None: ...
    def errorText(self) -> str: ...
    def kill(self) -> None: ...


class PythonProcess:
    """SSPELib.worker in Slicer's Python. Its events go through a file: reading it never blocks on any system."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = Path()
        self._read = 0

    def start(self, folder: Path) -> None:
        """Do the job of a folder."""
        self._launch(folder, [str(folder)])

    def _launch(self, folder: Path, arguments: list[str]) -> None:
        """Start the process; its events and errors go to files in a folder."""
        self._folder = folder
        python = shutil.which("PythonSlicer") or sys.executable
        library = Path(SSPELib.__file__).resolve().parent.parent
        ownGroup: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            ownGroup = {"creationflags": subprocess.CREATE_NO_WINDOW}
        with (folder / EVENTS_FILE).open("wb") as events, (folder / ERRORS_FILE).open("wb") as errors:
            self._process = subprocess.Popen(
                [python, "-m", "SSPELib.worker", *arguments],
                cwd=library, stdin=subprocess.PIPE, stdout=events, stderr=errors, **ownGroup,
            )  # fmt: skip

    def isRunning(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def events(self) -> list[Event]:
        """Return the events since the last call; a line that is not complete yet waits for the next call."""
        with (self._folder / EVENTS_FILE).open("rb") as file:
            file.seek(self._read)
            text = file.read()
        complete = text[: text.rfind(b"\n") + 1]
        self._read += len(complete)
        return [json.loads(line) for line in complete.splitlines()]

    def answer(self, message: Event) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write((json.dumps(message) + "\n").encode("ascii"))
        self._process.stdin.flush()

    def errorText(self) -> str:
        return (self._folder / ERRORS_FILE).read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        """End the process with all its children: PythonSlicer is a launcher, the work is done by its child."""
        if self._process is None:
            return
        if sys.platform == "win32":
            taskkill = ["taskkill", "/F", "/T", "/PID", str(self._process.pid)]
            subprocess.run(taskkill, capture_output=True, creationflags=subprocess.CREATE_NO_WINDOW, check=False)
        elif self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
                os.killpg(self._process.pid, signal.SIGKILL)
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):  # what is still in its buffer reaches nobody
                self._process.stdin.close()
        try:
            self._process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:  # it hangs in the system, for example on a disk; it ends when that answers
            from slicer.i18n import tr as _

            logging.warning(_("A background process of SSPE is still ending."))


class BackgroundJob:
    """One run: writes the files, starts and watches the process, tells of progress, hands over the result, cleans up.

    Args:
        process: the process that does the work.
        onProgress: called with fraction, message and seconds left (None while unknown).
        onRequest: answers a request of the worker: called with the request and a function that takes the answer.
    """

    def __init__(
        self,
        process: WorkerProcess | None = None,
        onProgress: Callable[[float, str, float | None], None] | None = None,
        onRequest: Callable[[Event, Callable[[Event], None]], None] | None = None,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="sspe-"))
        self.warnings: list[str] = []
        self._process = process if process is not None else PythonProcess()
        self._onProgress = onProgress
        self._onRequest = onRequest
        self._ended = False
        self._timer: Any = None
        self._take: Callable[[Event], Any] = lambda result: result
        self._onEnd: Callable[[Any, Exception | None], None] = lambda value, error: None
        self._result: Event | None = None
        self._error: str | None = None

    def run(self, job: Event, take: Callable[[Event], Any], files: Files | None = None) -> Any:
        """Do the job, give its result to `take` while its files are still there, return what that returns. Blocks.

        Raises:
            SSPEError: with the words of the worker.
        """
        try:
            self._prepare(job, files)
            while not self._update():
                time.sleep(POLL_MILLISECONDS / 1000)
            return take(self._outcome())
        finally:
            self.close()

    def start(
        self,
        job: Event,
        take: Callable[[Event], Any],
        onEnd: Callable[[Any, Exception | None], None],
        files: Files | None = None,
    ) -> None:
        """Do the job in the background; then, on the main thread, call `take` as `run` does and onEnd(value, error).

        The files of the job are written piece by piece between other events. What goes wrong, the start of the process
        included, is told by onEnd.
        """
        import qt

        self._take, self._onEnd = take, onEnd
        self._prepare(job, files)
        self._timer = qt.QTimer()
        self._timer.setInterval(0)
        self._timer.connect("timeout()", self._onTimer)
        self._timer.start()

    def cancel(self) -> None:
        """Stop at once; the end is told as Cancelled."""
        self.fail(Cancelled())

    def fail(self, error: Exception) -> None:
        """Stop at once because the result is of no use any more; the end is told with this error."""
        if not self._ended:
            self.close()
            self._onEnd(None, error)

    @property
    def isRunning(self) -> bool:
        return not self._ended

    def close(self) -> None:
        """End the process where it still runs and remove the files."""
        self._ended = True
        if self._timer is not None:
            self._timer.stop()
        self._process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _prepare(self, job: Event, files: Files | None) -> None:
        self._job, self._writing, self._isStarted = job, write(files or {}, self.folder), False

    def _onTimer(self) -> None:
        if self._ended:
            return
        value, error = None, None
        try:
            if not self._update():
                return
            value = self._take(self._outcome())
        except Exception as raised:
            error = raised
        if not self._ended:  # a request of the worker may have been canceled meanwhile
            self.close()
            self._onEnd(value, error)

    def _update(self) -> bool:
        """Write another piece of the files, or take in what is new of the process; tell whether that has ended."""
        if not self._isStarted:
            self._continueStart()
            return False
        running = self._process.isRunning()  # asked first: what is written before the end is still read below
        for event in self._process.events():
            self._note(event)
        return not running

    def _continueStart(self) -> None:
        try:
            if next(self._writing, _WRITTEN) is not _WRITTEN:
                return
            (self.folder / JOB_FILE).write_text(json.dumps(self._job), encoding="utf-8")
            self._process.start(self.folder)
        except OSError as error:
            from slicer.i18n import tr as _

            text = _(
                "The background process of SSPE could not be started ({reason}). Is the disk of {folder} full, or does "
                "a virus scanner block Slicer's Python?"
            )
            raise SSPEError(text.format(reason=error.strerror or error, folder=self.folder.parent)) from error
        self._isStarted = True
        if self._timer is not None:
            self._timer.setInterval(POLL_MILLISECONDS)

    def _note(self, event: Event) -> None:
        kind = event["event"]
        if kind == "progress" and self._onProgress is not None:
            self._onProgress(event["fraction"], event["message"], event["seconds_left"])
        elif kind == "warning" and event["message"] not in self.warnings:
            self.warnings.append(event["message"])
        elif kind == "request":
            assert self._onRequest is not None
            self._onRequest(event, self._process.answer)
        elif kind == "result":
            self._result = event
        elif kind == "error":
            self._error = event["message"]

    def _outcome(self) -> Event:
        if self._error is not None:
            raise SSPEError(self._error)
        if self._result is None:
            from slicer.i18n import tr as _

            lines = self._process.errorText().strip().splitlines()
            text = _("The background process of SSPE ended without a result: {reason}")
            memory = _("the computer may have run out of memory; close other programs.")
            raise SSPEError(text.format(reason=lines[-1] if lines else memory))
        return self._result
