"""Evidence pays for true overlap only, its gradients are right, and the search finds what a direct sum would."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from phantoms import torso

from SSPELib.errors import RegistrationError
from SSPELib.poses import about, mean_distance, rotation_matrix
from SSPELib.progress import silent
from SSPELib.registration.evidence import (
    BINS,
    FIELDS,
    SLOPED,
    SYNTHETIC_SCALE_HU,
    SYNTHETIC_TRUST,
    Density,
    EvidenceModel,
    Threshold,
    Voxels,
    factors,
    log_match,
    pair_table,
    spread,
    voxel_fields,
)
from SSPELib.registration.images import GridImage, ImagePyramid
from SSPELib.registration.overlay import FieldSampler, Overlay
from SSPELib.registration.refine import (
    Climb,
    climb,
    curvature,
    increments,
    motions,
    stretch_log_prior,
    stretch_log_prior_gradient,
)
from SSPELib.registration.search import (
    HEADER_REACH_MM,
    CorrelationGrid,
    SearchRange,
    layers,
    rotation_grid,
    search,
    search_range,
)
from SSPELib.volume import slices

CPU = torch.device("cpu")
NOWHERE = np.zeros(3)


@pytest.fixture(scope="module")
def pair() -> tuple[GridImage, GridImage]:
    fixed = ImagePyramid(slices(torso(seed=1), 18, 40))
    moving = ImagePyramid(slices(torso(seed=2), 0, 30))
    return fixed.at(8.0), moving.at(8.0)


def shifted(mm):
    return about(np.eye(3), NOWHERE, np.array([0.0, 0.0, mm]))


FREE = Threshold()


def overlay(pair, threshold: Threshold = FREE, smooth: bool = False) -> Overlay:
    return Overlay(*pair, Density.of(pair), EvidenceModel(60.0, threshold), CPU, smooth)


@pytest.fixture(scope="module")
def fine() -> tuple[GridImage, GridImage]:
    """The same on a grid that shows the phantom's ribs and discs."""
    size, spacing = (80, 56, 50), (4.0, 4.0, 4.0)
    fixed = ImagePyramid(slices(torso(size, spacing, seed=1), 20, 50))
    moving = ImagePyramid(slices(torso(size, spacing, seed=2), 0, 36))
    return fixed.at(4.0), moving.at(4.0)


def wide(limit_mm: float, rotations, start=None) -> SearchRange:
    limit = np.full(3, limit_mm)
    free = np.full(3, np.inf)
    return SearchRange(np.eye(4) if start is None else start, NOWHERE, -limit, limit, rotations, free, np.inf)


def test_evidence_is_highest_at_the_truth_negative_beside_it_and_nothing_apart(pair):
    truth, beside, apart = overlay(pair).evidence(np.stack([shifted(mm) for mm in (0.0, 40.0, 400.0)]))
    assert truth.total > 0 > beside.total
    assert truth.real == pytest.approx(truth.total)
    assert truth.real_voxels > 1000
    assert apart.total == 0
    assert apart.real_voxels == 0


def test_voxels_beside_data_continue_them_and_slopes_are_differences_of_neighbors(pair):
    image = pair[1]
    density = Density.of(pair)
    known = voxel_fields(image, density)
    valid = image.valid
    assert 0 < valid.sum() < valid.size
    expected = known.copy()
    around = [np.pad(field * valid, 1) for field in known]
    count = np.pad(valid, 1).astype(int)
    for z, y, x in np.argwhere(~valid):
        near = np.s_[z : z + 3, y : y + 3, x : x + 3]
        if count[near].any():
            for number in range(len(known)):
                if number != FIELDS.index("valid"):
                    expected[number, z, y, x] = around[number][near].sum() / count[near].sum()
    table = FieldSampler(image, density, CPU, smooth=False).table.numpy()
    assert not table[-1].any()
    table = table[:-1].reshape(*valid.shape, -1)
    np.testing.assert_allclose(np.moveaxis(table[..., : len(FIELDS)], 3, 0), expected, rtol=1e-5, atol=1e-5)
    slopes = table[..., len(FIELDS) :].reshape(*valid.shape, 3, len(SLOPED))
    for number, axis in enumerate((2, 1, 0)):
        steps = np.gradient(expected[: len(SLOPED)], axis=axis + 1)
        np.testing.assert_allclose(np.moveaxis(slopes[..., number, :], 3, 0), steps, rtol=1e-4, atol=1e-3)


