"""The benchmark: variants keep the truth, rows survive an interruption, and the summary's numbers are right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from known_registration import known_findings
from phantoms import torso, write

from SSPELib.cli.app import main
from SSPELib.errors import Cancelled, InputError
from SSPELib.poses import matrix_of
from SSPELib.registration.confidence import PLACES, judge
from SSPELib.registration.register import register
from SSPELib.volume import body_mask, synthetic_mm
from SSPELib.volume.points import at_indices, body_points
from SSPEResearch.evaluation.registration.calibration import calibrate, judged
from SSPEResearch.evaluation.registration.cases import make_case
from SSPEResearch.evaluation.registration.negatives import SAME_PART, NegativeRow
from SSPEResearch.evaluation.registration.run import Row, run, settings
from SSPEResearch.evaluation.registration.summary import (
    area_under_curve,
    draw,
    groups,
    markdown,
    sign_test,
    wilson,
)
from SSPEResearch.evaluation.registration.systems import Answer, BRAINSFitSettings, Unpolished, systems
from SSPEResearch.evaluation.registration.variants import DEFORMATION_MM, VARIANTS, vary
from SSPEResearch.evaluation.rows import RowTable, read_rows

ROW = Row(
    "a",
    "p1",
    20.0,
    "near",
    "plain",
    "rescanned",
    25.0,
    1.0,
    1.5,
    2.0,
    seconds=2.0,
    expected_error_mm=1.0,
    error_bound_mm=3.0,
    junction_bound_mm=2.0,
    far_bound_mm=4.0,
    reliable="true",
    found_overlap_mm=20.0,
    findings="",
    pose="",
    failure="",
)

OURS_BY_NAME = ("sspe", "sspe-affine", "sspe-plain", "sspe-one-sided", "sspe-local", "sspe-unpolished")


class Truthful:
    """A system that answers the identity, and counts."""

    name = "identity"

    def __init__(self) -> None:
        self.solved = 0

    def solve(self, fixed, moving, start):
        self.solved += 1
        return Answer(sitk.Transform(3, sitk.sitkIdentity))


class Broken:
    """A system that never answers."""

    name = "broken"

    def solve(self, fixed, moving, start):
        raise RuntimeError("no overlap\nat all")


@pytest.fixture(scope="module")
def case():
    return make_case(torso(size=(48, 40, 50), table=False), 60.0, seed=1, noise_hu=0.0)


def test_variants_change_the_moving_part_only_and_keep_the_truth(case):
    for variant in VARIANTS:
        varied = vary(case, variant, 3)
        assert varied.truth is case.truth
        assert varied.fixed is case.fixed
        assert varied.moving.array.dtype == np.int16
        same = varied.moving.array.shape == case.moving.array.shape and np.array_equal(
            varied.moving.array, case.moving.array
        )
        assert same == (variant in ("plain", "affine")), variant
    with pytest.raises(InputError, match="unknown"):
        vary(case, "upside down", 3)


def test_a_coarser_variant_covers_the_same_place(case):
    varied = vary(case, "spacing", 3).moving
    assert varied.spacing == pytest.approx([s * 1.35 for s in case.moving.spacing])
    assert varied.origin == pytest.approx(case.moving.origin)
    assert np.allclose(varied.direction, case.moving.direction)


def test_a_narrow_field_of_view_loses_the_sides(case):
    varied = vary(case, "field of view", 3).moving
    assert varied.size[0] < case.moving.size[0]
    index = np.array([3.0, 5.0, 7.0, 1.0])
    there = np.linalg.inv(case.moving.index_to_lps) @ varied.index_to_lps @ index
    i, j, k = np.rint(there[:3]).astype(int)
    assert varied.array[7, 5, 3] == case.moving.array[k, j, i]


def test_a_table_lies_outside_the_body(case):
    varied = vary(case, "table", 3).moving
    added = varied.array != case.moving.array
    assert added.sum() > 100
    assert not (added & body_mask(case.moving)).any()


def test_a_deformation_is_smooth_and_as_long_as_it_says(case):
    z, y, x = np.indices(case.moving.array.shape)
    places = at_indices(case.moving, np.stack([x, y, z], axis=-1).reshape(-1, 3)).reshape(*x.shape, 3)
    inner = (slice(3, -3),) * 3
    moves = []
    for along in np.moveaxis(places - places.mean(axis=(0, 1, 2)), -1, 0):
        # Where the HU grow by 8 a mm, they tell how far a voxel was moved.
        ramp = np.rint(900 + 8 * along).astype(np.int16)
        bent = vary(replace(case, moving=case.moving.like(ramp)), "deformed", 3).moving.array
        moves.append((bent - ramp)[inner] / 8)
    length = np.linalg.norm(moves, axis=0)
    assert 0.5 * DEFORMATION_MM < length.max() < 1.05 * DEFORMATION_MM
    assert max(np.abs(np.diff(moves, axis=axis)).max() for axis in (1, 2, 3)) < 0.3 * DEFORMATION_MM


def test_an_affine_case_has_the_motion_of_the_plain_one_and_a_stretch(tmp_path):
    path = write(torso(size=(48, 40, 50), spacing=(8.0, 8.0, 4.0)), tmp_path / "someone.nii.gz")
    plain, affine = settings([path], overlaps_mm=[40.0], starts=["near"], variants=["plain", "affine"])
    assert plain.seed == affine.seed
    rigid, stretched = plain.case(), affine.case()
    poses = [matrix_of(case.truth)[:3, :3] for case in (rigid, stretched)]
    stretch = poses[1] @ poses[0].T
    assert np.abs(np.linalg.svd(poses[0], compute_uv=False) - 1).max() < 1e-6
    assert 0.01 < np.abs(stretch - np.eye(3)).max() < 0.05
    assert rigid.error_mm(stretched.truth) > 0.5
    assert stretched.overlap_mm == rigid.overlap_mm == 40.0


def test_rows_are_written_at_once_and_not_done_again(tmp_path):
    path = write(torso(), tmp_path / "someone.nii.gz")
    cases = settings([path], overlaps_mm=[40.0, 20.0], starts=["near"])
    assert [case.patient for case in cases] == ["someone", "someone"]
    table = tmp_path / "rows.csv"
    system = Truthful()

    def stop(fraction: float, message: str) -> None:
        if system.solved == 1:
            raise Cancelled

    with pytest.raises(Cancelled):
        run(cases, [system], table, stop)
    first = read_rows(table, Row)
    assert len(first) == 1
    rows = run(cases, [system, Broken()], table)
    assert system.solved == 2
    assert repr(rows[0]) == repr(first[0])
    assert [row.key for row in read_rows(table, Row)] == [row.key for row in rows]
    answered = [row for row in rows if row.system == "identity"]
    assert len(answered) == 2
    assert all(row.error_mm == pytest.approx(row.start_error_mm) for row in answered)
    failed = [row for row in rows if row.system == "broken"]
    assert len(failed) == 2
    assert all(np.isnan(row.error_mm) and row.failure == "at all" for row in failed)


def test_a_foreign_table_is_not_touched(tmp_path):
    table = tmp_path / "rows.csv"
    table.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(InputError, match="no table of this benchmark"):
        run([], [], table)
    assert table.read_text(encoding="utf-8") == "a,b\n1,2\n"


def test_intervals_are_those_of_wilson():
    share, low, high = wilson(9, 10)
    assert (share, low, high) == pytest.approx((0.9, 0.5958, 0.9821), abs=1e-3)
    assert wilson(0, 5)[1] == 0.0


def test_the_summary_counts_failures_as_errors_and_sorts_by_overlap(tmp_path):
    rows = [
        ROW,
        replace(ROW, patient="p2", error_mm=12.0, error_bound_mm=11.0, reliable="false"),
        replace(
            ROW, patient="p3", error_mm=float("nan"), error_bound_mm=float("nan"), reliable="", failure="no overlap"
        ),
        replace(ROW, overlap_mm=0.0, error_mm=8.0, error_bound_mm=9.0, reliable="false"),
    ]
    found = groups(rows)
    assert [group.overlap_mm for group in found] == [0.0, 20.0]
    assert found[1].share_below(10.0)[0] == pytest.approx(1 / 3)
    assert found[1].median_mm == 12.0
    assert area_under_curve(rows) == 1.0
    text = markdown(rows)
    assert "| near | rescanned | plain | a | 20 | 3 |" in text
    # Of three cases one keeps its bound; the only one called reliable is right.
    assert "| near | rescanned | plain | a | 20 | 3 | 33 [6, 79] | 100 [44, 100] | 100 [44, 100] |" in text
    assert "| 33 [6, 79] | 100 [21, 100] |" in text
    assert "say of themselves" not in markdown([replace(rows[0], error_bound_mm=float("nan"))])
    draw(rows, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000


def test_larger_bounds_tell_lost_cases():
    sure = replace(ROW, error_mm=1.0, error_bound_mm=2.0)
    doubtful = replace(ROW, error_mm=1.0, error_bound_mm=30.0)
    lost = replace(ROW, error_mm=50.0, error_bound_mm=20.0)
    assert area_under_curve([sure, sure, doubtful, lost]) == pytest.approx(2 / 3)
    assert area_under_curve([doubtful, replace(lost, error_mm=float("nan"), error_bound_mm=30.0)]) == 0.5
    assert np.isnan(area_under_curve([sure, doubtful]))


def test_paired_differences_are_tested_exactly():
    ours = [replace(ROW, patient=f"p{i}", error_mm=1.0) for i in range(8)]
    theirs = [replace(row, system="b", error_mm=1.0 if i < 2 else 50.0) for i, row in enumerate(ours)]
    first, second, p = sign_test([*ours, *theirs], "a", "b", 20.0, 10.0)
    assert (first, second) == (6, 0)
    assert p == pytest.approx(2 / 64)


def test_the_table_tests_this_system_against_each_other_one_overlap_by_overlap():
    ours = [replace(ROW, system="SSPE", patient=f"p{i}", overlap_mm=mm) for i in range(8) for mm in (0.0, 40.0)]
    plain = [replace(row, system="plain", error_mm=50.0 if row.overlap_mm == 0.0 else 1.0) for row in ours]
    few = [replace(ours[0], system="few", error_mm=float("nan")), replace(ours[0], system="few", patient="another")]
    lines = markdown([*ours, *plain, *few]).splitlines()
    table = lines[lines.index("| overlap, mm | SSPE against | SSPE alone | the other alone | p |") + 2 :]
    assert table == [
        "| 0 | plain | 8 | 0 | 0.0078 |",
        "| 40 | plain | 0 | 0 | 1 |",
        "| 0 | few | 1 | 0 | 1 |",
    ]
    assert "against" not in markdown(plain)


def test_the_settings_of_brainsfit_solve_a_large_overlap():
    case = make_case(torso(size=(66, 48, 80), spacing=(5.0, 5.0, 4.0), center=(0, 0, -50)), 160.0, seed=2)
    answer = BRAINSFitSettings().solve(case.fixed, case.moving, "near")
    assert case.error_mm(answer.transform) < 0.5 * case.start_error_mm


def test_systems_are_named_and_unknown_ones_refused():
    assert [system.name for system in systems(["sspe-plain", "brainsfit"])] == [
        "SSPE without expansion",
        "BRAINSFit settings",
    ]
    assert systems([]) == []
    with pytest.raises(InputError, match="unknown"):
        systems(["magic"])


class Seen(Exception):
    """What `tasks.register` was called with."""

    def __init__(self, fixed, moving, options, **others):
        self.pair, self.options, self.others = (fixed, moving), options, others


@pytest.mark.parametrize("start", ["near", "unknown"])
def test_ablations_leave_out_the_part_they_are_named_for(case, start, tiny_bundle, monkeypatch):
    def tell(*arguments, **others):
        raise Seen(*arguments, **others)

    monkeypatch.setattr("SSPELib.tasks.register", tell)
    seen: dict[str, Seen] = {}
    for name, system in zip(OURS_BY_NAME, systems(list(OURS_BY_NAME), str(tiny_bundle.folder), "cpu"), strict=True):
        with pytest.raises(Seen) as caught:
            system.solve(case.fixed, case.moving, start)
        seen[name] = caught.value
    ends = {"inferior", "superior"} if start == "unknown" else {"inferior"}
    for name, call in seen.items():
        assert call.options.expand == (name not in ("sspe-plain", "sspe-one-sided")), name
        grown = {end for end, mm in synthetic_mm(call.pair[0]).items() if mm > 0}
        assert grown == (ends if name == "sspe-one-sided" else set()), name
        assert not any(synthetic_mm(call.pair[1]).values()), name
        assert call.options.transform_type == ("affine" if name == "sspe-affine" else "rigid"), name
        assert (call.others["backend"] == Unpolished()) == (name == "sspe-unpolished"), name
        assert call.options.start == ("unknown" if start == "unknown" else "header"), name
        assert (call.others["start_transform"] is None) == (name != "sspe-local"), name
    pose = matrix_of(seen["sspe-local"].others["start_transform"])
    apart = body_points(case.moving).mean(axis=0) - body_points(case.fixed).mean(axis=0)
    assert pose[:3, 3] == pytest.approx(apart if start == "unknown" else np.zeros(3))
    assert pose[:3, :3] == pytest.approx(np.eye(3))


def test_a_result_without_last_refinement_is_that_of_the_search(case):
    options = {"start": "header", "transform_type": "rigid", "tolerance_mm": 10.0}
    result = register(case.fixed, case.moving, backend=Unpolished(), **options)
    assert result.backend == "none"
    assert case.error_mm(result.transform) < 5


def rated(person: int, error: float, **findings: float) -> Row:
    """A row of this system with its findings."""
    said = known_findings(**findings)
    text = " ".join(f"{name}={value}" for name, value in vars(said).items())
    return replace(ROW, system="SSPE", patient=f"p{person}", error_mm=error, junction_error_mm=error / 2, findings=text)


def known_rows(count: int, seed: int) -> list[Row]:
    """Cases whose errors scatter around what the curvature predicts, as nothing else tells."""
    random = np.random.default_rng(seed)
    rows = []
    for person in range(count):
        for overlap in (20.0, 0.0, -20.0):
            predicted = float(np.exp(random.normal(1.0, 0.7)))
            off = {f"{place}_mm": predicted for place in PLACES}
            error = predicted * float(np.exp(random.normal(0.0, 0.5)))
            off |= {"overlap_mm": overlap, "spread_mm": random.exponential(3.0)}
            rows.append(rated(person, error, **off))
    return rows


def test_findings_come_back_from_a_row_as_they_were():
    assert rated(1, 2.0, margin=-3.5, order_agrees=None).known_findings() == known_findings(
        margin=-3.5, order_agrees=None
    )
    assert ROW.known_findings() is None


def test_nine_of_ten_new_cases_keep_their_bound_whatever_their_overlap():
    made = calibrate(known_rows(60, 4))
    others = [judged(row, made) for row in known_rows(150, 2)]
    for overlap in (20.0, 0.0, -20.0):
        own = [row for row in others if f"overlap_mm={overlap}" in row.findings]
        assert np.mean([row.error_mm <= row.error_bound_mm for row in own]) == pytest.approx(0.9, abs=0.08)
        assert np.mean([row.junction_error_mm <= row.junction_bound_mm for row in own]) == pytest.approx(0.9, abs=0.08)
        assert np.mean([row.error_mm <= row.expected_error_mm for row in own]) == pytest.approx(0.5, abs=0.12)
    # What tells is used: twice the predicted error, about twice the bound, where the floor counts little.
    one, twice = (judge(known_findings(body_mm=mm), 10.0, made).body.bound_mm for mm in (20.0, 40.0))
    assert 1.6 < twice / one < 2.2


def test_pairs_that_cannot_be_joined_raise_the_bounds_of_results_like_them():
    rows = known_rows(20, 3)
    text = " ".join(f"{n}={v}" for n, v in vars(known_findings(real_evidence=0.0, margin=0.1)).items())
    negative = NegativeRow("noise", "p1", "near", **{**ROW.outcome(), "findings": text})
    alone, warned = calibrate(rows), calibrate(rows, [negative] * 20)
    same = calibrate(rows, [replace(negative, kind=SAME_PART)] * 20)
    assert same == alone
    weak = known_findings(real_evidence=0.0, margin=0.1)
    assert judge(weak, 10.0, warned).body.bound_mm > 1.5 * judge(weak, 10.0, alone).body.bound_mm


def test_calibration_needs_cases_of_several_people():
    with pytest.raises(InputError, match="at least 9 of two people"):
        calibrate([rated(1, 2.0)] * 12)


def test_the_command_writes_constants_that_can_be_read_and_draws(tmp_path, capsys):
    paths = tmp_path / "rows.csv", tmp_path / "test.csv"
    for path, seed in zip(paths, (1, 2), strict=True):
        table = RowTable(path, Row)
        for row in known_rows(8, seed):
            table.add(replace(row, overlap_mm=row.known_findings().overlap_mm))
    made = tmp_path / "error_constants.py"
    before = read_rows(paths[1], Row)
    options = ["--test", str(paths[1]), "--constants", str(made), "--figure", str(tmp_path / "r.png"), "--update"]
    assert main(["benchmark", "calibrate", str(paths[0]), *options]) == 0
    out = capsys.readouterr().out
    assert out.startswith("24 cases, 0 negatives of which 0 are called reliable")
    assert "| near | rescanned | plain | SSPE | -20 | 8 |" in out
    assert (tmp_path / "r.png").stat().st_size > 5000
    names: dict[str, object] = {}
    exec(made.read_text(encoding="utf-8"), names)
    expected = calibrate(read_rows(paths[0], Row))
    assert names["WEIGHTS"] == expected.weights
    assert names["RATIOS"] == expected.ratios
    # The rows say what the new constants say, and are otherwise as they were.
    after = read_rows(paths[1], Row)
    assert after == [judged(row, expected) for row in before]
    assert [(row.key, row.findings, row.error_mm) for row in after] == [
        (row.key, row.findings, row.error_mm) for row in before
    ]
    assert {row.error_bound_mm for row in after} != {row.error_bound_mm for row in before}
