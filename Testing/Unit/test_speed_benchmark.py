"""`sspe benchmark speed`: the stopwatch, a run of all its machinery on a small body, and comparing two runs."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command_line import Run

from SSPELib.errors import InputError
from SSPELib.stages import answered, measured, stage
from SSPEResearch.evaluation.speed.account import changes, from_json, markdown, told_changes
from SSPEResearch.evaluation.speed.inputs import phantom, resized
from SSPEResearch.evaluation.speed.process import ELSEWHERE, Measured
from SSPEResearch.evaluation.speed.run import Speed


def test_a_stage_within_another_is_taken_off_that() -> None:
    @stage("network")
    def slow() -> None:
        time.sleep(0.05)

    with measured() as stopwatch:
        with stage("expansion"):
            slow()
            slow()
        other = threading.Thread(target=slow)
        other.start()
        other.join()
    slow()
    assert stopwatch.seconds.keys() == {"network", "expansion"}
    assert 0.1 <= stopwatch.seconds["network"] < 0.15
    assert stopwatch.seconds["expansion"] < 0.05


def test_quick_run_tells_of_every_stage_and_compares(run: Run, tmp_path: Path) -> None:
    first, table, figure = tmp_path / "first.json", tmp_path / "table.md", tmp_path / "figure.png"
    outputs = ["--json", str(first), "--table", str(table), "--figure", str(figure)]
    done = run("benchmark", "speed", "--quick", "--device", "cpu", *outputs)
    assert done.code == 0, done.err
    found = from_json(first)
    assert found.rows.keys() == {"commands", "network"}
    help_row, expand = found.rows["commands"]
    assert help_row.stages.keys() == {"start and imports", ELSEWHERE}
    assert {"reading", "preparation", "model", "expansion", "network", "writing"} <= expand.stages.keys()
    for row in found.by_name().values():
        assert not row.failure
        assert sum(row.stages.values()) == pytest.approx(row.seconds)
        assert min(row.stages.values()) > -0.05
        assert 0.01 < row.memory_gib < 4
    assert found.rows["network"][1].result["gflop"] > 1
    assert expand.name in table.read_text()
    assert figure.stat().st_size > 10_000

    # As if everything had taken a thousandth of the time before.
    before = json.loads(first.read_text())
    for row in before["rows"]["commands"]:
        row["seconds"] /= 1000
    old = tmp_path / "old.json"
    old.write_text(json.dumps(before))
    done = run("benchmark", "speed", "--quick", "--part", "commands", "--device", "cpu", "--compare", str(old))
    assert done.code == 1
    assert "SLOWER" in done.out


def test_the_answer_is_timed_apart_from_what_is_drawn_of_it() -> None:
    answered()
    with measured() as stopwatch:
        assert stopwatch.answered is None
        answered()
    assert stopwatch.answered == pytest.approx(time.time(), abs=1.0)
    speed = Speed({}, {"commands": [Measured("register", 9.0, answer_seconds=7.25), Measured("help", 0.5)]})
    register, plain = markdown(speed).splitlines()[-2:]
    assert register.startswith("| register | 9.00 | 7.25 |")
    assert plain.startswith("| help | 0.50 |  |")


def test_changes_mark_what_became_slower_and_what_fails_now() -> None:
    before = Speed({}, {"commands": [Measured(name, 2.0) for name in ("same", "slower", "broken", "gone")]})
    now = Speed({}, {"commands": [Measured("same", 2.4), Measured("slower", 2.6), Measured("broken", failure="No.")]})
    found = {change.name: change for change in changes(before, now)}
    assert found.keys() == {"same", "slower", "broken"}
    assert found["same"].ratio == pytest.approx(1.2)
    lines = told_changes(list(found.values()), 1.25).splitlines()
    assert [line.count("SLOWER") for line in lines[2:]] == [0, 1, 1]
    assert "broken failed: No." in markdown(now)


@pytest.mark.parametrize("text", ["", "[]", '{"rows": {"commands": [{"speed": 1}]}, "machine": {}}'])
def test_other_files_are_no_earlier_run(text: str, tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    path.write_text(text)
    with pytest.raises(InputError, match="not the JSON file"):
        from_json(path)


def test_resized_bodies_are_the_same_body() -> None:
    volume = phantom((64, 64, 40), (6.0, 6.0, 5.0))
    finer = resized(volume, in_plane=128)
    assert finer.size == (128, 128, 40)
    assert finer.spacing == pytest.approx((3.0, 3.0, 5.0))
    np.testing.assert_array_equal(finer.array[:, ::2, ::2], volume.array)
    longer = resized(volume, slices=100)
    assert longer.size == (64, 64, 100)
    np.testing.assert_array_equal(longer.array[40:80], volume.array[::-1])
    assert resized(replace(volume), slices=20).size[2] == 20
