"""The three ways of making a second scan show the moved body where the truth says, with and without padding."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from geometries import rotation
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from phantoms import torso

from SSPELib.errors import InputError
from SSPELib.poses import about, apply, matrix_of, rotation_matrix, to_transform
from SSPELib.volume import body_axis, body_mask, slices
from SSPELib.volume.overlap import overlap_along_axis_mm
from SSPELib.volume.points import indices_at
from SSPEResearch.evaluation.registration.cases import make_case
from SSPEResearch.evaluation.registration.landmarks import Landmarks
from SSPEResearch.evaluation.registration.scans import PADDING_HU, SCANS, moved, padded, rescanned, top_of

degrees = st.integers(-10, 10)
angles = st.tuples(degrees, degrees, degrees).map(np.radians)
shifts = st.tuples(*[st.integers(-200, 200)] * 3).map(lambda shift: np.array(shift, dtype=float))
directions = st.builds(
    lambda tilt, flips: rotation(tilt) @ np.diag(flips),
    st.tuples(degrees, degrees, degrees),
    st.tuples(*[st.sampled_from([-1.0, 1.0])] * 3),
)
stretches = st.sampled_from([np.eye(3), np.diag([1.04, 0.97, 1.02])])
# Enough for all hands and flips; each takes a third of a second.
few = settings(max_examples=6, deadline=None, phases=[Phase.generate])


def body(direction=None, size=(48, 40, 60)):
    return torso(size=size, spacing=(8.0, 8.0, 5.0), direction=direction, noise_hu=0.0)


def seen_through(moving, fixed, pose, outside=-5000.0):
    """The moving volume on the fixed grid by SimpleITK, float (z, y, x)."""
    transform = to_transform(pose)
    image = sitk.Resample(moving.to_image(), fixed.to_image(), transform, sitk.sitkLinear, outside, sitk.sitkFloat32)
    return sitk.GetArrayFromImage(image)


@few
@given(directions, angles, stretches, shifts)
def test_a_rescanned_part_is_the_moved_body_on_whole_slices(direction, turn, stretch, shift):
    volume = body(direction)
    pose = about(rotation_matrix(turn) @ stretch, np.zeros(3), shift)
    axis = body_axis(volume)
    lower = slices(volume, 0, 30) if axis.superior > 0 else slices(volume, 30, 60)
    top = top_of(lower)
    scan = rescanned(volume, pose, top)
    assert np.array_equal(scan.direction, volume.direction)
    assert scan.spacing == volume.spacing
    # The point chosen lies on the upper face of the uppermost slice.
    face = scan.size[axis.index] - 0.5 if axis.superior > 0 else -0.5
    assert indices_at(scan, apply(pose, top[None]))[0, axis.index] == pytest.approx(face, abs=1e-6)
    # SimpleITK brings it back to the body it was made from.
    seen = seen_through(scan, volume, pose)
    inside = (seen > -1500) & body_mask(volume)
    assert inside.sum() > 2000
    assert np.median(np.abs(seen - volume.array)[inside]) < 40
    # Every voxel of its body comes from within the volume: nothing is padding.
    places = np.argwhere(body_mask(scan))[:, ::-1].astype(float)
    source = indices_at(volume, apply(np.linalg.inv(pose), apply(scan.index_to_lps, places)))
    assert (source >= -0.5 - 1e-6).all()
    assert (source <= np.array(volume.size) - 0.5 + 1e-6).all()


@few
@given(directions, angles, shifts)
def test_a_padded_part_is_all_of_the_moved_part_and_padding_elsewhere(direction, turn, shift):
    volume = slices(body(direction), 0, 25)
    pose = about(rotation_matrix(turn), np.zeros(3), shift)
    scan, data = padded(volume, pose)
    assert np.array_equal(scan.direction, volume.direction)
    back = to_transform(np.linalg.inv(pose), "rigid", np.zeros(3))
    ones = volume.like(np.ones_like(volume.array)).to_image()
    held = sitk.GetArrayFromImage(sitk.Resample(ones, scan.to_image(), back, sitk.sitkNearestNeighbor, 0)) > 0
    assert np.mean(held != data) < 1e-4
    # The corners of the part lie in it.
    corners = np.array(np.meshgrid(*[[0.0, n - 1.0] for n in volume.size])).reshape(3, -1).T
    there = indices_at(scan, apply(pose, apply(volume.index_to_lps, corners)))
    assert (there >= -0.5).all()
    assert (there <= np.array(scan.size) - 0.5).all()
    seen = seen_through(scan.like(np.where(data, scan.array, -5000)), volume, pose)
    inside = (seen > -1100) & body_mask(volume)
    assert np.median(np.abs(seen - volume.array)[inside]) < 40


def test_a_cut_part_keeps_its_voxels():
    volume = body()
    pose = about(rotation_matrix(np.array([0.1, -0.1, 0.05])), np.zeros(3), np.array([5.0, 6.0, 7.0]))
    there = moved(volume, pose)
    assert there.array is volume.array or np.array_equal(there.array, volume.array)
    assert np.allclose(there.index_to_lps, pose @ volume.index_to_lps)


@pytest.mark.parametrize("overlap", [40.0, 0.0, -20.0])
def test_every_scan_of_a_case_has_the_same_motion_and_overlap(overlap):
    volume = body(size=(48, 40, 64))
    cases = {scan: make_case(volume, overlap, 5, scan=scan) for scan in SCANS}
    poses = [matrix_of(case.truth) for case in cases.values()]
    assert all(np.allclose(pose, poses[0]) for pose in poses)
    assert {case.overlap_mm for case in cases.values()} == {overlap}
    for case in cases.values():
        assert case.error_mm(case.truth, case.junction) == pytest.approx(0.0, abs=1e-6)
        assert case.junction[:, 2].mean() > case.far_end[:, 2].mean() + 50
        assert 10 < len(case.far_end) < len(case.points)
    assert overlap_along_axis_mm(cases["cut"].fixed, cases["cut"].moving, poses[0]) == pytest.approx(overlap, abs=1.0)
    # A rescanned one shares the wanted length in the body's middle, and more or less beside it.
    assert abs(overlap_along_axis_mm(cases["rescanned"].fixed, cases["rescanned"].moving, poses[0]) - overlap) < 25
    lowest = cases["padded"].moving.array.min()
    assert lowest in PADDING_HU
    assert np.mean(cases["padded"].moving.array == lowest) > 0.03
    again = make_case(volume, overlap, 5)
    assert np.array_equal(again.moving.array, cases["rescanned"].moving.array)


def test_a_body_that_its_field_of_view_cuts_loses_its_sides_and_is_not_padded():
    wide = body()
    volume = type(wide)(wide.array[:, 10:-10, 12:-12], wide.spacing, wide.index_to_lps[:3] @ [12, 10, 0, 1], np.eye(3))
    pose = about(rotation_matrix(np.array([0.0, 0.0, 0.17])), np.zeros(3), np.zeros(3))
    scan = rescanned(volume, pose, top_of(slices(volume, 0, 30)))
    assert scan.size[0] < volume.size[0]
    places = np.argwhere(np.ones(scan.array.shape, dtype=bool))[:, ::-1].astype(float)
    source = indices_at(volume, apply(np.linalg.inv(pose), apply(scan.index_to_lps, places)))
    assert ((source >= -0.5) & (source <= np.array(volume.size) - 0.5)).all()


def test_a_scan_that_would_show_a_sliver_of_the_body_is_refused():
    wide = body()
    volume = type(wide)(wide.array[:, 18:-18], wide.spacing, wide.index_to_lps[:3] @ [0, 18, 0, 1], np.eye(3))
    pose = about(rotation_matrix(np.array([0.0, 0.0, 0.7])), np.zeros(3), np.zeros(3))
    with pytest.raises(InputError, match="% of the body stay in the field of view"):
        rescanned(volume, pose, top_of(slices(volume, 0, 30)))


def test_too_little_under_the_upper_part_is_said():
    volume = body()
    with pytest.raises(InputError, match=r"too little|whole slices"):
        rescanned(volume, np.eye(4), top_of(slices(volume, 0, 6)))
    with pytest.raises(InputError, match="cannot be stretched"):
        make_case(volume, 40.0, 1, scan="cut", affine=True)


def test_three_landmarks_are_some_millimetres_off():
    case = make_case(body(size=(48, 40, 64)), 20.0, 3)
    exact = Landmarks(error_mm=0.0).knowing(case, 1).transform
    assert case.error_mm(exact) < 1e-3
    errors = [case.error_mm(Landmarks().knowing(case, seed).transform) for seed in range(40)]
    assert 1.0 < np.median(errors) < 12.0
