"""Poses, transforms and overlaps: exact on any geometry."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from geometries import Geometry, any_geometry
from hypothesis import given, settings
from hypothesis import strategies as st
from phantoms import torso

from SSPELib.errors import InputError, RegistrationError
from SSPELib.poses import (
    about,
    apply,
    matrix_of,
    mean_distance,
    rotation_angle,
    rotation_matrix,
    to_transform,
)
from SSPELib.registration.backends import REACH_MM, _cropped
from SSPELib.registration.images import ImagePyramid
from SSPELib.volume import Provenance, body_axis, slices
from SSPELib.volume.overlap import end_centers, overlap_along_axis_mm, predict_overlap, upper_of
from SSPEResearch.evaluation.registration.cases import cut, make_case

vectors = st.tuples(*[st.floats(-0.4, 0.4)] * 3).map(np.array)
shifts = st.tuples(*[st.floats(-300, 300)] * 3).map(np.array)


@given(vectors, shifts, shifts)
def test_a_rigid_pose_survives_the_way_through_a_transform(rotation, center, shift):
    pose = about(rotation_matrix(rotation), center, shift)
    transform = to_transform(pose, "rigid", center)
    assert isinstance(transform, sitk.VersorRigid3DTransform)
    assert np.allclose(matrix_of(transform), pose, atol=1e-6)
    assert rotation_angle(pose) == pytest.approx(np.degrees(np.linalg.norm(rotation)), abs=1e-4)
    assert np.allclose(transform.TransformPoint(center.tolist()), center + shift, atol=1e-6)


@given(vectors, shifts)
def test_an_affine_pose_survives_the_way_through_a_transform(rotation, shift):
    pose = about(rotation_matrix(rotation) @ np.diag([1.05, 0.97, 1.02]), np.array([10.0, -20.0, 30.0]), shift)
    transform = to_transform(pose, "affine", np.array([5.0, 6.0, 7.0]))
    assert isinstance(transform, sitk.AffineTransform)
    assert np.allclose(matrix_of(transform), pose, atol=1e-6)


def test_a_composite_of_linear_transforms_is_understood_and_a_bent_one_refused():
    shift = sitk.TranslationTransform(3, (1.0, 2.0, 3.0))
    pose = matrix_of(sitk.CompositeTransform([shift, shift]))
    assert np.allclose(pose[:3, 3], (2.0, 4.0, 6.0))
    with pytest.raises(RegistrationError, match="bends space"):
        matrix_of(sitk.BSplineTransform(3))


def test_mean_distance_of_a_shift_is_its_length():
    points = np.random.default_rng(0).normal(0, 100, (50, 3))
    assert mean_distance(np.eye(4), about(np.eye(3), np.zeros(3), np.array([3.0, 4.0, 0.0])), points) == pytest.approx(
        5
    )


@given(st.integers(-6, 20), st.permutations([0, 1, 2]), st.tuples(*[st.sampled_from([-1, 1])] * 3))
def test_overlap_of_a_cut_is_what_was_cut_on_any_index_order_and_flip(shared, order, signs):
    direction = (np.eye(3) * np.array(signs))[:, list(order)]
    size = (6, 6, 6)
    axis = int(np.argmax(np.abs(direction[2])))
    size = tuple(60 if index == axis else 6 for index in range(3))
    volume = torso(size=size, spacing=(4.0, 4.0, 4.0), direction=direction, noise_hu=0)
    first, last = slices(volume, 0, 30 + shared), slices(volume, 30, 60)
    found = predict_overlap(first, last)
    assert found.overlap_mm == pytest.approx(shared * 4.0, abs=1e-6)
    assert found.percent == pytest.approx(max(0.0, 100 * shared / min(30, 30 + shared)), abs=1e-6)
    assert found.upper == ("moving" if body_axis(volume).superior > 0 else "fixed")
    assert found.same_frame is None


def test_frames_of_reference_are_compared_where_both_are_known(small_torso):
    one, other = replace(small_torso, frame_of_reference="1.2"), replace(small_torso, frame_of_reference="1.3")
    assert predict_overlap(one, one).same_frame is True
    assert predict_overlap(one, other).same_frame is False


@pytest.mark.parametrize("overlap", [60.0, 0.0, -20.0])
@pytest.mark.parametrize("start", ["near", "unknown"])
def test_a_case_knows_its_truth(small_torso, overlap, start):
    case = make_case(small_torso, overlap, seed=4, start=start, scan="cut", noise_hu=0.0)
    pose = matrix_of(case.truth)
    assert case.overlap_mm == overlap
    assert overlap_along_axis_mm(case.fixed, case.moving, pose) == pytest.approx(overlap, abs=1.0)
    assert upper_of(case.fixed, case.moving, pose) == "fixed"
    assert case.error_mm(case.truth) == pytest.approx(0.0, abs=1e-6)
    assert case.start_error_mm > (1.0 if start == "near" else 20.0)
    # The moved voxels are those of the volume, seen through the truth.
    index = np.array([[20.0, 20.0, 5.0]])
    there = apply(np.linalg.inv(pose), apply(case.moving.index_to_lps, index))
    source = apply(np.linalg.inv(small_torso.index_to_lps), there)
    i, j, k = np.rint(source[0]).astype(int)
    assert np.allclose(source[0], (i, j, k), atol=1e-6)
    assert case.moving.array[5, 20, 20] == small_torso.array[k, j, i]


def test_a_case_is_the_same_for_the_same_seed(small_torso):
    one, other = make_case(small_torso, 20.0, seed=7), make_case(small_torso, 20.0, seed=7)
    assert np.array_equal(one.moving.array, other.moving.array)
    assert one.truth.GetParameters() == other.truth.GetParameters()


def test_a_volume_too_short_to_cut_says_so(small_torso):
    with pytest.raises(InputError, match="too short for two parts"):
        cut(slices(small_torso, 0, 12), 0.0, np.random.default_rng(0))


def test_an_affine_case_is_resampled_to_fit_its_truth(small_torso):
    case = make_case(small_torso, 60.0, seed=2, affine=True, noise_hu=0.0)
    moving = sitk.Resample(case.moving.to_image(), case.fixed.to_image(), case.truth, sitk.sitkLinear, -2000.0)
    seen = sitk.GetArrayFromImage(moving)
    inside = seen > -1500
    difference = np.abs(seen[inside].astype(float) - case.fixed.array[inside])
    assert inside.sum() > 5000
    assert np.median(difference) < 30


def test_parts_of_one_body_on_different_grids_show_the_same():
    turn = rotation_matrix(np.radians([8.0, -5.0, 12.0])) @ np.diag([-1.0, 1.0, 1.0])
    oblique = torso(size=(64, 56, 50), spacing=(6.0, 6.0, 4.0), direction=turn, seed=1)
    one, other = ImagePyramid(torso()).at(8.0), ImagePyramid(oblique).at(8.0)
    points = one.points((one.body > 0.9) & one.valid)
    index = np.rint((points - other.origin) / 8.0).astype(int)
    inside = ((index >= 0) & (index < np.array(other.hu.shape[::-1]))).all(axis=1)
    x, y, z = index[inside].T
    mine = one.hu[(one.body > 0.9) & one.valid][inside]
    both = other.valid[z, y, x] & (other.body[z, y, x] > 0.9)
    assert both.sum() > 3000
    assert np.median(np.abs(mine[both] - other.hu[z, y, x][both])) < 60


def test_a_masked_body_ends_where_it_is_cut_and_a_wedge_in_its_middle(small_torso):
    inside = small_torso.array > -500
    masked = replace(small_torso, provenance=np.where(inside, Provenance.REAL, Provenance.NO_DATA).astype(np.uint8))
    assert np.allclose(end_centers(masked), end_centers(small_torso), atol=small_torso.spacing[2])
    z, _, x = np.indices(small_torso.array.shape)
    missing = z < 6 * x / (small_torso.array.shape[2] - 1)
    wedge = replace(small_torso, provenance=np.where(missing, Provenance.NO_DATA, Provenance.REAL).astype(np.uint8))
    lower, upper = end_centers(wedge) - end_centers(small_torso)
    assert lower[2] == pytest.approx(3.0 * small_torso.spacing[2], abs=small_torso.spacing[2])
    assert np.allclose(upper, 0.0)


def test_overlap_is_that_of_the_body_wherever_it_lies_in_its_grid():
    size = (60, 50, 40)
    fixed = torso(size=size, spacing=(8.0, 8.0, 5.0), center=(0.0, 0.0, 100.0), noise_hu=0)
    tilt = rotation_matrix(np.radians([0.0, 10.0, 0.0]))
    moving = torso(size=size, spacing=(8.0, 8.0, 5.0), direction=tilt, center=(80.0, 0.0, -80.0), noise_hu=0)
    middle = apply(moving.index_to_lps, np.array([[*((np.array(size[:2]) - 1) / 2), size[2] - 0.5]]))[0]
    normal = tilt[:, 2]
    # Where the upper face of the moving grid meets the axis of the body, x = y = 0.
    face = middle @ normal / normal[2]
    lowest = 100.0 - 20 * 5.0
    assert abs(face - middle[2]) > 10
    assert overlap_along_axis_mm(fixed, moving, np.eye(4)) == pytest.approx(face - lowest, abs=2.5)


def test_air_around_a_body_changes_no_image():
    narrow = ImagePyramid(torso(size=(48, 36, 40), noise_hu=0)).at(5.0)
    roomy = ImagePyramid(torso(size=(96, 80, 40), noise_hu=0)).at(5.0)
    assert np.allclose(narrow.origin, roomy.origin)
    inside = narrow.valid & roomy.valid
    assert inside.mean() > 0.7
    assert np.array_equal(narrow.hu[inside], roomy.hu[inside])
    assert np.array_equal(narrow.body[inside], roomy.body[inside])


def ball(geometry: Geometry, count: int) -> sitk.Image:
    """A mask of some inner voxels, uint8, the middle of whose grid lies at the origin."""
    index = np.indices((count, count, count)) - (count - 1) / 2
    image = sitk.GetImageFromArray(((index**2).sum(axis=0) < (count / 3) ** 2).astype(np.uint8))
    image.SetSpacing(geometry.spacing)
    image.SetDirection(geometry.direction.ravel().tolist())
    image.SetOrigin((-geometry.direction @ (np.array(geometry.spacing) * (count - 1) / 2)).tolist())
    return image


@settings(max_examples=25)
@given(any_geometry(), any_geometry(), vectors, st.tuples(*[st.floats(-15, 15)] * 3).map(np.array))
def test_voxels_near_the_other_part_are_those_that_simpleitk_takes_there(own, other, rotation, shift):
    mask, there = ball(own, 12), ball(other, 9)
    pose = about(rotation_matrix(rotation), np.zeros(3), shift)
    low, high = np.array([(at.min(), at.max()) for at in np.nonzero(sitk.GetArrayFromImage(there))[::-1]]).T
    reach = REACH_MM / np.array(other.spacing) + 0.5
    met = []
    for z, y, x in np.argwhere(sitk.GetArrayFromImage(mask)):
        place = apply(pose, np.array([mask.TransformIndexToPhysicalPoint((int(x), int(y), int(z)))]))[0]
        index = np.array(there.TransformPhysicalPointToContinuousIndex(place.tolist()))
        if (index >= low - reach).all() and (index <= high + reach).all():
            met.append((x, y, z))
    image, cropped = _cropped(sitk.Cast(mask, sitk.sitkFloat32), mask, there, pose)
    first, last = (np.min(met, axis=0), np.max(met, axis=0)) if met else (np.zeros(3), np.full(3, 11))
    assert image.GetSize() == cropped.GetSize() == tuple(last - first + 1)
    assert np.allclose(cropped.GetOrigin(), mask.TransformIndexToPhysicalPoint([int(i) for i in first]))


@pytest.mark.skipif(sys.platform != "linux", reason="The variable is of glibc")
def test_no_memory_is_looked_at_that_was_given_back():
    """With all larger pieces of memory unmapped as soon as they are free, a look at one ends the process."""
    program = (
        "import numpy as np\n"
        "import SimpleITK as sitk\n"
        "from SSPELib.registration.backends import _cropped\n"
        "mask = sitk.GetImageFromArray(np.ones((64, 64, 64), dtype=np.uint8))\n"
        "image, cropped = _cropped(sitk.Cast(mask, sitk.sitkFloat32), mask, mask[:, :, 40:], np.eye(4))\n"
        "print(cropped.GetSize())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "(64, 64, 34)\n"
