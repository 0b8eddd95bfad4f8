"""Registration of parts of one body with a known answer, and of parts that do not belong together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from phantoms import torso

from SSPELib.errors import Cancelled, RegistrationError
from SSPELib.poses import about, matrix_of, rotation_angle, rotation_matrix, to_transform
from SSPELib.registration import Registration
from SSPELib.registration.images import ImagePyramid
from SSPELib.registration.register import register as align
from SSPELib.registration.search import HEADER_REACH_MM, LARGEST_ROTATION_DEGREES
from SSPELib.volume import BodyAxis, Provenance, Volume, body_axis, slices, with_slices
from SSPEResearch.evaluation.registration.cases import Case, make_case


def register(fixed, moving, *, start="header", transform_type="rigid", **others):
    """A registration by the defaults of the product."""
    return align(fixed, moving, start=start, transform_type=transform_type, tolerance_mm=10.0, **others)


def grown(volume: Volume, end: str, mm: float = 40.0) -> Volume:
    """An expansion that repeats the edge slice, in place of the network's."""
    axis = body_axis(volume)
    count = round(mm / volume.spacing[axis.index])
    at_start = (end == "inferior") == (axis.superior > 0)
    edge = np.take(volume.array, [0 if at_start else -1], axis.numpy_axis)
    new = np.repeat(edge, count, axis.numpy_axis)
    return with_slices(volume, new if at_start else None, None if at_start else new, Provenance.SYNTHETIC)


@pytest.fixture(scope="module")
def person() -> Volume:
    return torso(size=(66, 48, 80), spacing=(5.0, 5.0, 4.0), center=(0.0, 0.0, -50.0), noise_hu=0.0)


@pytest.fixture(scope="module")
def near(person) -> tuple[Case, Registration, list[str]]:
    case = make_case(person, 60.0, seed=3)
    before = case.fixed.array.copy(), case.moving.array.copy()
    messages: list[str] = []

    def note(fraction: float, message: str) -> None:
        assert 0 <= fraction <= 1
        messages.append(message)

    result = register(case.fixed, case.moving, transform_type="rigid", progress=note)
    assert np.array_equal(before[0], case.fixed.array)
    assert np.array_equal(before[1], case.moving.array)
    return case, result, messages


def test_two_parts_with_good_overlap_are_found_and_called_reliable(near):
    case, result, _ = near
    assert case.start_error_mm > 10
    assert case.error_mm(result.transform) < 2
    assert result.reliable
    assert result.error_bound_mm < 5
    assert result.overlap_mm == pytest.approx(60.0, abs=4)
    assert result.metric > 0.8
    assert isinstance(result.transform, sitk.VersorRigid3DTransform)
    assert result.transform_type == "rigid"
    assert result.synthetic_mm["fixed"] == {"inferior": 0.0, "superior": 0.0}
    assert result.candidates[0].evidence == max(candidate.evidence for candidate in result.candidates)


def test_the_other_way_round_gives_the_inverse(near):
    case, result, _ = near
    back = register(case.moving, case.fixed, transform_type="rigid")
    assert case.error_mm(back.transform.GetInverse()) < 2
    loop = matrix_of(back.transform) @ matrix_of(result.transform)
    assert np.abs(loop[:3, :3] - np.eye(3)).max() < 0.02


def test_grids_of_any_direction_spacing_and_handedness_meet():
    turn = rotation_matrix(np.radians([4.0, -3.0, 5.0]))
    flipped = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [-1.0, 0.0, 0.0]])
    fixed = torso(size=(84, 60, 40), spacing=(4.0, 4.0, 4.0), center=(0, 0, -10), seed=1)
    moving = torso(size=(40, 64, 50), spacing=(4.0, 5.0, 5.0), direction=flipped, center=(0, 0, -120), seed=2)
    assert np.linalg.det(flipped) < 0
    assert body_axis(moving) == BodyAxis(0, -1)
    pose = about(turn, np.array([0.0, 0.0, -120.0]), np.array([8.0, -10.0, 12.0]))
    moved = replace(
        moving,
        origin=tuple(pose[:3, :3] @ np.array(moving.origin) + pose[:3, 3]),
        direction=pose[:3, :3] @ moving.direction,
    )
    result = register(fixed, moved, transform_type="rigid")
    points = np.random.default_rng(0).uniform((-100, -70, -200), (100, 70, -40), (200, 3))
    found, true = matrix_of(result.transform), pose
    error = np.linalg.norm(points @ (found - true)[:3, :3].T + (found - true)[:3, 3], axis=1).mean()
    assert error < 3


def test_an_unknown_header_is_no_obstacle(person):
    case = make_case(person, 60.0, seed=5, start="unknown")
    result = register(case.fixed, case.moving, start="unknown", transform_type="rigid")
    assert case.start_error_mm > 60
    assert case.error_mm(result.transform) < 3


