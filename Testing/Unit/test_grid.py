"""The working grid against SimpleITK: nothing past the last real slice, and the way back in its right place."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from geometries import any_geometry
from hypothesis import given, settings
from hypothesis import strategies as st

from SSPELib.expansion.working_grid import DETAIL_FADES_MM, append_to_own_grid, to_working
from SSPELib.volume import Volume, body_axis
from SSPELib.volume.body import mask_of_slices
from SSPELib.volume.resampling import averaged_layers, resample_averaged

SLOPE = np.array([1.5, -2.0, 2.5])


def ramp(geometry, shape=(20, 21, 22)) -> Volume:
    """HU that grow linearly in patient space, all above the body threshold: the whole volume is body."""
    empty = Volume(np.zeros(shape, dtype=np.float32), geometry.spacing, geometry.origin, geometry.direction)
    k, j, i = np.meshgrid(*[np.arange(n) for n in shape], indexing="ij")
    points = np.stack([i, j, k, np.ones_like(i)], axis=-1) @ empty.index_to_lps.T
    center = points.reshape(-1, 4).mean(axis=0)
    return empty.like(((points - center)[..., :3] @ SLOPE / 4).astype(np.float32))


@settings(max_examples=40)
@given(any_geometry(), st.sampled_from(["inferior", "superior"]))
def test_working_grid_ends_at_the_outer_face_of_the_last_slice(geometry, end):
    volume = ramp(geometry)
    working = to_working(volume, 4.0, end)
    axis = body_axis(volume)
    at_last = (end == "superior") == (axis.superior > 0)
    index = [(n - 1) / 2 for n in volume.size]
    index[axis.index] = volume.size[axis.index] - 0.5 if at_last else -0.5
    face = (volume.index_to_lps @ [*index, 1])[:3]
    size = working.reference.GetSize()
    corner = [(size[0] - 1) / 2, (size[1] - 1) / 2, size[2] - 0.5 if end == "superior" else -0.5]
    assert working.reference.TransformContinuousIndexToPhysicalPoint(corner) == pytest.approx(face, abs=1e-6)
    assert working.array.shape == size[::-1]
    upright = np.array(working.reference.GetDirection()).reshape(3, 3)
    assert upright[2, 2] == max(abs(upright[2]))


@settings(max_examples=40, deadline=None)
@given(any_geometry(), st.sampled_from(["inferior", "superior"]))
def test_working_voxels_carry_the_values_of_their_place(geometry, end):
    volume = ramp(geometry, (30, 31, 32))
    working = to_working(volume, 4.0, end)
    z, y, x = (n // 2 for n in working.array.shape)
    point = working.reference.TransformIndexToPhysicalPoint([x, y, z])
    image = sitk.Cast(volume.to_image(), sitk.sitkFloat32)
    expected = image.EvaluateAtPhysicalPoint(point, sitk.sitkLinear)
    # Averaged voxels of a linear ramp hold the value of their center, where the pad to whole bins does not reach.
    assert working.array[z, y, x] == pytest.approx(expected, abs=0.5)


@settings(max_examples=40, deadline=None)
@given(any_geometry(), st.sampled_from(["inferior", "superior"]), st.integers(1, 9))
def test_slices_grown_along_a_ramp_continue_it_on_the_own_grid(geometry, end, count):
    volume = ramp(geometry, (24, 25, 26))
    working = to_working(volume, 4.0, end)
    axis = body_axis(volume)
    needed = int(np.ceil(count * volume.spacing[axis.index] / 4.0)) + 1
    along = np.array(working.reference.GetDirection()).reshape(3, 3)[:, 2] * (1 if end == "superior" else -1)
    edge = working.array[-1 if end == "superior" else 0]
    grown = np.stack([edge + SLOPE @ along * (number + 1) for number in range(needed)]).astype(np.float32)
    new = append_to_own_grid(volume, working, grown, count)
    shape = list(volume.array.shape)
    shape[axis.numpy_axis] = count
    assert new.shape == tuple(shape)
    assert new.dtype == volume.array.dtype
    at_last = (end == "superior") == (axis.superior > 0)
    stack = np.moveaxis(new, axis.numpy_axis, 0)
    own = np.moveaxis(volume.array, axis.numpy_axis, 0)
    middle = (own.shape[1] // 2, own.shape[2] // 2)
    step = own[-1][middle] - own[-2][middle] if at_last else own[0][middle] - own[1][middle]
    start = own[-1][middle] if at_last else own[0][middle]
    expected = start + step * np.arange(1, count + 1)
    found = stack[:, middle[0], middle[1]] if at_last else stack[::-1][:, middle[0], middle[1]]
    assert found == pytest.approx(expected, abs=2.0)


@settings(max_examples=25, deadline=None)
@given(any_geometry(), st.sampled_from(["inferior", "superior"]), st.integers(0, 9))
def test_the_way_back_is_the_linear_interpolation_of_simpleitk(geometry, end, seed):
    volume = ramp(geometry, (20, 25, 26))
    working = to_working(volume, 4.0, end)
    axis = body_axis(volume)
    noise = np.random.default_rng(seed).uniform(-200, 900, (30, *working.array.shape[1:])).astype(np.float32)
    count = 7
    new = np.moveaxis(append_to_own_grid(volume, working, noise, count), axis.numpy_axis, 0)
    if not axis.at_last(end):
        new = new[::-1]
    body = np.concatenate([working.outward(working.mask)[-1:], mask_of_slices(noise, [4.0, 4.0])])
    weight = body.astype(np.float32)
    hu = weight * np.concatenate([working.outward(working.array)[-1:], noise])
    first = working.array.shape[0] - 1 if end == "superior" else 0
    images = []
    for part in (weight, hu):
        image = sitk.GetImageFromArray(part if end == "superior" else part[::-1])
        image.SetSpacing(working.reference.GetSpacing())
        image.SetDirection(working.reference.GetDirection())
        low = first if end == "superior" else first - len(part) + 1
        image.SetOrigin(working.reference.TransformContinuousIndexToPhysicalPoint([0.0, 0.0, float(low)]))
        images.append(image)
    border = volume.size[axis.index] - 1 if axis.at_last(end) else 0
    outward = 1 if axis.at_last(end) else -1
    own = np.moveaxis(volume.array, axis.numpy_axis, 0)[border]
    random = np.random.default_rng(seed)
    rows, columns = (random.integers(0, size, 30) for size in own.shape)

    def mean_at(slice_: int, row: int, column: int) -> float:
        index = [float(row), float(column)]
        index.insert(axis.numpy_axis, float(border + outward * slice_))
        place = (volume.index_to_lps @ [*index[::-1], 1.0])[:3]
        share, total = (image.EvaluateAtPhysicalPoint(place.tolist(), sitk.sitkLinear) for image in images)
        return total / share if share > 0.2 else -1000.0

    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        detail = own[row, column] - mean_at(0, row, column)
        spacing_mm = volume.spacing[axis.index]
        for slice_ in range(1, count + 1):
            expected = mean_at(slice_, row, column) + np.exp(-slice_ * spacing_mm / DETAIL_FADES_MM) * detail
            assert new[slice_ - 1][row, column] == pytest.approx(expected, abs=0.01)


def test_finer_voxels_are_averaged_not_skipped():
    image = sitk.GetImageFromArray(np.tile([0.0, 100.0], (8, 8, 8)).astype(np.float32))
    reference = sitk.Image([4, 2, 2], sitk.sitkUInt8)
    reference.SetSpacing([4.0, 4.0, 4.0])
    reference.SetOrigin([1.5, 1.5, 1.5])
    result = sitk.GetArrayFromImage(resample_averaged(image, reference, -1000.0))
    assert result == pytest.approx(np.full((2, 2, 4), 50.0))


@given(st.tuples(*[st.integers(1, 9)] * 3), st.tuples(*[st.integers(1, 4)] * 3))
def test_layers_are_averaged_as_blocks_of_which_the_last_goes_on(shape, factors):
    array = np.random.default_rng(0).integers(-1000, 3000, shape).astype(np.int16)
    found = averaged_layers(lambda at: array[at], shape, factors)
    wide = np.pad(array, [(0, -count % factor) for count, factor in zip(shape, factors, strict=True)], mode="edge")
    z, y, x = (count // factor for count, factor in zip(wide.shape, factors, strict=True))
    blocks = wide.reshape(z, factors[0], y, factors[1], x, factors[2])
    np.testing.assert_allclose(found, blocks.mean(axis=(1, 3, 5)), rtol=1e-5, atol=1e-3)
