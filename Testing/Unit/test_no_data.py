"""Padding is found wherever a resampling leaves it, and air, lungs and masked backgrounds are not taken for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from phantoms import torso, write

from SSPELib.poses import about, rotation_matrix
from SSPELib.volume import Provenance, Volume, body_mask, slices
from SSPELib.volume.no_data import find_no_data, with_no_data
from SSPEResearch.evaluation.no_data import markdown, run
from SSPEResearch.evaluation.registration.scans import padded

BODY = torso(size=(60, 50, 40), spacing=(6.0, 6.0, 4.0))
MASKED = BODY.like(np.where(body_mask(BODY), BODY.array, -1024).astype(np.int16))


def turned(volume: Volume, degrees: float, fill: float, axis: tuple[float, float, float] = (1, 0.4, 0.1)):
    """A volume resampled under a rotation on its own grid, and which of its voxels were never measured."""
    image = volume.to_image()
    middle = image.TransformContinuousIndexToPhysicalPoint([(size - 1) / 2 for size in image.GetSize()])
    turn = sitk.VersorRigid3DTransform()
    turn.SetCenter(middle)
    turn.SetRotation(np.array(axis) / np.linalg.norm(axis), np.radians(degrees))
    known = volume.like(np.ones(volume.array.shape, np.uint8)).to_image()
    truth = sitk.GetArrayFromImage(sitk.Resample(known, image, turn, sitk.sitkNearestNeighbor, 0)) == 0
    array = sitk.GetArrayFromImage(sitk.Resample(image, image, turn, sitk.sitkLinear, float(fill)))
    return volume.like(array), truth


@pytest.mark.parametrize("fill", [-1024, -1000, -2048, -3024, 0])
@pytest.mark.parametrize("degrees", [3.0, -10.0])
def test_wedges_of_a_rotation_are_found(fill: int, degrees: float) -> None:
    volume, truth = turned(BODY, degrees, fill)
    agreed(find_no_data(volume), truth, 0.98, 0.95)


@pytest.mark.parametrize("seed", range(4))
def test_no_voxel_of_padding_is_left_at_the_border_of_a_body(seed: int) -> None:
    # One in twenty that counts as real makes the outermost slice 150 HU too dark.
    angles = np.random.default_rng(seed).uniform(-10, 10, 3)
    pose = about(rotation_matrix(np.radians(angles)), np.zeros(3), np.zeros(3))
    part, data = padded(slices(BODY, 10, 30), pose)
    volume = part.like(np.where(data, np.rint(part.array), -3024).astype(np.int16))
    agreed(find_no_data(volume), ~data, 1.0, 1.0 - 1e-4)


@pytest.mark.parametrize("fill", [-1024, -2048])
def test_wedges_of_a_masked_body_are_found_over_the_body(fill: int) -> None:
    volume, truth = turned(MASKED, 8.0, fill)
    above_body = np.broadcast_to(body_mask(volume).any(axis=0), truth.shape)
    agreed(find_no_data(volume) & above_body, truth & above_body, 0.9, 0.6)


def agreed(found: NDArray[np.bool_], truth: NDArray[np.bool_], precision: float, recall: float) -> None:
    """So much of what was found is true, and so much of what is true was found."""
    right = np.count_nonzero(found & truth)
    assert right >= precision * np.count_nonzero(found)
    assert right >= recall * np.count_nonzero(truth)


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_the_order_of_the_axes_does_not_matter(axes: tuple[int, int, int]) -> None:
    volume, _ = turned(BODY, 8.0, -2048)
    order = [2 - axis for axis in axes[::-1]]
    other = Volume(
        volume.array.transpose(axes),
        tuple(volume.spacing[index] for index in order),
        volume.origin,
        volume.direction[:, order],
    )
    np.testing.assert_array_equal(find_no_data(other), find_no_data(volume).transpose(axes))


def test_what_a_scanner_leaves_out_of_its_circle_is_found() -> None:
    y, x = np.ogrid[:50, :60]
    outside = np.broadcast_to(np.hypot((y - 24.5) / 25, (x - 29.5) / 30) > 1, BODY.array.shape)
    found = find_no_data(BODY.like(np.where(outside, -1024, BODY.array).astype(np.int16)))
    agreed(found, outside, 0.99, 0.95)


def test_air_lungs_and_masked_backgrounds_are_data() -> None:
    clipped = BODY.like(np.maximum(BODY.array, -1000).astype(np.int16))
    for volume in (BODY, MASKED, clipped):
        assert not find_no_data(volume).any()
        assert with_no_data(volume).provenance is None


def test_what_was_said_of_voxels_before_holds() -> None:
    volume, _ = turned(BODY, 8.0, -2048)
    marked = with_no_data(volume)
    assert np.count_nonzero(marked.where(Provenance.NO_DATA)) == np.count_nonzero(find_no_data(volume))
    assert with_no_data(marked) is marked


@pytest.mark.parametrize("degrees", [0.0, 2.0, 8.0])
def test_padding_hidden_in_a_masked_background_is_found_where_it_cuts_the_body(tmp_path: Path, degrees: float) -> None:
    path = write(MASKED, tmp_path / "masked.nii.gz")
    rows = run([path], tmp_path / "rows.csv", [degrees], [-1024])
    assert {(row.around, row.grid) for row in rows} == {("fill", "large"), ("fill", "own")}
    for row in rows:
        assert row.body_taken == 0
        assert row.lost_found >= 0.85 * row.lost
    assert any(row.lost > 1000 for row in rows)
    assert run([path], tmp_path / "rows.csv", [degrees], [-1024]) == rows
    assert markdown(rows).count("\n| fill | ") == 1
