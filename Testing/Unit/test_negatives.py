"""Pairs that must not be called reliable: each kind is what it says, rows survive, and the calibration counts them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from known_registration import known_registration
from phantoms import torso, write

from SSPELib.errors import Cancelled, InputError
from SSPELib.io import read_volume
from SSPELib.volume import body_length_mm, body_mask, check_ct
from SSPELib.volume.overlap import overlap_along_axis_mm, upper_of
from SSPEResearch.evaluation.registration.negatives import (
    KINDS,
    SAME_PART,
    Negative,
    NegativeRow,
    markdown,
    negatives,
    run,
)
from SSPEResearch.evaluation.registration.systems import Answer
from SSPEResearch.evaluation.rows import RowTable, read_rows

ROW = NegativeRow(
    "noise",
    "p1",
    "near",
    seconds=10.0,
    expected_error_mm=8.0,
    error_bound_mm=30.0,
    junction_bound_mm=20.0,
    far_bound_mm=40.0,
    reliable="false",
    found_overlap_mm=5.0,
    findings="",
    pose="",
    failure="",
)


class Sure:
    """A system that believes in whatever it answers."""

    name = "sure"

    def __init__(self) -> None:
        self.solved = 0

    def solve(self, fixed, moving, start):
        self.solved += 1
        return Answer(sitk.Transform(3, sitk.sitkIdentity), known_registration(sitk.Transform(3, sitk.sitkIdentity)))


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Two bodies of 256 mm."""
    folder = tmp_path_factory.mktemp("people")
    upright = {"size": (48, 40, 64), "spacing": (8.0, 8.0, 4.0)}
    flipped = np.diag([1.0, -1.0, -1.0])
    return [
        write(torso(**upright, seed=1), folder / "one.nii.gz"),
        write(torso(**upright, seed=2, direction=flipped), folder / "other.nii.gz"),
    ]


def test_each_volume_and_each_two_consecutive_ones_give_their_pairs(people):
    made = negatives(people)
    assert len({one.key for one in made}) == len(made) == 12
    counts = {kind: sum(one.kind == kind for one in made) for kind in KINDS}
    assert counts == {"unrelated": 2, SAME_PART: 4, "noise": 4, "wrong order": 2}
    assert {one.patient for one in made if one.kind == "unrelated"} == {"one and other"}
    assert {one.start for one in made if one.kind == "wrong order"} == {"near"}
    assert [one.kind for one in negatives(people[:1], ["unknown"])] == [SAME_PART, "noise"]


def test_unrelated_parts_are_the_far_ends_of_two_bodies_laid_end_to_end(people):
    fixed, moving = Negative("unrelated", tuple(people), "near").pair()
    assert [body_length_mm(part) for part in (fixed, moving)] == pytest.approx([90.0, 90.0], abs=4.0)
    upper, lower = (read_volume(path).array for path in people)
    # Indices of the second body grow toward its feet.
    for part, source in ((fixed, upper), (moving, lower)):
        assert np.abs(part.array.astype(float) - source[-len(part.array) :]).mean() == pytest.approx(16, abs=2)
    assert upper_of(fixed, moving, np.eye(4)) == "fixed"
    assert abs(overlap_along_axis_mm(fixed, moving, np.eye(4))) < 45


def test_bodies_too_short_to_show_unrelated_parts_are_left_out(people, tmp_path):
    short = write(torso(), tmp_path / "short.nii.gz")
    with pytest.raises(InputError, match="200 mm long; unrelated parts need 240 mm"):
        Negative("unrelated", (people[0], short), "near").pair()
    assert run([Negative("unrelated", (people[0], short), "near")], Sure(), tmp_path / "rows.csv") == []


def test_the_same_part_twice_has_other_noise_and_another_place(people):
    fixed, moving = Negative(SAME_PART, (people[1],), "near").pair()
    difference = moving.array.astype(float) - fixed.array
    assert 20 < difference[body_mask(fixed)].std() < 40
    assert not np.allclose(fixed.direction, moving.direction, atol=0.01)


def test_noise_passes_for_a_body_and_shows_none(people):
    case = Negative("noise", (people[0],), "near")
    fixed, moving = case.pair()
    assert check_ct(moving) == []
    body = body_mask(moving)
    assert body.any(axis=(1, 2)).all()
    ratio = body.mean() / body_mask(fixed).mean()
    assert 0.5 < ratio < 2
    tissue = moving.array[body & (moving.array > -300)]
    assert tissue.mean() == pytest.approx(40, abs=10)
    assert 50 < tissue.std() < 120
    assert np.array_equal(case.pair()[1].array, moving.array)


def test_a_wrong_order_is_one_by_the_headers(people):
    fixed, moving = Negative("wrong order", (people[1],), "near").pair()
    assert upper_of(fixed, moving, np.eye(4)) == "moving"


def test_a_run_goes_on_where_it_ended_and_the_table_tells_what_was_believed(people, tmp_path):
    cases, table, system = negatives(people, ["near"]), tmp_path / "rows.csv", Sure()

    def stop(fraction: float, message: str) -> None:
        if system.solved == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        run(cases, system, table, stop)
    assert len(read_rows(table, NegativeRow)) == 2
    rows = run(cases, system, table)
    assert system.solved == len(rows) == len(cases)
    assert [row.key for row in read_rows(table, NegativeRow)] == [case.key for case in cases]
    text = markdown([*rows, replace(ROW, error_bound_mm=math.nan, reliable="", failure="no position")])
    assert "| noise | near | 3 | 2 | 3.5 |" in text
    assert "| wrong order | near | 2 | 2 | 3.5 |" in text


def test_a_damaged_line_is_named(tmp_path):
    path = tmp_path / "rows.csv"
    RowTable(path, NegativeRow).add(ROW)
    with path.open("a", encoding="utf-8") as file:
        file.write("noise,p2,near,0.")
    with pytest.raises(InputError, match=r"Line 3 of .* is damaged"):
        read_rows(path, NegativeRow)
