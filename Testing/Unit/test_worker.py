"""The talk of the background process: nothing that a library prints, and no bad line, breaks it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from phantoms import torso

import SSPELib
from SSPELib.options import ExpandOptions
from SSPELib.volume import Provenance, with_slices
from SSPELib.worker import read_job_volume, write_job_volume
from SSPELib.worker.jobs import padding_remarks

LIBRARY = Path(SSPELib.__file__).resolve().parents[1]

NOISY = """
import os, sys
from SSPELib.worker import jobs
def noisy(job, folder, channel):
    os.write(1, b"a native library says hello\\n")
    print("and Python too")
    channel.send("warning", message="heed this")
    return {"answer": channel.ask(question=1)}
jobs.JOBS["noisy"] = noisy
from SSPELib.worker.__main__ import main
sys.exit(main())
"""


def start(folder: Path | None, arguments: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments, *([] if folder is None else [str(folder)])],
        cwd=LIBRARY,
        env={**os.environ, "PYTHONPATH": str(LIBRARY)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answered(process: subprocess.Popen[str], answers: str) -> tuple[list[dict[str, Any]], str]:
    """Events and standard error of a process that is given answers; standard input stays open until its end."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdin.write(answers)
    process.stdin.flush()
    events = [json.loads(line) for line in process.stdout]
    said = process.stderr.read()
    process.wait(60)
    return events, said


def test_only_events_reach_standard_output(tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text(json.dumps({"task": "noisy"}), encoding="utf-8")
    process = start(tmp_path, ["-c", NOISY])
    events, said = answered(process, 'this is no JSON\n{"transform": "found.tfm"}\n')
    assert [event["event"] for event in events] == ["warning", "request", "result"]
    assert events[-1]["answer"] == {"transform": "found.tfm"}
    assert process.returncode == 0
    for words in ("a native library says hello", "and Python too", "this is no JSON"):
        assert words in said


def test_one_job_after_the_other_until_it_is_idle(tmp_path: Path) -> None:
    patient = NOISY.replace("from SSPELib.worker.__main__ import main", "import SSPELib.worker.__main__ as entry")
    patient = patient.replace("sys.exit(main())", "entry.LONGEST_IDLE_S = 1.0; sys.exit(entry.main())")
    folders = [tmp_path / "one", tmp_path / "two", tmp_path / "three"]
    for folder, task in zip(folders, ("noisy", "expand", "noisy"), strict=True):
        folder.mkdir()
        options = {"distance_mm": 1000.0}
        volume = write_job_volume(torso(), folder, "a")
        job = {"task": task, "volumes": [{"volume": volume, "options": options}]}
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    lines = [json.dumps({"job": str(folder)}) for folder in folders]
    answers = [json.dumps({"answer": number}) for number in (1, 2)]
    process = start(None, ["-c", patient])
    events, _ = answered(process, "\n".join([lines[0], answers[0], *lines[1:], answers[1], ""]))
    assert [event["event"] for event in events] == [
        "warning",
        "request",
        "result",
        "error",
        "warning",
        "request",
        "result",
    ]
    assert [event["answer"] for event in events if event["event"] == "result"] == [{"answer": 1}, {"answer": 2}]
    assert process.returncode == 0


def test_it_ends_with_its_parent_also_after_a_bad_line(tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text(json.dumps({"task": "noisy"}), encoding="utf-8")
    process = start(tmp_path, ["-c", NOISY])
    assert process.stdin is not None
    process.stdin.write("this is no JSON\n")
    process.stdin.close()
    assert process.wait(60) == 1


def test_volumes_of_a_job_are_exact(tmp_path: Path) -> None:
    volume = torso(spacing=(7.9, 8.1, 5.123456789012345))
    marked = volume.where(0).astype("uint8")
    marked[:2] = 1
    given = SSPELib.volume.Volume(
        volume.array, volume.spacing, volume.origin, volume.direction, "name", "1.2.3", marked
    )
    taken = read_job_volume(json.loads(json.dumps(write_job_volume(given, tmp_path, "a"))), tmp_path)
    assert (taken.spacing, taken.origin, taken.name, taken.frame_of_reference) == (
        given.spacing,
        given.origin,
        "name",
        "1.2.3",
    )
    assert (taken.direction == given.direction).all()
    assert (taken.array == given.array).all()
    assert taken.provenance is not None
    assert (taken.provenance == marked).all()


def test_options_of_a_job_are_the_options() -> None:
    options = ExpandOptions(direction="superior", distance_mm=40.0, device="cpu")
    assert ExpandOptions.from_dict(json.loads(json.dumps(options.as_dict()))) == options


@pytest.mark.parametrize("task", ["expand", "register"])
def test_a_job_with_an_unknown_option_is_an_error(tmp_path: Path, task: str) -> None:
    volume = write_job_volume(torso(), tmp_path, "a")
    body = {"volumes": [{"volume": volume, "options": {"speed": 1}}]}
    if task == "register":
        body = {"fixed": volume, "moving": volume, "options": {"speed": 1}}
    (tmp_path / "job.json").write_text(json.dumps({"task": task, **body}), encoding="utf-8")
    process = start(tmp_path, ["-m", "SSPELib.worker"])
    [event], _ = answered(process, "")
    assert (event["event"], process.returncode) == ("error", 2)
    assert "The option 'speed' is unknown" in event["message"]


def test_what_was_taken_for_padding_is_said() -> None:
    volume = torso()
    provenance = np.zeros(volume.array.shape, dtype=np.uint8)
    assert padding_remarks(volume, replace(volume, provenance=provenance)) == []
    provenance[:, : provenance.shape[1] // 4] = Provenance.NO_DATA
    wedged = replace(volume, provenance=provenance, name="head")
    longer = with_slices(wedged, volume.array[:3], None, Provenance.SYNTHETIC)
    for one in (wedged, longer):
        (remark,) = padding_remarks(one)
        assert remark.startswith("25 % of head is padding")