def test_parts_of_which_nothing_is_near_have_no_evidence_and_no_slope(pair):
    nothing = replace(pair[0], valid=np.zeros_like(pair[0].valid))
    empty = Overlay(nothing, pair[1], Density.of(pair), EvidenceModel(60.0, Threshold()), CPU)
    poses = np.stack([shifted(mm) for mm in (0.0, 40.0)])
    values, slopes_there = empty.slopes(poses, empty.sample(poses, 500, 16.0))
    assert not values.any()
    assert slopes_there.shape == (2, 3, 4)
    assert not slopes_there.any()
    assert empty.evidence(poses)[0].total == 0


def test_a_part_that_is_cropped_to_one_slice_can_be_weighed(pair):
    fixed, moving = pair
    thin = replace(moving, **{name: getattr(moving, name)[-1:] for name in ("hu", "body", "valid", "depth")})
    assert np.isfinite(overlay((fixed, thin), smooth=True).evidence(shifted(0.0)[None])[0].total)


def test_pulling_apart_from_the_truth_never_pays(pair):
    poses = np.stack([shifted(-mm) for mm in (0.0, 8.0, 16.0, 32.0, 64.0)])
    totals = [evidence.total for evidence in overlay(pair).evidence(poses)]
    assert max(totals) == totals[0]


def test_a_small_error_is_climbed_away(fine):
    start = about(rotation_matrix(np.radians([2.0, -2.0, 3.0])), NOWHERE, np.array([5.0, -4.0, 6.0]))
    points = fine[1].points(fine[1].body > 0.5)
    (found,) = climb(overlay(fine, smooth=True), [start], ["rigid"], Climb(40, 2.0, 0.1, 20000), silent)
    assert mean_distance(start, np.eye(4), points) > 8
    assert mean_distance(found, np.eye(4), points) < 2
    assert np.allclose(found[:3, :3] @ found[:3, :3].T, np.eye(3), atol=1e-6)


def test_steps_by_the_curvature_end_at_the_truth(fine):
    laid = overlay(fine)
    start = about(rotation_matrix(np.radians([0.3, -0.2, 0.3])), NOWHERE, np.array([0.3, -0.4, 0.3]))
    points = fine[1].points(fine[1].body > 0.5)
    climbed = climb(laid, [start], ["rigid"], Climb(20, 1.0, 0.05, 20000, scaled=True), silent)[0]
    before, after = laid.evidence(np.stack([start, climbed]))
    assert after.total > before.total
    assert mean_distance(climbed, np.eye(4), points) < 0.5 < mean_distance(start, np.eye(4), points)
    # Steps scaled by the curvature of a flat evidence are long, of a sharp one short.
    known, _ = curvature(laid, climbed, (2.0,), 20000)
    assert np.linalg.eigvalsh(known).min() > 0.1


def test_poses_climb_together_as_they_climb_alone(fine):
    starts = [shifted(6.0), about(rotation_matrix(np.radians([3.0, 0.0, 0.0])), NOWHERE, np.zeros(3))]
    how = Climb(8, 2.0, 0.5, 3000)
    kinds = ["rigid", "affine"]
    together = climb(overlay(fine, smooth=True), starts, kinds, how, silent)
    for start, kind, found in zip(starts, kinds, together, strict=True):
        assert np.allclose(climb(overlay(fine, smooth=True), [start], [kind], how, silent)[0], found, atol=1e-3)
    assert not np.allclose(together[1][:3, :3] @ together[1][:3, :3].T, np.eye(3), atol=1e-6)


def test_cores_change_the_time_that_a_climb_takes_and_nothing_else(fine, monkeypatch):
    monkeypatch.setattr("SSPELib.registration.overlay.CPU_CHUNK", 1000)
    laid, starts = overlay(fine, smooth=True), [shifted(mm) for mm in (4.0, 5.0, 16.0, 30.0)]
    how, threads = Climb(6, 1.0, 0.2, 3000), torch.get_num_threads()
    found = []
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            poses = climb(laid, starts, ["rigid"] * 4, how, silent)
            found.append((np.array(poses), laid.evidence(np.array(poses))))
    finally:
        torch.set_num_threads(threads)
    (one, evidence), (three, same) = found
    assert np.array_equal(one, three)
    assert evidence == same


