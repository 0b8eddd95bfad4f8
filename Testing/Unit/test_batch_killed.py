"""A batch whose processes are killed: nothing is lost, nothing done twice, nothing half."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import psutil
import pytest
from kill_trial import begun, client_command, faults_of, run_client, try_out, write_manifest
from stand_ins import journal

SECONDS = 120.0
INTERRUPTED_WITHIN_S = 2.0


def test_client_scheduler_and_workers_killed_at_random(tmp_path):
    toll = try_out(tmp_path, rows=40, workers=2, seed=5, rows_a_kill=6)
    assert toll.faults == []
    assert toll.kills.total() >= 2


def test_a_client_that_is_killed_takes_its_workers_along_and_goes_on_when_run_again(tmp_path):
    manifest, output = write_manifest(tmp_path, 20), tmp_path / "results"
    client = begun(client_command(manifest, output), tmp_path / "client.log")
    wait_for(lambda: len(journal(output)) > 8)
    family = psutil.Process(client.pid).children(recursive=True)
    client.kill()
    client.wait()
    _, alive = psutil.wait_procs(family, timeout=30)
    assert alive == []
    done = {name for event, name in journal(output) if event == "ended"}
    assert 0 < len(done) < 20
    assert len(run_client(manifest, output, "local")) == 20
    assert faults_of(manifest, output) == []


@pytest.mark.alone
def test_ctrl_c_ends_client_and_workers_at_once(tmp_path):
    manifest, output = write_manifest(tmp_path, 2), tmp_path / "results"
    manifest.write_text(manifest.read_text().replace("row-", "endless-"))
    client = begun(client_command(manifest, output), tmp_path / "client.log")
    wait_for(lambda: len(journal(output)) == 2)
    family = psutil.Process(client.pid).children(recursive=True)
    started = time.monotonic()
    client.send_signal(signal.SIGINT)
    client.wait(SECONDS)
    assert time.monotonic() - started < INTERRUPTED_WITHIN_S
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []
    assert not list((output / "rows").iterdir())


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
