"""The talk between the worker and Slicer: events out, answers in, one JSON object a line."""

from __future__ import annotations

import json
import os
import queue
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

FEWEST_SECONDS_BETWEEN_EVENTS = 0.1
SMALLEST_FRACTION_FOR_ESTIMATE = 0.03


class Channel:
    """Both directions of the talk with Slicer."""

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._started = self._last_sent = time.monotonic()
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._folders: queue.Queue[str] = queue.Queue()
        self._said: tuple[int, str] | None = None

    def jobs(self, longest_wait_s: float) -> Iterator[Path]:
        """The folders of the jobs that the other side sends, until none has come for some seconds."""
        while True:
            try:
                folder = self._folders.get(timeout=longest_wait_s)
            except queue.Empty:
                return
            self._started = self._last_sent = time.monotonic()
            self._said = None
            yield Path(folder)

    def send(self, event: str, **fields: Any) -> None:
        """Write one event; ASCII only, so that no code page of any system can spoil it."""
        self._output.write(json.dumps({"event": event, **fields}) + "\n")
        self._output.flush()

    def warn(self, warnings: Iterable[str]) -> None:
        """Send what a clinician should know, sentence by sentence."""
        for warning in warnings:
            self.send("warning", message=warning)

    def progress(self, fraction: float, message: str) -> None:
        """Report progress that shows, at most ten times a second, with an estimate of the seconds left."""
        now = time.monotonic()
        saying = (round(100 * fraction), message)
        if saying == self._said or (now - self._last_sent < FEWEST_SECONDS_BETWEEN_EVENTS and fraction < 1):
            return
        self._last_sent, self._said = now, saying
        left = None
        if fraction > SMALLEST_FRACTION_FOR_ESTIMATE:
            left = round((now - self._started) * (1 - fraction) / fraction, 1)
        self.send("progress", fraction=round(fraction, 4), message=message, seconds_left=left)

    def ask(self, **fields: Any) -> dict[str, Any]:
        """Send a request and wait for its answer."""
        self.send("request", **fields)
        return self._answers.get()

    def listen(self, lines: TextIO) -> None:
        """Collect jobs and answers until the other side closes, then end the process whatever it is doing."""
        for line in lines:
            try:
                said = json.loads(line)
                if "job" in said:
                    self._folders.put(said["job"])
                else:
                    self._answers.put(said)
            except (ValueError, TypeError):
                print(f"SSPE: this line is no answer: {line.rstrip()}", file=sys.stderr)
        os._exit(1)