def test_near_voxels_are_those_that_a_pose_takes_into_the_other_grid(pair):
    laid = overlay(pair)
    pose = about(rotation_matrix(np.radians([4.0, -7.0, 12.0])), NOWHERE, np.array([20.0, -35.0, 90.0]))
    size = (np.array(pair[1].hu.shape[::-1]) - 1) * pair[1].spacing
    for matrix in (np.eye(4), shifted(500.0), pose):
        places = laid.points @ matrix[:3, :3].T + matrix[:3, 3] - pair[1].origin
        inside = ((places >= -12.3) & (places <= size + 12.3)).all(axis=1)
        (found,) = laid.sample(matrix[None], 10**6, 12.3).index.numpy()
        assert np.array_equal(found, np.flatnonzero(inside) if inside.any() else [0])


def test_gradients_are_those_of_small_motions_within_a_voxel(fine):
    laid = overlay(fine, smooth=True)
    pose = about(rotation_matrix(np.radians([1.0, -2.0, 0.5])), NOWHERE, np.array([2.9, -1.3, 1.7]))[None]
    sample = laid.sample(pose, 100_000, 0.0)
    centers = sample.centers
    slope = np.einsum("brc,bkrc->bk", laid.slopes(pose, sample)[1], motions(pose, centers))[0]
    numeric = []
    for parameter in range(12):
        step = np.zeros((1, 12))
        step[0, parameter] = 0.1
        ahead, behind = (laid.slopes(pose @ increments(sign * step, centers), sample)[0][0] for sign in (1, -1))
        numeric.append((ahead - behind) / 0.2)
    # Few voxels come nearest to another one on so short a way, so that little is added by that.
    assert np.corrcoef(slope, numeric)[0, 1] > 0.97


def test_motions_are_the_derivatives_of_increments():
    random = np.random.default_rng(2)
    pose = about(rotation_matrix(np.array([0.1, -0.2, 0.3])), NOWHERE, np.array([5.0, 6.0, 7.0]))[None]
    center = random.normal(0, 50, (1, 3))
    for parameter in range(12):
        step = np.zeros((1, 12))
        step[0, parameter] = 1e-4
        change = (pose @ increments(step, center) - pose @ increments(-step, center)) / 2e-4
        assert np.allclose(change[0, :3], motions(pose, center)[0, parameter], atol=1e-6)


def test_keeping_lengths_and_angles_is_preferred_whatever_the_rotation():
    turned = rotation_matrix(np.radians([20.0, -30.0, 50.0]))
    stretches = np.stack([turned @ np.diag([1.0, 1.0, 1.0 + by]) for by in (0.0, 0.03, 0.06)])
    none, some, more = stretch_log_prior(stretches)
    assert none == pytest.approx(0.0, abs=1e-12)
    assert -0.6 < some < -0.4
    assert more < 3 * some
    direction = np.random.default_rng(0).normal(size=(3, 3))
    ahead, behind = stretch_log_prior(np.stack([stretches[1] + sign * 1e-6 * direction for sign in (1, -1)]))
    slope = (stretch_log_prior_gradient(stretches[1:2])[0] * direction).sum()
    assert (ahead - behind) / 2e-6 == pytest.approx(slope, rel=1e-4)


def test_a_threshold_is_taken_from_every_pair_of_real_voxels(pair):
    (free,) = overlay(pair).evidence(np.eye(4)[None])
    (taxed,) = overlay(pair, Threshold(real=0.5)).evidence(np.eye(4)[None])
    assert taxed.real_voxels == free.real_voxels
    scale = overlay(pair).nats_per_voxel
    assert free.total - taxed.total == pytest.approx(0.5 * free.real_voxels * scale, rel=0.01)


def alike(image):
    """The image with the same slice everywhere."""
    middle = image.hu.shape[0] // 2
    same = {name: np.repeat(getattr(image, name)[middle][None], image.hu.shape[0], axis=0) for name in ("hu", "body")}
    return replace(image, valid=np.ones_like(image.valid), **same)


def test_the_worth_of_a_displaced_image_tells_how_much_its_slices_resemble_each_other(pair):
    density, model = Density.of(pair), EvidenceModel(60.0)
    column = alike(pair[1])
    assert model.resemblance(pair[1], density, 0.0).real > 0.5
    assert model.resemblance(pair[1], density, 40.0).real == 0
    at_home = model.resemblance(column, density, 0.0).real
    assert model.resemblance(column, density, 40.0).real == pytest.approx(at_home, rel=0.02)
    assert model.resemblance(column, density, 1000.0) == Threshold(0.0, 0.0)


