"""The benchmark of merging: nothing is lost under the known transform, and a wrong one shows."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from command_line import Run
from known_registration import known_registration
from phantoms import torso, write

from SSPELib import tasks
from SSPELib.errors import InputError
from SSPELib.poses import to_transform
from SSPELib.volume import Volume
from SSPELib.volume.points import body_points, indices_at
from SSPEResearch.evaluation.merging.cases import make_body
from SSPEResearch.evaluation.merging.measures import ALL
from SSPEResearch.evaluation.merging.run import KNOWN, REGISTERED, Row, run, settings
from SSPEResearch.evaluation.merging.summary import markdown

WHOLE = torso(size=(76, 56, 66), spacing=(5, 5, 5), noise_hu=5, name="whole")


@pytest.fixture
def patient(tmp_path: Path) -> Path:
    """A CT with labels beside it: 1 soft tissue, 2 bone."""
    labels = WHOLE.like((WHOLE.array > 0).astype(np.uint8) + (WHOLE.array > 400))
    write(labels, tmp_path / "pt_1_labels.nii.gz")
    return write(WHOLE, tmp_path / "pt_1_ct.nii.gz")


def by_region(rows: list[Row]) -> dict[str, Row]:
    return {row.region: row for row in rows}


@pytest.mark.parametrize("count", [2, 3])
def test_parts_show_the_body_where_it_was(count: int) -> None:
    body = make_body(WHOLE, count, 25.0, 4)
    assert len(body.parts) == count
    heights = []
    for part, pose in zip(body.parts, body.poses, strict=True):
        points = body_points(part)[::7]
        there = points @ np.linalg.inv(pose)[:3, :3].T + np.linalg.inv(pose)[:3, 3]
        heights.append((there[:, 2].min(), there[:, 2].max()))
        x, y, z = np.rint(indices_at(part, points)).astype(int).T
        i, j, k = np.clip(np.rint(indices_at(WHOLE, there)).astype(int), 0, np.array(WHOLE.size) - 1).T
        assert np.corrcoef(part.array[z, y, x], WHOLE.array[k, j, i])[0, 1] > 0.7
    np.testing.assert_array_equal(body.parts[0].array, WHOLE.array[-body.parts[0].size[2] :])
    for (low, _), (_, high) in pairwise(heights):
        # The overlap in the middle of the body; tilted faces reach farther.
        assert 10 < high - low < 80
    with pytest.raises(InputError, match="too short for 3 parts"):
        make_body(torso(size=(30, 24, 20), spacing=(8, 8, 5)), 3, 25.0, 0)


def test_under_the_known_transform_only_resampling_is_lost(tmp_path: Path, patient: Path) -> None:
    rows = run(settings([patient], [2, 3], [25.0], KNOWN), tmp_path / "rows.csv", None, "cpu")
    # A tilted scan of whole slices leaves wedges at the cuts and at the lower end.
    for parts, covered in ((2, 0.95), (3, 0.7)):
        found = by_region([row for row in rows if row.parts == parts])
        assert (found["fixed alone"].mean_hu, found["fixed alone"].percentile_95_hu) == (0, 0)
        assert found[ALL].error_mm == 0
        assert found["moving alone"].air_share < 0.002
        assert found["seam"].air_share < 0.002
        assert found[ALL].covered_share > covered
        assert found["moving alone"].mean_hu < 40
    organs = [row for row in rows if not np.isnan(row.dice_back)]
    assert {row.region for row in organs} == {"brainstem", "spinal cord"}
    assert all(row.dice_back > 0.9 and row.dice_there > 0.85 for row in organs)
    # What is done is not done again.
    assert len(run(settings([patient], [2, 3], [25.0], KNOWN), tmp_path / "rows.csv", None, "cpu")) == len(rows)


def test_a_wrong_transform_shows(tmp_path: Path, patient: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = settings([patient], [2], [25.0], REGISTERED)
    known = run(settings([patient], [2], [25.0], KNOWN), tmp_path / "known.csv", None, "cpu")
    off = np.eye(4)
    off[:3, 3] = (6, 0, 8)

    def register(fixed: Volume, moving: Volume, *_: object, **__: object) -> tasks.Registered:
        # By the parts' own size the case is found again, and with it its truth.
        body = make_body(WHOLE, 2, 25.0, case[0].seed)
        assert moving.size == body.parts[1].size
        found = known_registration(to_transform(off @ body.poses[1]), reliable=False)
        return tasks.Registered(fixed, moving, found, None, ())

    monkeypatch.setattr(tasks, "register", register)
    wrong = by_region(run(case, tmp_path / "wrong.csv", None, "cpu"))
    right = by_region(known)
    assert wrong[ALL].error_mm == pytest.approx(10.0, abs=0.01)
    assert wrong[ALL].reliable == "false"
    assert wrong["moving alone"].mean_hu > 2 * right["moving alone"].mean_hu
    assert wrong["spinal cord"].dice_there < right["spinal cord"].dice_there - 0.2
    assert wrong["fixed alone"].mean_hu == 0


def test_a_failure_is_a_row_and_the_table_tells(tmp_path: Path, patient: Path, monkeypatch) -> None:
    def register(*_: object, **__: object) -> None:
        raise InputError("no body")

    monkeypatch.setattr(tasks, "register", register)
    rows = run(settings([patient], [2], [25.0], REGISTERED), tmp_path / "rows.csv", None, "cpu")
    assert [(row.region, row.failure) for row in rows] == [(ALL, "no body")]
    run(settings([patient], [2], [25.0], KNOWN), tmp_path / "rows.csv", None, "cpu")
    table = markdown(run([], tmp_path / "rows.csv", None, "cpu"))
    assert "| 2 | 25 | known | 1 of 1 | 0.00 (0.00) | fixed alone | 0.0 (0.0) |" in table
    assert "| 25 | known | spinal cord | 1 |" in table


def test_the_command(tmp_path: Path, patient: Path, run: Run) -> None:
    table = tmp_path / "merge.md"
    arguments = ["benchmark", "merge", patient, "--rows", tmp_path / "rows.csv", "--table", table, "--known"]
    done = run(*arguments, "--parts", 2, "--overlap", -20)
    assert done.code == 0, done.err
    assert "filled gap" in table.read_text()
