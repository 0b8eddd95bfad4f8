"""Volumes, their body axis and cutting along it, against SimpleITK on any geometry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from geometries import GEOMETRIES, any_geometry, oriented_volume
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from SSPELib.volume import Provenance, Volume, body_axis, body_length_mm, body_mask, slices, with_slices
from SSPELib.volume.body import BODY_THRESHOLD_HU, OPENING_RADIUS_MM, SMALLEST_BODY_PART, BodyMask, mask_of_slices


@given(any_geometry(), st.tuples(*[st.integers(0, 4)] * 3))
def test_index_to_lps_agrees_with_simpleitk(geometry, index):
    volume = oriented_volume(geometry, (5, 6, 7))
    expected = volume.to_image().TransformIndexToPhysicalPoint(index)
    assert (volume.index_to_lps @ [*index, 1])[:3] == pytest.approx(expected, abs=1e-6)


def test_a_turn_by_next_to_nothing_leaves_places_known_to_simpleitk():
    direction = np.array([[1.0, 1e-310, 0.0], [-1e-310, 1.0, 0.0], [0.0, 0.0, 1.0]])
    image = Volume(np.zeros((4, 5, 6)), (1.0, 2.0, 3.0), (7.0, 8.0, 9.0), direction).to_image()
    assert image.TransformPhysicalPointToContinuousIndex((8.0, 12.0, 15.0)) == (1.0, 2.0, 2.0)


@given(any_geometry())
def test_image_round_trip_keeps_voxels_and_geometry(geometry):
    volume = oriented_volume(geometry, (4, 5, 6))
    again = Volume.from_image(volume.to_image())
    assert np.array_equal(again.array, volume.array)
    assert again.array.dtype == volume.array.dtype
    assert again.origin == volume.origin
    assert again.spacing == volume.spacing
    assert np.array_equal(again.direction, volume.direction)


@given(any_geometry())
def test_body_axis_points_to_the_head(geometry):
    volume = oriented_volume(geometry, (4, 5, 6))
    axis = body_axis(volume)
    step = volume.direction[:, axis.index] * axis.superior
    assert step[2] == max(abs(volume.direction[2]))
    assert volume.array.shape[axis.numpy_axis] == volume.size[axis.index]


@given(any_geometry(), st.integers(0, 2), st.integers(3, 4))
def test_slices_keep_their_place_in_the_patient(geometry, start, stop):
    volume = oriented_volume(geometry, (5, 6, 7))
    kept = slices(volume, start, stop)
    image, axis = volume.to_image(), body_axis(volume)
    corner, size = [0, 0, 0], list(image.GetSize())
    corner[axis.index], size[axis.index] = start, stop - start
    expected = sitk.RegionOfInterest(image, size, corner)
    assert np.array_equal(kept.array, sitk.GetArrayFromImage(expected))
    assert kept.origin == pytest.approx(expected.GetOrigin(), abs=1e-6)


@given(any_geometry(), st.integers(1, 4), st.integers(1, 4))
def test_appended_slices_leave_real_voxels_where_they_were(geometry, before, after):
    volume = oriented_volume(geometry, (5, 6, 7))
    axis = body_axis(volume)
    shape = list(volume.array.shape)
    shape[axis.numpy_axis] = before
    head = np.full(shape, -7, dtype=volume.array.dtype)
    shape[axis.numpy_axis] = after
    tail = np.full(shape, 7, dtype=volume.array.dtype)
    grown = with_slices(volume, head, tail, Provenance.SYNTHETIC)
    length = volume.size[axis.index]
    again = slices(grown, before, before + length)
    assert np.array_equal(again.array, volume.array)
    assert again.origin == pytest.approx(volume.origin, abs=1e-6)
    assert body_length_mm(grown) == pytest.approx((before + length + after) * volume.spacing[axis.index])


def test_appending_another_data_type_is_refused():
    volume = oriented_volume(GEOMETRIES["upright"], (4, 4, 4))
    with pytest.raises(ValueError, match="data type"):
        with_slices(volume, volume.array.astype(np.float32), None, Provenance.SYNTHETIC)


def test_voxels_cannot_be_changed_in_place():
    volume = oriented_volume(GEOMETRIES["upright"], (4, 4, 4))
    with pytest.raises(ValueError, match="read-only"):
        volume.array[0, 0, 0] = 5


def body_and_table(geometry):
    """An ellipse of soft tissue with two lungs above a thin table, as a volume and the true body mask (z, y, x)."""
    z, y, x = np.meshgrid(np.arange(12), np.arange(80), np.arange(100), indexing="ij")
    body = ((x - 50) / 35) ** 2 + ((y - 38) / 22) ** 2 < 1
    lungs = (((np.abs(x - 50) - 15) / 9) ** 2 + ((y - 38) / 12) ** 2 < 1) & body
    table = (y >= 66) & (y < 68)
    array = np.full(z.shape, -1000, dtype=np.int16)
    array[body], array[lungs], array[table] = 40, -850, 100
    return Volume(array, geometry.spacing, geometry.origin, geometry.direction), body


def test_body_mask_keeps_lungs_and_end_slices_and_drops_the_table():
    volume, body = body_and_table(GEOMETRIES["coarse"])
    mask = body_mask(volume)
    overlap = 2 * (mask & body).sum() / (mask.sum() + body.sum())
    assert overlap > 0.97
    assert not mask[:, 64:].any()
    assert np.array_equal(mask[0], mask[5])
    assert np.array_equal(mask[-1], mask[5])


@given(any_geometry(), st.data())
def test_the_body_within_a_box_is_that_of_the_whole_mask(geometry, data):
    volume, _ = body_and_table(geometry)
    box = []
    for count in volume.array.shape:
        start = data.draw(st.integers(0, count - 1))
        box.append(slice(start, data.draw(st.integers(start + 1, count))))
    assert np.array_equal(BodyMask.of(volume).within(box), body_mask(volume)[tuple(box)])


@given(any_geometry(), st.sets(st.sampled_from(list(Provenance))))
def test_a_volume_holds_what_is_in_its_provenance(geometry, kinds):
    volume = oriented_volume(geometry, (4, 5, 6))
    assert [volume.holds(kind) for kind in Provenance] == [True, False, False]
    provenance = np.resize(np.array(sorted(kinds) or [Provenance.REAL], dtype=np.uint8), volume.array.shape)
    marked = replace(volume, provenance=provenance)
    assert [marked.holds(kind) for kind in Provenance] == [marked.where(kind).any() for kind in Provenance]


def test_body_mask_of_air_is_empty():
    volume, _ = body_and_table(GEOMETRIES["coarse"])
    air = volume.like(np.full_like(volume.array, -1000))
    assert not body_mask(air).any()


@given(st.integers(0, 99), st.sampled_from([(4.0, 4.0), (2.1, 3.0), (0.9, 1.2)]))
def test_masks_of_slices_are_those_of_simpleitk(seed, in_plane_mm):
    noise = np.random.default_rng(seed).random((6, 30, 27))
    stack = np.where(ndimage.gaussian_filter(noise, 1.5) > 0.51, 40, -1000).astype(np.int16)
    radius = [max(1, round(OPENING_RADIUS_MM / spacing / 2)) for spacing in in_plane_mm]
    image = sitk.GetImageFromArray((stack > BODY_THRESHOLD_HU).astype(np.uint8))
    width = [radius[1], radius[0], 0]
    opened = sitk.BinaryMorphologicalOpening(sitk.ZeroFluxNeumannPad(image, width, width), width, sitk.sitkBall)
    opened = sitk.RegionOfInterest(opened, image.GetSize(), width)
    labels = sitk.GetArrayFromImage(sitk.RelabelComponent(sitk.ConnectedComponent(opened)))
    counts = np.bincount(labels.ravel())[1:]
    kept = (labels > 0) & (labels <= (counts >= SMALLEST_BODY_PART * counts[:1]).sum())
    filled = [
        sitk.GetArrayFromImage(sitk.BinaryFillhole(sitk.GetImageFromArray(np.pad(plane, 1).astype(np.uint8))))[
            1:-1, 1:-1
        ]
        for plane in kept
    ]
    assert np.array_equal(mask_of_slices(stack, list(in_plane_mm)), np.array(filled) > 0)