def test_wedges_without_data_are_neither_evidence_nor_overlap(person):
    case = make_case(person, 40.0, seed=3, scan="padded")
    padding = case.moving.array == case.moving.array.min()
    assert padding.mean() > 0.05
    moving = replace(case.moving, provenance=np.where(padding, Provenance.NO_DATA, Provenance.REAL).astype(np.uint8))
    result = register(case.fixed, moving)
    assert case.error_mm(result.transform) < 2
    assert result.overlap_mm == pytest.approx(40.0, abs=6)


def test_a_transform_in_hand_is_a_start(near):
    case, _, _ = near
    rough = matrix_of(case.truth) @ about(np.eye(3), np.zeros(3), np.array([9.0, -9.0, 12.0]))
    result = register(case.fixed, case.moving, start=to_transform(rough, "rigid", np.zeros(3)), transform_type="rigid")
    assert result.start == "transform"
    assert case.error_mm(result.transform) < 2


def test_synthetic_slices_do_not_spoil_what_real_overlap_knows(person):
    case = make_case(person, 30.0, seed=6)
    fixed, moving = grown(case.fixed, "inferior"), grown(case.moving, "superior")
    result = register(fixed, moving, transform_type="affine")
    assert case.error_mm(result.transform) < 5
    assert result.synthetic_mm == {
        "fixed": {"inferior": 40.0, "superior": 0.0},
        "moving": {"inferior": 0.0, "superior": 40.0},
    }
    assert result.transform_type == "rigid"
    assert any("do not support an affine" in reason for reason in result.reasons)


def test_an_affine_transform_follows_a_stretch(person):
    case = make_case(person, 60.0, seed=4, affine=True)
    result = register(case.fixed, case.moving, transform_type="affine")
    unstretched = to_transform(matrix_of(case.truth), "rigid", case.points.mean(axis=0))
    assert result.transform_type == "affine"
    assert case.error_mm(result.transform) < min(3.0, case.error_mm(unstretched) / 2)
    assert result.reliable


def test_the_same_part_twice_is_not_reliable(person):
    part = slices(person, 0, 45)
    result = register(part, replace(part, name="again"), transform_type="rigid")
    assert not result.reliable
    assert any("same region" in reason for reason in result.reasons)


def test_a_wrong_order_of_upper_and_lower_is_not_reliable(person):
    upper, lower = slices(person, 42, 80), slices(person, 0, 38)
    height = 42 * 4.0
    x, y, z = upper.origin
    below = replace(upper, origin=(x, y, z - 2 * height))
    assert not register(below, lower, transform_type="rigid").reliable


def test_noise_is_not_reliable(person):
    noise = np.random.default_rng(0).normal(0, 300, person.array.shape).astype(np.int16)
    result = register(person, replace(person.like(noise), name="noise"), transform_type="rigid")
    assert not result.reliable


def test_a_start_from_the_headers_stays_near_them_however_wrong_they_are(person):
    """The answer lies beyond the range."""
    upper, lower = slices(person, 42, 80), slices(person, 0, 38)
    away = replace(lower, origin=(lower.origin[0], lower.origin[1], lower.origin[2] + HEADER_REACH_MM + 25.0))
    moving = grown(away, "superior")
    result = register(grown(upper, "inferior"), moving)
    body = ImagePyramid(moving).at(8.0).real_body_points()
    middle = (body.min(axis=0) + body.max(axis=0)) / 2
    moved = np.subtract(result.transform.GetInverse().TransformPoint(middle), middle)
    assert np.abs(moved).max() <= HEADER_REACH_MM + 1e-6
    assert rotation_angle(matrix_of(result.transform)) <= LARGEST_ROTATION_DEGREES + 0.01


def test_cancelling_stops_at_once_in_every_stage(near):
    case, _, messages = near
    stages = ["Preparing the images", "Searching over all positions", "Refining the best positions"]
    assert {*stages, "Refining on real voxels"} <= set(messages)
    for stage in stages:

        def stop(fraction: float, message: str, wanted: str = stage) -> None:
            if message == wanted:
                raise Cancelled

        with pytest.raises(Cancelled):
            register(case.fixed, case.moving, transform_type="rigid", progress=stop)


def test_bad_starts_are_refused_in_words(person):
    with pytest.raises(RegistrationError, match="unknown"):
        register(person, person, start="nowhere")  # type: ignore[arg-type]
    with pytest.raises(RegistrationError, match="bends space"):
        register(person, person, start=sitk.BSplineTransform(3))


def test_a_real_patient_cut_with_20_mm_of_overlap(ct_data):
    path = sorted((ct_data / "openkbp" / "validation").glob("*_ct.nii.gz"))[0]
    volume = Volume.from_image(sitk.ReadImage(str(path)), name=path.name)
    case = make_case(volume, 20.0, seed=0)
    result = register(case.fixed, case.moving, transform_type="rigid")
    assert case.start_error_mm > 15
    assert case.error_mm(result.transform) < 5
