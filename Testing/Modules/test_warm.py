"""The process that is kept between two clicks: reused, replaced, ended; cancel and crashes are as certain as ever."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import slicer
from test_background import LONGEST_CANCEL_S, ROOT, expansion, is_alive, long_job, wait_for


@pytest.fixture
def warm(sspe: Any) -> Iterator[Any]:
    from SSPESlicer.jobs import warm

    warm.endKept()
    yield warm
    warm.endKept()


@pytest.fixture
def model(sspe: Any, tmp_path: Path) -> str:
    from SSPEExpandLib.selftest import smallModel

    return smallModel(str(tmp_path / "model"))


def done(warm: Any, model: str, distance_mm: float = 8.0) -> int:
    """Expand a little; returns the process that did it."""
    from SSPESlicer.jobs.background import BackgroundJob

    process = warm.WarmProcess()
    job = BackgroundJob(process)
    found = job.run(expansion(job.folder, model, distance_mm), lambda result: result)
    assert found["volumes"][0]["synthetic_mm"]["inferior"] >= distance_mm
    assert not job.folder.exists()
    return int(process._process._process.pid)


def test_the_next_job_of_the_same_setting_is_done_by_the_same_process(warm: Any, model: str) -> None:
    first = done(warm, model)
    assert is_alive(first)
    assert done(warm, model, 12.0) == first
    place = warm._kept.process._place
    warm.endKept()
    assert not is_alive(first)
    assert not place.exists()


def test_another_setting_replaces_the_process(warm: Any, model: str, tmp_path: Path) -> None:
    from SSPEExpandLib.selftest import smallModel

    first = done(warm, model)
    second = done(warm, smallModel(str(tmp_path / "other")))
    assert second != first
    assert not is_alive(first)
    assert is_alive(second)


def test_a_job_that_needs_no_model_takes_the_process_that_is_there(warm: Any, model: str) -> None:
    from SSPESlicer.jobs.background import BackgroundJob

    first = done(warm, model)
    process = warm.WarmProcess()
    found = BackgroundJob(process).run({"task": "device"}, lambda result: result)
    assert found["device"] in ("cpu", "cuda", "mps")
    assert process._process._process.pid == first
    assert done(warm, model) == first


def test_an_error_of_the_library_keeps_the_process(warm: Any, model: str) -> None:
    from SSPELib.errors import SSPEError

    first = done(warm, model)
    with pytest.raises(SSPEError, match="4 to 400 mm"):
        done(warm, model, 500.0)
    assert done(warm, model) == first


def test_cancel_ends_the_process_and_the_next_job_has_a_new_one(sspe: Any, warm: Any, model: str) -> None:
    from SSPELib.errors import Cancelled
    from SSPESlicer.jobs.background import BackgroundJob

    first = done(warm, model)
    endings: list[Exception | None] = []
    reports: list[str] = []
    process = warm.WarmProcess()
    job = BackgroundJob(process, lambda fraction, message, left: reports.append(message))
    job.start(long_job(job.folder, model), lambda result: result, lambda value, error: endings.append(error))
    sspe.waitUntil(lambda: bool(reports), 60.0, "the first report")
    assert process._process._process.pid == first
    started = time.monotonic()
    job.cancel()
    assert time.monotonic() - started < LONGEST_CANCEL_S
    assert not is_alive(first)
    assert [type(error) for error in endings] == [Cancelled]
    assert warm._kept is None
    assert done(warm, model) != first


def test_a_process_that_died_while_it_waited_is_replaced(warm: Any, model: str) -> None:
    first = done(warm, model)
    os.kill(first, signal.SIGKILL)
    assert wait_for(lambda: not is_alive(first), 5.0)
    second = done(warm, model)
    assert second != first


def test_a_process_that_ends_just_as_a_job_is_handed_over_is_replaced(
    warm: Any, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = done(warm, model)
    monkeypatch.setattr(warm, "_take", lambda setting: warm._released())
    os.kill(first, signal.SIGKILL)
    assert wait_for(lambda: not is_alive(first), 5.0)
    assert done(warm, model) != first


def test_a_process_that_dies_in_its_job_is_reported_and_the_next_job_works(warm: Any, sspe: Any, model: str) -> None:
    from SSPELib.errors import SSPEError
    from SSPESlicer.jobs.background import BackgroundJob

    first = done(warm, model)
    endings: list[Exception | None] = []
    reports: list[str] = []
    job = BackgroundJob(warm.WarmProcess(), lambda fraction, message, left: reports.append(message))
    job.start(long_job(job.folder, model), lambda result: result, lambda value, error: endings.append(error))
    sspe.waitUntil(lambda: bool(reports), 60.0, "the first report")
    os.kill(first, signal.SIGKILL)
    sspe.waitUntil(lambda: bool(endings), 10.0, "the report of its end")
    assert isinstance(endings[0], SSPEError)
    assert "ended without a result" in str(endings[0])
    assert done(warm, model) != first


def test_it_ends_with_the_scene_and_with_slicer(warm: Any, model: str, tmp_path: Path) -> None:
    first = done(warm, model)
    slicer.mrmlScene.Clear(0)
    assert not is_alive(first)
    assert warm._kept is None
    crash = (
        "import os; from pathlib import Path; from SSPESlicer.jobs.warm import ServingProcess\n"
        f"process = ServingProcess(); process.start(Path({str(tmp_path)!r}))\n"
        "print(process._process.pid, flush=True); os._exit(9)"
    )
    said = subprocess.run(
        [sys.executable, "-c", crash], cwd=ROOT / "SSPEExtension", capture_output=True, text=True, check=False
    )
    assert wait_for(lambda: not is_alive(int(said.stdout)), 30.0)
