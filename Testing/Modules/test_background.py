"""The process behind the panels: cancel is certain, nothing is left running, and failures speak."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import slicer

ROOT = Path(__file__).resolve().parents[2]
LONGEST_CANCEL_S = 2.0


def expansion(folder: Path, model: str, distance_mm: float = 400.0, times: int = 1) -> dict[str, Any]:
    """A job that expands a volume, a number of times."""
    from SSPELib.options import ExpandOptions
    from SSPELib.worker import write_job_volume
    from SSPESlicer.selftest import halves

    volume = write_job_volume(halves(20.0)[0], folder, "upper")
    options = ExpandOptions(distance_mm=distance_mm, model=model, device="cpu")
    return {"task": "expand", "volumes": [{"volume": volume, "options": options.as_dict()}] * times}


def long_job(folder: Path, model: str) -> dict[str, Any]:
    """A job that is still at work when what follows its first report happens."""
    return expansion(folder, model, times=40)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def wait_for(condition: Any, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def model(sspe: Any, tmp_path: Path) -> str:
    from SSPEExpandLib.selftest import smallModel

    return smallModel(str(tmp_path / "model"))


def test_cancel_ends_the_process_and_removes_its_files(sspe: Any, model: str) -> None:
    from SSPELib.errors import Cancelled
    from SSPESlicer.jobs.background import BackgroundJob, PythonProcess

    process = PythonProcess()
    endings: list[Exception | None] = []
    reports: list[str] = []
    job = BackgroundJob(process, lambda fraction, message, left: reports.append(message))
    job.start(long_job(job.folder, model), lambda result: result, lambda value, error: endings.append(error))
    sspe.waitUntil(lambda: bool(reports), 60.0, "the first report")
    assert process._process is not None
    pid = process._process.pid
    started = time.monotonic()
    job.cancel()
    assert time.monotonic() - started < LONGEST_CANCEL_S
    assert not is_alive(pid)
    assert not job.folder.exists()
    assert [type(error) for error in endings] == [Cancelled]
    job.cancel()
    assert len(endings) == 1


def test_the_worker_ends_when_slicer_goes(sspe: Any, model: str, tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text(json.dumps(long_job(tmp_path, model)), encoding="utf-8")
    crash = (
        "import os, sys; from pathlib import Path; from SSPESlicer.jobs.background import PythonProcess\n"
        f"process = PythonProcess(); process.start(Path({str(tmp_path)!r}))\n"
        "print(process._process.pid, flush=True); os._exit(9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", crash], cwd=ROOT / "SSPEExtension", capture_output=True, text=True, check=False
    )
    pid = int(done.stdout)
    try:
        # Python itself must have started before it can notice.
        assert wait_for(lambda: not is_alive(pid), 30.0)
    finally:
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)


def test_errors_come_in_the_words_of_the_library(sspe: Any, model: str) -> None:
    from SSPELib.errors import SSPEError
    from SSPESlicer.jobs.background import BackgroundJob

    job = BackgroundJob()
    with pytest.raises(SSPEError, match="4 to 400 mm"):
        job.run(expansion(job.folder, model, distance_mm=500.0), lambda result: result)
    assert not job.folder.exists()


@pytest.mark.parametrize("task", ["expand", "register", "device"])
def test_without_pytorch_the_way_to_it_is_said(
    sspe: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, task: str
) -> None:
    from SSPELib.errors import SSPEError
    from SSPELib.worker import write_job_volume
    from SSPESlicer.jobs.background import BackgroundJob
    from SSPESlicer.selftest import halves

    code = "raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')"
    (tmp_path / "torch.py").write_text(code, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    job = BackgroundJob()
    parts = [write_job_volume(part, job.folder, name) for part, name in zip(halves(20.0), ("a", "b"), strict=True)]
    description = {
        "expand": {"volumes": [{"volume": parts[0], "options": {}}]},
        "register": {"fixed": parts[0], "moving": parts[1], "options": {}},
        "device": {},
    }[task]
    with pytest.raises(SSPEError, match=r"package torch is missing\. Open the module SSPE"):
        job.run({"task": task, **description}, lambda result: result)


def test_a_process_that_dies_is_reported(sspe: Any, model: str) -> None:
    from SSPELib.errors import SSPEError
    from SSPESlicer.jobs.background import BackgroundJob, PythonProcess

    process = PythonProcess()
    job = BackgroundJob(process)
    endings: list[Exception | None] = []
    job.start(long_job(job.folder, model), lambda result: result, lambda value, error: endings.append(error))
    sspe.waitUntil(process.isRunning, 10.0, "the start of the process")
    assert process._process is not None
    os.kill(process._process.pid, signal.SIGKILL)
    sspe.waitUntil(lambda: bool(endings), 10.0, "the report of its end")
    assert isinstance(endings[0], SSPEError)
    assert "ended without a result" in str(endings[0])


def test_progress_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from SSPELib.worker import channel

    clock = iter(range(100))  # a second from one look to the next
    monkeypatch.setattr(channel, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    output = io.StringIO()
    told = channel.Channel(output)
    for fraction, message in ((0.1, "Search"), (0.101, "Search"), (0.101, "Refine"), (0.5, "Refine"), (0.5, "Refine")):
        told.progress(fraction, message)
    events = [json.loads(line) for line in output.getvalue().splitlines()]
    assert [(event["fraction"], event["message"]) for event in events] == [
        (0.1, "Search"),
        (0.101, "Refine"),
        (0.5, "Refine"),
    ]
    assert events[-1]["seconds_left"] == 4.0


def test_half_a_line_waits_for_its_rest(sspe: Any, tmp_path: Path) -> None:
    from SSPESlicer.jobs.background import EVENTS_FILE, PythonProcess

    process = PythonProcess()
    process._folder = tmp_path
    path = tmp_path / EVENTS_FILE
    path.write_bytes(b'{"event": "warning", "message": "one"}\n{"event": "warn')
    assert [event["message"] for event in process.events()] == ["one"]
    with path.open("ab") as file:
        file.write(b'ing", "message": "two"}\n')
    assert [event["message"] for event in process.events()] == ["two"]
    assert process.events() == []


class FailingProcess:
    """A process that the system does not start, for example because a virus scanner blocks it."""

    def start(self, folder: Path) -> None:
        raise PermissionError(13, "Permission denied")

    def kill(self) -> None:
        pass


def panel(session: Any, process: Any) -> Any:
    from SSPEExpandLib.logic import SSPEExpandLogic
    from SSPESlicer.selftest import addNode, halves

    widget = session.openModule("SSPEExpand")
    widget.logic = SSPEExpandLogic(lambda: process)
    widget.ui.upperSelector.setCurrentNode(addNode(halves(20.0)[0], "chest"))
    return widget


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What other runs leave in the common one must not count here."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def job_folders() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("sspe-*"))


def test_a_process_that_cannot_be_started_is_said_and_the_next_run_works(sspe: Any) -> None:
    from SSPEExpandLib.logic import SSPEExpandLogic
    from SSPESlicer.selftest import AnsweringProcess

    before = job_folders()
    widget = panel(sspe, FailingProcess())
    with sspe.expectPopup("could not be started.*Permission denied.*virus scanner"):
        widget.ui.applyButton.click()
        sspe.waitUntil(lambda: not widget.controls.isRunning, 10.0, "the end")
    assert widget.ui.applyButton.text == "Expand"
    assert "could not be started" in widget.ui.statusLabel.text
    assert job_folders() == before
    widget.logic._processFactory = AnsweringProcess
    widget.ui.applyButton.click()
    sspe.waitUntil(lambda: not widget.controls.isRunning, 10.0, "the end")
    assert "Made chest expanded" in widget.ui.statusLabel.text
    with pytest.raises(Exception, match="could not be started"):
        SSPEExpandLogic(FailingProcess).expand(slicer.util.getNode("chest"))
    assert job_folders() == before


def test_a_full_disk_is_said_and_leaves_nothing_behind(sspe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from SSPESlicer.jobs import files
    from SSPESlicer.selftest import AnsweringProcess

    def full(array: Any, path: Path) -> Any:
        path.write_bytes(b"half")
        yield
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "_writeArray", full)
    before = job_folders()
    widget = panel(sspe, AnsweringProcess())
    with sspe.expectPopup("No space left on device.*full"):
        widget.ui.applyButton.click()
        sspe.waitUntil(lambda: not widget.controls.isRunning, 10.0, "the end")
    assert job_folders() == before


def test_a_process_that_does_not_end_in_time_ends_the_run_all_the_same(
    sspe: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from SSPESlicer.jobs import background

    process = background.PythonProcess()
    before = job_folders()
    widget = panel(sspe, process)
    widget.ui.applyButton.click()
    sspe.waitUntil(process.isRunning, 10.0, "the start of the process")
    assert process._process is not None
    wait = process._process.wait

    def hangs(timeout: float) -> None:
        raise subprocess.TimeoutExpired("worker", timeout)

    monkeypatch.setattr(process._process, "wait", hangs)
    widget.ui.applyButton.click()
    assert widget.ui.applyButton.text == "Expand"
    assert "Canceled" in widget.ui.statusLabel.text
    assert job_folders() == before
    assert "still ending" in caplog.text
    wait(10.0)


def test_volumes_are_written_in_pieces_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sspe: Any) -> None:
    from SSPESlicer.jobs import files

    monkeypatch.setattr(files, "PIECE_BYTES", 1000)
    array = np.arange(3000, dtype=np.int16).reshape(10, 15, 20)
    steps = list(files.write({"a.npy": array, "b.npy": array[:, ::2]}, tmp_path))
    assert len(steps) == 6 + 3 + (array[:, ::2].nbytes % 1000 > 0)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), array)
    np.testing.assert_array_equal(np.load(tmp_path / "b.npy"), array[:, ::2])