def test_synthetic_slices_displaced_against_own_real_ones_have_a_worth_of_their_own(pair):
    image = alike(pair[1])
    depth = np.zeros_like(image.depth)
    depth[-6:] = (np.arange(6) + 1)[:, None, None] * image.spacing
    assert EvidenceModel(60.0).resemblance(replace(image, depth=depth), Density.of(pair), 40.0).synthetic > 0.5


def test_search_scores_are_those_of_a_direct_sum(pair):
    fixed, moving = pair
    best = search(fixed, moving, wide(30.0, np.zeros((1, 3))), (5, 0), CPU, silent)[0]
    points = moving.points(moving.body > 0.5)
    assert mean_distance(np.linalg.inv(best.pose), np.eye(4), points) < 8
    density = Density.of(pair)
    ((layer,), _) = layers(fixed, moving, density)
    table = (layer.features * layer.signs[:, None]).T @ layer.features
    edges = density.quantiles(BINS)
    bins = [np.where(one.body > 0.5, np.searchsorted(edges, one.hu) + 1, 0) for one in pair]
    shift = np.rint((best.pose[:3, 3] + fixed.origin - moving.origin) / 8.0).astype(int)
    total = 0.0
    for z, y, x in np.argwhere(fixed.valid):
        i, j, k = x + shift[0], y + shift[1], z + shift[2]
        inside = 0 <= k < moving.hu.shape[0] and 0 <= j < moving.hu.shape[1] and 0 <= i < moving.hu.shape[2]
        if inside and moving.valid[k, j, i]:
            total += table[bins[0][z, y, x], bins[1][k, j, i]]
    assert best.score == pytest.approx(total * 8.0**3 / 2500.0, rel=0.02, abs=0.5)


def test_a_range_as_small_as_the_answer_is_searched_on_smaller_grids_with_the_same_answer(pair):
    fixed, moving = pair
    rotations = np.radians([[2.0, -1.0, 3.0]])
    everywhere = wide(100.0, rotations)
    best = search(fixed, moving, everywhere, (1, 0), CPU, silent)[0]
    assert best.score > 10
    grid = CorrelationGrid.of(fixed, moving, everywhere)
    turned = about(rotation_matrix(rotations[0]), grid.center, np.zeros(3))
    shift = -(np.linalg.inv(turned) @ best.pose)[:3, 3]
    narrow = replace(everywhere, low=shift - 4.0, high=shift + 4.0)
    again = search(fixed, moving, narrow, (1, 0), CPU, silent)[0]
    assert np.allclose(again.pose, best.pose)
    assert again.score == pytest.approx(best.score, rel=1e-3)
    assert np.prod(CorrelationGrid.of(fixed, moving, narrow).shape) < 0.7 * np.prod(grid.shape)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("side", [-1, 1])
def test_a_range_in_which_nothing_meets_has_no_evidence(pair, axis, side):
    middle = np.eye(3)[axis] * side * 2000.0
    where = replace(wide(30.0, rotation_grid(10.0, 10.0)), low=middle - 30, high=middle + 30)
    assert search(*pair, where, (1, 0), CPU, silent)[0].score == pytest.approx(0.0, abs=0.2)


def test_search_finds_a_turned_and_shifted_image(pair):
    fixed, moving = pair
    rotations = rotation_grid(10.0, 10.0)
    assert rotations.shape == (27, 3)
    center = moving.points(moving.body > 0.5).mean(axis=0)
    start = about(rotation_matrix(np.radians([0.0, 10.0, -10.0])), center, np.array([16.0, -8.0, 24.0]))
    peaks = search(fixed, moving, wide(40.0, rotations, start), (5, 0), CPU, silent)
    points = moving.points(moving.body > 0.5)
    assert min(mean_distance(np.linalg.inv(peak.pose), np.eye(4), points) for peak in peaks) < 15
    assert [peak.score for peak in peaks] == sorted((peak.score for peak in peaks), reverse=True)


def test_each_reading_of_a_search_proposes_its_own_peaks(pair):
    where = wide(40.0, rotation_grid(10.0, 10.0))
    alone, both = search(*pair, where, (3, 0), CPU, silent), search(*pair, where, (3, 4), CPU, silent)
    assert [peak.score for peak in both[:3]] == pytest.approx([peak.score for peak in alone])
    assert len(both) == 7
    assert all(np.abs(peak.pose - one.pose).max() > 1e-6 for peak in both[3:] for one in alone)
    # The generous reading adds its bonus for each pair of voxels in both bodies: never less than the strict one.
    assert both[3].score > alone[-1].score


