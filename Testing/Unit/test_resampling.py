"""The moving volume on the fixed volume's grid: in its place, uncropped, padded with air."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from geometries import rotation
from hypothesis import given, settings
from hypothesis import strategies as st
from phantoms import torso

from SSPELib.volume import AIR_HU, Volume, body_mask, slices
from SSPELib.volume.points import at_indices, body_points, indices_at, taken_back
from SSPELib.volume.resampling import resample_moving

TURN = sitk.VersorRigid3DTransform((0.3, -0.2, 1.0), 0.15, (15, -12, 25), (5, 10, -100))


def moved(volume: Volume, transform: sitk.Transform) -> Volume:
    """The volume carried by a rigid transform: its points are where the transform takes them."""
    matrix = np.array(transform.GetMatrix()).reshape(3, 3)
    return replace(volume, origin=transform.TransformPoint(volume.origin), direction=matrix @ volume.direction)


def assert_on_lattice(volume: Volume, fixed: Volume) -> np.ndarray:
    """Spacing and direction are those of the fixed volume and the origin is on its voxels; returns the shift."""
    np.testing.assert_allclose(volume.spacing, fixed.spacing)
    np.testing.assert_allclose(volume.direction, fixed.direction)
    shift = indices_at(fixed, np.array([volume.origin]))[0]
    np.testing.assert_allclose(shift, np.round(shift), atol=1e-6)
    return np.round(shift).astype(int)


def test_a_volume_on_itself_stays_as_it_is(small_torso: Volume) -> None:
    found = resample_moving(small_torso, small_torso, sitk.AffineTransform(3))
    assert found.size == small_torso.size
    np.testing.assert_array_equal(found.array, small_torso.array)


def test_the_lower_part_is_whole_and_in_its_place() -> None:
    whole = torso(size=(48, 40, 60), spacing=(8, 8, 5))
    fixed, lower = slices(whole, 34, 60), slices(whole, 0, 38)
    found = resample_moving(fixed, moved(lower, TURN), TURN)
    shift = assert_on_lattice(found, fixed)
    assert shift[2] <= -34
    assert found.size[2] + shift[2] >= fixed.size[2]
    x, y, z = -shift[0], -shift[1], -shift[2] - 34
    part = found.array[z : z + 38, y : y + 40, x : x + 48].astype(float)
    body = body_mask(lower)
    # Twice linear interpolation of noisy 8 mm voxels: edges blur, the mean does not move.
    assert np.abs(part - lower.array)[body].mean() < 5
    beyond = found.array[z + 44 :, y : y + 40, x : x + 48]
    assert (beyond == AIR_HU).mean() > 0.95


def test_a_wider_moving_body_is_not_cropped() -> None:
    fixed = torso(size=(26, 22, 30), spacing=(4, 4, 5), center=(0, 0, 60))
    moving = torso(size=(48, 40, 40), spacing=(8, 8, 5), center=(0, 0, -60))
    found = resample_moving(fixed, moving, sitk.TranslationTransform(3, (0.0, 0.0, 0.0)))
    assert_on_lattice(found, fixed)
    inside = indices_at(found, body_points(moving))
    assert inside.min() >= 0
    assert (inside.max(axis=0) <= np.array(found.size) - 1).all()
    tissue = np.count_nonzero(found.array > -500) * 4 * 4
    assert tissue == pytest.approx(np.count_nonzero(moving.array > -500) * 8 * 8, rel=0.03)


def test_data_type_is_that_of_the_moving_volume_and_values_are_rounded(small_torso: Volume) -> None:
    half = sitk.TranslationTransform(3, (4.0, 0.0, 0.0))
    expected = (small_torso.array[:, :, :-1].astype(float) + small_torso.array[:, :, 1:]) / 2
    found = resample_moving(small_torso, small_torso, half).array[:, :, : expected.shape[2]]
    assert found.dtype == np.int16
    assert np.abs(found - expected).max() <= 0.5
    assert abs((found - expected).mean()) < 0.05
    floats = small_torso.like(small_torso.array.astype(np.float32))
    assert resample_moving(small_torso, floats, half).array.dtype == np.float32


@settings(max_examples=20)
@given(
    degrees=st.tuples(*[st.floats(-20, 20)] * 3),
    shift=st.tuples(*[st.floats(-60, 60)] * 3),
    flip=st.sampled_from([np.eye(3), np.diag([1.0, 1, -1]), np.diag([-1.0, 1, -1])]),
)
def test_nothing_of_the_moving_body_is_lost(
    degrees: tuple[float, float, float], shift: tuple[float, float, float], flip: np.ndarray
) -> None:
    fixed = torso(size=(24, 20, 20), spacing=(12, 12, 10), direction=flip, center=(0, 0, 80), noise_hu=0)
    moving = torso(size=(24, 20, 20), spacing=(14, 14, 10), center=(0, 0, -60), noise_hu=0)
    transform = sitk.AffineTransform(rotation(degrees).ravel().tolist(), shift)
    found = resample_moving(fixed, moving, transform)
    assert_on_lattice(found, fixed)
    for volume, places in (
        (fixed, at_indices(fixed, np.array([[0.0, 0, 0], np.array(fixed.size) - 1.0]))),
        (moving, taken_back(body_points(moving), transform)),
    ):
        inside = indices_at(found, places)
        assert inside.min() >= -1e-6, volume.name
        assert (inside.max(axis=0) <= np.array(found.size) - 1 + 1e-6).all()
