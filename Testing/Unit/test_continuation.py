"""Volumes with wedges without data: where the expansion begins, what it fills, and what it leaves alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from phantoms import torso

from SSPELib.errors import InputError
from SSPELib.expansion.continuation import beginning, continued
from SSPELib.expansion.expander import Expander
from SSPELib.expansion.tilted_border import parallel_to_border
from SSPELib.volume import Provenance, Volume, body_axis, real_part, slices, synthetic_mm

PADDING_HU = -2000


SEEN_MM = 136.0


def turned(volume: Volume, degrees: float) -> Volume:
    """The volume under a hardened rotation about the left-right axis, on its own upright grid: wedges at its ends."""
    center = (volume.index_to_lps @ [*((np.array(volume.size) - 1) / 2), 1.0])[:3]
    motion = sitk.VersorRigid3DTransform((1.0, 0.0, 0.0), np.radians(degrees), (0.0, 0.0, 0.0), center.tolist())
    image = volume.to_image()
    there = sitk.Resample(image * 0 + 1, image, motion, sitk.sitkNearestNeighbor, 0)
    padded = sitk.Resample(image, image, motion, sitk.sitkLinear, float(PADDING_HU))
    missing = sitk.GetArrayFromImage(there) == 0
    array = np.where(missing, PADDING_HU, sitk.GetArrayFromImage(padded)).astype(np.int16)
    provenance = np.where(missing, Provenance.NO_DATA, Provenance.REAL).astype(np.uint8)
    return replace(volume, array=array, provenance=provenance)


def flipped(volume: Volume) -> Volume:
    """The same body with its slices stored from head to feet."""
    axis = volume.direction[:, 2] * volume.spacing[2] * (volume.size[2] - 1)
    direction = volume.direction * [1.0, 1.0, -1.0]
    provenance = None if volume.provenance is None else volume.provenance[::-1].copy()
    origin = tuple(np.array(volume.origin) + axis)
    return replace(volume, array=volume.array[::-1].copy(), origin=origin, direction=direction, provenance=provenance)


@pytest.fixture(scope="module")
def wedged() -> Volume:
    return turned(torso(size=(48, 40, 60), spacing=(8.0, 8.0, 5.0)), 8.0)


@pytest.fixture(scope="module")
def tilted_part() -> Volume:
    return part_of(torso(size=(48, 40, 60), spacing=(8.0, 8.0, 5.0)), 8.0)


@pytest.fixture(scope="module")
def expander(tiny_bundle) -> Expander:
    return Expander(tiny_bundle, "cpu")


def middle_of(volume: Volume) -> Volume:
    return slices(volume, round(0.3 * volume.size[2]), round(0.7 * volume.size[2]))


def tilt(volume: Volume, degrees: float, about: str = "x") -> sitk.Transform:
    """A rotation about the middle of a volume; points of the turned body to those of the body."""
    center = (volume.index_to_lps @ [*((np.array(volume.size) - 1) / 2), 1.0])[:3]
    axis = [float(name == about) for name in "xyz"]
    return sitk.VersorRigid3DTransform(axis, np.radians(degrees), (0.0, 0.0, 0.0), center.tolist())


def part_of(volume: Volume, degrees: float, tilt_about: str = "x") -> Volume:
    """The middle slices of a volume, turned about its middle and resampled on an upright grid that holds all of it.

    Their borders are planes, tilted by the angle.
    """
    part, motion = middle_of(volume), tilt(volume, degrees, tilt_about)
    image, whole = part.to_image(), volume.to_image()
    there = sitk.Resample(image * 0 + 1, whole, motion, sitk.sitkNearestNeighbor, 0)
    missing = sitk.GetArrayFromImage(there) == 0
    moved = sitk.Resample(image, whole, motion, sitk.sitkLinear, -1000.0, sitk.sitkFloat32, True)
    kept = np.flatnonzero(~missing.all(axis=(1, 2)))
    padded = replace(
        volume,
        array=np.where(missing, PADDING_HU, sitk.GetArrayFromImage(moved)).astype(np.int16),
        provenance=np.where(missing, Provenance.NO_DATA, Provenance.REAL).astype(np.uint8),
    )
    return slices(padded, int(kept[0]), int(kept[-1]) + 1)


@pytest.mark.parametrize("end", ["inferior", "superior"])
@pytest.mark.parametrize("stored", [lambda volume: volume, flipped], ids=["feet first", "head first"])
def test_the_expansion_begins_at_the_last_whole_slice(wedged, end, stored):
    volume = stored(wedged)
    start = beginning(volume, end, SEEN_MM)
    axis = body_axis(volume)
    assert 2 <= start.incomplete <= 12
    assert not start.tilted
    assert start.whole.size[axis.index] == volume.size[axis.index] - start.incomplete
    border = start.whole.where(Provenance.NO_DATA)[-1 if axis.at_last(end) else 0]
    body = start.whole.array[start.whole.array.shape[0] // 2] > -350
    assert (border & body).sum() <= 0.03 * body.sum()


@settings(max_examples=12, deadline=None)
@given(
    degrees=st.floats(3.0, 12.0),
    sign=st.sampled_from([-1.0, 1.0]),
    about=st.sampled_from("xy"),
    end=st.sampled_from(["inferior", "superior"]),
    stored=st.sampled_from([lambda volume: volume, flipped]),
)
def test_slices_parallel_to_a_tilted_border_are_those_of_the_scan(degrees, sign, about, end, stored):
    scan = torso(size=(48, 40, 60), spacing=(8.0, 8.0, 5.0))
    volume = stored(part_of(scan, sign * degrees, about))
    tilted = parallel_to_border(volume, end, SEEN_MM)
    start = beginning(volume, end, SEEN_MM)
    assert start.tilted
    axis = body_axis(volume)
    tilt = np.degrees(np.arccos(tilted.direction[:, axis.index] @ volume.direction[:, axis.index]))
    assert tilt == pytest.approx(degrees, abs=1.0)
    assert np.linalg.det(tilted.direction) == pytest.approx(np.linalg.det(volume.direction))
    # Nearly up to the border all slices are whole, and they show what the scan shows there.
    assert tilted.size[axis.index] - start.whole.size[axis.index] <= 2
    body = start.whole.array[start.whole.array.shape[0] // 2] > -350
    assert start.whole.where(Provenance.NO_DATA)[-1 if axis.at_last(end) else 0][body].mean() <= 0.03


@pytest.mark.parametrize("end", ["inferior", "superior"])
@pytest.mark.parametrize("stored", [lambda volume: volume, flipped], ids=["feet first", "head first"])
def test_a_tilted_end_is_continued_as_the_scan_itself_would_be(tilted_part, expander, end, stored):
    scan = torso(size=(48, 40, 60), spacing=(8.0, 8.0, 5.0))
    expanded, _ = expander.expand(stored(tilted_part), end, 30.0)
    own, _ = expander.expand(middle_of(scan), end, 60.0)
    grid = expanded.to_image()
    there = sitk.GetArrayFromImage(sitk.Resample(own.to_image(), grid, tilt(scan, 8.0), sitk.sitkLinear, -3000.0))
    compared = expanded.where(Provenance.SYNTHETIC) & (there > -2000)
    assert compared.sum() > 0.9 * expanded.where(Provenance.SYNTHETIC).sum()
    body = compared & (there > -350)
    assert body.sum() > 3000
    off = np.abs(expanded.array.astype(float) - there)[body]
    # Where upright slices are continued instead, it is 38 HU in the median, and 0.6.
    assert np.median(off) < 10
    assert np.mean(off < 60) > 0.8
    assert np.mean(expanded.array[compared & (there < -900)] < -900) > 0.97


def test_a_volume_without_wedges_is_left_as_it_is(wedged):
    plain = replace(wedged, provenance=None)
    assert beginning(plain, "inferior", SEEN_MM).whole is plain
    # Padding outside the scanner's circle is in every slice, and no loss.
    corners = np.zeros(wedged.array.shape, dtype=np.uint8)
    corners[:, :4, :4] = Provenance.NO_DATA
    assert beginning(replace(wedged, provenance=corners), "superior", SEEN_MM).incomplete == 0


@pytest.mark.parametrize("direction", ["inferior", "superior", "both"])
@pytest.mark.parametrize("stored", [lambda volume: volume, flipped], ids=["feet first", "head first"])
@pytest.mark.parametrize("tilted", [False, True], ids=["cropped wedges", "tilted border"])
def test_wedges_are_filled_and_real_voxels_stay(wedged, tilted_part, expander, direction, stored, tilted):
    volume = stored(tilted_part if tilted else wedged)
    expanded, _ = expander.expand(volume, direction, 40.0)
    ends = ["inferior", "superior"] if direction == "both" else [direction]
    assert {end for end, mm in synthetic_mm(expanded).items() if mm > 0} == set(ends)
    assert all(synthetic_mm(expanded)[end] >= 40.0 for end in ends)
    real = expanded.where(Provenance.REAL)
    assert np.array_equal(expanded.array[real], volume.array[volume.where(Provenance.REAL)])
    assert not expanded.where(Provenance.NO_DATA)[real].any()
    scanned = real_part(expanded)
    assert np.array_equal(scanned.where(Provenance.NO_DATA), real_part(volume).where(Provenance.NO_DATA))
    # In the filled wedge is tissue where the body goes on, and no padding anywhere.
    axis = body_axis(volume)
    for end in ends:
        incomplete = beginning(volume, end, SEEN_MM).incomplete
        at_first = not axis.at_last(end)
        added = round(synthetic_mm(expanded)[end] / expanded.spacing[axis.index])
        filled = slice(added, added + incomplete) if at_first else slice(-added - incomplete, -added)
        made = expanded.where(Provenance.SYNTHETIC)[filled]
        values = expanded.array[filled][made]
        assert made.any()
        assert (values > -350).mean() > 0.02
        assert not expanded.where(Provenance.NO_DATA)[filled].any()


def test_too_few_whole_slices_are_refused_in_words(wedged):
    short = slices(wedged, 53, 60)
    with pytest.raises(InputError, match=r"only \d+ mm of slices without gaps .* choose the scan as it was"):
        beginning(short, "superior", SEEN_MM)


def test_new_slices_are_joined_in_the_order_of_the_volume(wedged):
    axis = body_axis(wedged)
    incomplete = beginning(wedged, "superior", SEEN_MM).incomplete
    heights = np.arange(incomplete + 3, dtype=np.int16)[:, None, None]
    new = np.broadcast_to(heights, (incomplete + 3, *wedged.array.shape[1:])).copy()
    joined = continued(wedged, "superior", new, incomplete)
    made = joined.where(Provenance.SYNTHETIC)
    first = joined.size[axis.index] - 3 - incomplete
    for number in range(incomplete + 3):
        values = joined.array[first + number][made[first + number]]
        assert values.size == 0 or (values == number).all()