def test_a_pair_table_is_symmetric_and_kept_well_by_few_features(pair):
    table = pair_table(Density.of(pair), 60.0, 0.9, 0.0, -1.0)
    features, signs = factors(table, 12)
    assert np.allclose(table, table.T)
    assert table[0, 0] == 0
    rebuilt = (features * signs[:, None]).T @ features
    assert np.abs(rebuilt[0] - table[0]).max() < 0.1
    assert np.abs(rebuilt - table).mean() < 0.25


def test_a_match_is_worth_most_where_values_agree_and_are_rare():
    zero, one = torch.zeros(1), torch.ones(1)
    common, rare = torch.full((1,), -5.0), torch.full((1,), -8.0)
    worth = log_match(zero, 3600 * one, rare, 0.9)
    assert worth > log_match(zero, 3600 * one, common, 0.9)
    assert worth > log_match(100 * one, 3600 * one, rare, 0.9) > log_match(400 * one, 3600 * one, rare, 0.9)
    assert log_match(zero, 3600 * one, rare, 0.0) == 0
    # What does not follow the model says nothing, so that a mismatch costs at most the log of its share.
    assert log_match(3000 * one, 100 * one, common, 0.9) == pytest.approx(np.log(0.1), abs=0.01)


def test_synthetic_voxels_count_less_the_farther_they_are(pair):
    image = replace(
        pair[1], depth=np.linspace(0, 128, pair[1].depth.size, dtype=np.float32).reshape(pair[1].depth.shape)
    )
    voxels = Voxels(*torch.from_numpy(voxel_fields(image, Density.of(pair)).reshape(7, -1)))
    assert voxels.trust[0] == 1
    assert voxels.scale_squared[0] == 0
    assert voxels.weight[0] == 1
    assert (np.diff(voxels.trust) <= 0).all()
    assert (np.diff(voxels.scale_squared) >= 0).all()
    assert (voxels.weight[1000:] < 0.5).all()
    assert voxels.trust[-1] == pytest.approx(SYNTHETIC_TRUST[-1])
    assert voxels.scale_squared[-1] == pytest.approx(SYNTHETIC_SCALE_HU[-1] ** 2)


@pytest.mark.parametrize(("count", "wanted"), [(0, 5), (5, 5), (7, 20), (1000, 37)])
def test_voxels_are_chosen_evenly_and_each_at_most_once(count, wanted):
    chosen = spread(count, wanted)
    assert len(chosen) == min(count, wanted)
    assert (np.diff(chosen) > 0).all()
    assert len(chosen) == 0 or (chosen[0] >= 0 and chosen[-1] < count)


def test_a_volume_without_a_body_is_refused_by_name(small_torso):
    air = small_torso.like(np.full_like(small_torso.array, -1000))
    with pytest.raises(RegistrationError, match="torso shows no body"):
        ImagePyramid(air)


def test_an_unknown_start_prefers_images_that_meet_or_nearly_do(pair):
    fixed, moving = pair
    where = search_range("unknown", fixed, moving)
    tops, bottoms = [], []
    for image in (fixed, moving):
        z = image.real_body_points()[:, 2]
        tops.append(z.max())
        bottoms.append(z.min())
    laid_top, laid_bottom = (end - where.start[2, 3] for end in (tops[1], bottoms[1]))

    def preference(shift_mm: float) -> float:
        return float(where.log_prior(np.array([0.0, 0.0, shift_mm]), 0.0))

    for gap, shift in ((0.0, 0.0), (30.0, tops[0] - laid_bottom + 30.0), (90.0, bottoms[0] - laid_top - 90.0)):
        assert preference(shift) == pytest.approx(-0.5 * (gap / 30.0) ** 2)


def test_a_start_from_the_headers_ends_within_its_range(pair):
    where = search_range("header", *pair)
    within, beyond = (shifted(HEADER_REACH_MM + by) for by in (-1.0, 1.0))
    turned = about(rotation_matrix(np.radians([0.0, 0.0, 40.0])), where.center, np.zeros(3))
    assert np.isfinite(where.log_prior_of(within))
    assert where.log_prior_of(beyond) == where.log_prior_of(turned) == -np.inf
