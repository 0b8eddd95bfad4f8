"""Prepared volumes, and the scopes that are cut from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from SSPELib.errors import InputError
from SSPELib.expansion.window import body_window
from SSPEResearch.training.config import AugmentationConfig, DataSource, ScopeConfig
from SSPEResearch.training.scopes import ScopeSampler
from SSPEResearch.training.volumes import PreparedVolume, PreparedVolumes, load_volumes, save_volumes

SCOPE = ScopeConfig(size=(16, 16, 16), step=8, shortest_context=6)
CPU = torch.device("cpu")
STILL = AugmentationConfig(
    flip_left_right=False, shift_mm=0, scale=0, rotation_degrees=0, tilt_degrees=0, noise_hu=0, warp_mm=0
)


def prepared(array: NDArray[np.integer], body: NDArray[np.bool_] | None = None) -> PreparedVolume:
    full = np.ones(array.shape, dtype=bool)
    return PreparedVolume("x.nii.gz", array.astype(np.int16), full if body is None else body)


def counting_volume(depth: int = 40) -> PreparedVolume:
    """Every voxel of slice z holds 10 z HU."""
    return prepared(np.broadcast_to((np.arange(depth) * 10)[:, None, None], (depth, 20, 24)))


def sampler(
    *volumes: PreparedVolume, scope: ScopeConfig = SCOPE, changes: AugmentationConfig | None = None, seed: int = 1
) -> ScopeSampler:
    return ScopeSampler([(1.0, volumes)], scope, changes, seed, CPU, 16)


def test_scopes_are_one_step_apart_and_never_see_past_the_volume():
    cut = sampler(counting_volume())
    shortest = 16
    for number in range(60):
        current, following = (part[0, 0, :, 8, 8] * 1000 for part in cut.draw([number]))
        assert (len(current), len(following)) == (16, 8)
        known = current > -1000
        shortest = min(shortest, int(known.sum()))
        values = torch.cat([current[known], following])
        steps = values.diff()
        # Real slices only, in order, in either direction; what lies before the volume's first slice is air.
        assert torch.allclose(steps.abs(), torch.full_like(steps, 10.0), atol=0.01)
        assert bool((steps > 0).all()) == cut.grows_upward(number)
        assert (steps > 0).all() or (steps < 0).all()
        assert values.min() > -0.01
        assert values.max() < 390.01
    assert shortest == SCOPE.shortest_context


def test_scope_number_is_the_same_scope_in_every_batch():
    groups = [(1.0, [counting_volume()]), (2.0, [counting_volume(50)])]
    changes = AugmentationConfig(contrast=0.1, offset_hu=20)
    first, other = (ScopeSampler(groups, SCOPE, changes, seed, CPU, 16) for seed in (1, 2))
    alone = [first.draw([number]) for number in (3, 7)]
    together = first.draw([7, 5, 3])
    for place, pair in ((2, alone[0]), (0, alone[1])):
        for one, many in zip(pair, together, strict=True):
            assert torch.allclose(one[0], many[place], atol=1e-5)
    assert all(torch.equal(a, b) for a, b in zip(alone[0], first.draw([3]), strict=True))
    assert not torch.equal(alone[0][0], other.draw([3])[0])
    # Every random change shows.
    assert not torch.equal(together[0][0], together[0][1])


@given(st.integers(3, 40), st.integers(3, 40), st.integers(0, 19), st.integers(0, 19))
def test_the_window_of_a_scope_is_that_of_use(height: int, width: int, row: int, column: int):
    volume = np.full((24, 60, 60), -1000, np.int16)
    body = np.zeros(volume.shape, dtype=bool)
    body[:, row : row + height, column : column + width] = True
    volume[body] = np.random.default_rng(0).integers(-100, 100, int(body.sum()))
    scope = ScopeConfig(size=(16, 16, 32), step=8, shortest_context=16, fits_body=True)
    current, following = sampler(prepared(volume, body), scope=scope).draw([0])
    rows, columns = body_window(body, (16, 32), 16)
    padded = np.pad(volume, ((0, 0), (64, 64), (64, 64)), constant_values=-1000)
    seen = padded[:, rows.start + 64 : rows.stop + 64, columns.start + 64 : columns.stop + 64] / 1000
    slices = torch.cat([current, following], dim=2)[0, 0].numpy()
    # Both directions are possible with a volume that is exactly as long as scope and step.
    assert min(np.abs(slices - seen).max(), np.abs(slices - seen[::-1]).max()) < 1e-3


def test_scopes_of_a_batch_share_the_plane_of_the_largest_body():
    volume = np.full((40, 60, 100), -1000, np.int16)
    volume[:, 4:54, 10:30] = 40
    wide = np.full((40, 60, 100), -1000, np.int16)
    wide[:, 4:24, 10:80] = 40
    scope = ScopeConfig(size=(16, 32, 48), step=8, shortest_context=16, fits_body=True)
    cut = sampler(prepared(volume, volume > 0), prepared(wide, wide > 0), scope=scope)
    current, following = cut.draw(range(8))
    # 50 rows or 70 columns and 3 voxels on either side make 64 and 80, multiples of 16.
    assert current.shape == (8, 1, 16, 64, 80)
    assert following.shape == (8, 1, 8, 64, 80)
    assert {int((one[0, 0] > 0).sum()) for one in current} == {50 * 20, 20 * 70}


def test_further_steps_bring_as_many_following_slices_from_volumes_that_have_them():
    scope = ScopeConfig(size=(16, 16, 16), step=8, shortest_context=6, second_steps=0.5, third_steps=0.3)
    cut = sampler(counting_volume(40), counting_volume(20), scope=scope, changes=STILL)
    drawn = [cut.steps(batch) for batch in range(400)]
    assert [drawn.count(count) / 400 for count in (1, 2, 3)] == pytest.approx([0.2, 0.5, 0.3], abs=0.08)
    for number in range(20):
        current, following = (part[0, 0, :, 8, 8] * 1000 for part in cut.draw([number], 3))
        assert len(following) == 24
        assert torch.allclose(torch.cat([current[-1:], following]).diff().abs(), torch.full((24,), 10.0), atol=0.01)
    assert {sampler(counting_volume(), scope=scope).steps(batch) for batch in range(50)} == {1}


def test_contrast_and_offset_change_what_follows_alike_and_leave_air():
    array = np.full((24, 16, 16), -1000, np.int16)
    array[:, 4:12, 4:12] = 100
    changes = AugmentationConfig(**{**vars(STILL), "contrast": 0.2, "offset_hu": 30.0})
    cut = sampler(prepared(array), changes=changes)
    seen = set()
    for number in range(5):
        current, following = cut.draw([number])
        values = {round(float(part[0, 0, -1, 8, 8]), 4) for part in (current, following)}
        assert len(values) == 1
        assert float(current[0, 0, -1, 0, 0]) == -1.0
        seen |= values
    assert len(seen) == 5
    assert all(-0.15 - 0.031 <= value - 0.1 <= 0.25 + 0.031 for value in seen)


def test_prepared_volumes_come_back_as_they_went(tmp_path: Path):
    random = np.random.default_rng(4)
    volumes = {}
    for name, size in (("a/one.nii.gz", (5, 7, 3)), ("b/two.nii.gz", (4, 3, 6))):
        body = random.random(size) < 0.6
        array = np.where(body, random.integers(-32768, 32767, size), -1000).astype(np.int16)
        volumes[name] = PreparedVolume(name, array, body)
    made = PreparedVolumes(4.0, {"a/one.nii.gz": "train", "b/two.nii.gz": "validation"}, volumes)
    save_volumes(tmp_path / "volumes.npz", made)
    found = load_volumes(tmp_path / "volumes.npz")
    assert (found.spacing_mm, found.split) == (4.0, made.split)
    for name, volume in volumes.items():
        np.testing.assert_array_equal(found.volumes[name].array, volume.array)
        np.testing.assert_array_equal(found.volumes[name].body, volume.body)
    assert [volume.name for volume in found.of(DataSource("a/*.nii.gz"))] == ["a/one.nii.gz"]
    with pytest.raises(InputError, match=r"No volume matches a/\*\.nii\.gz among the 2 prepared"):
        found.of(DataSource("a/*.nii.gz", exclude=("one",)))


def test_what_is_no_prepared_file_is_said(tmp_path: Path):
    with pytest.raises(InputError, match="There is no prepared file"):
        load_volumes(tmp_path / "gone.npz")
    (tmp_path / "half.npz").write_bytes(b"PK half of it")
    with pytest.raises(InputError, match=r"half\.npz is no file of prepared volumes or is damaged"):
        load_volumes(tmp_path / "half.npz")
