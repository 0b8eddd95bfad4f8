"""Evidence pays for true overlap only, and the search by Fourier transforms finds what a direct sum would."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from phantoms import torso

from SSPELib.errors import RegistrationError
from SSPELib.progress import silent
from SSPELib.registration.evidence import (
    Density,
    MatchTable,
    generosity_layer,
    pair_table,
    scale_by_depth,
    search_layers,
    share_by_depth,
    trust_by_depth,
)
from SSPELib.registration.layout import lay_out
from SSPELib.registration.parts import PartSource
from SSPELib.registration.poses import about, mean_distance, rotation_matrix
from SSPELib.registration.refine import Ascent, Climber, Threshold, stretch_log_prior
from SSPELib.registration.search import search
from SSPELib.registration.start import window_for
from SSPELib.registration.window import Window, rotation_grid
from SSPELib.volume import slices


@pytest.fixture(scope="module")
def pair():
    fixed = PartSource(slices(torso(seed=1), 18, 40))
    moving = PartSource(slices(torso(seed=2), 0, 30))
    return fixed.at(8.0), moving.at(8.0)


def shifted(mm):
    return about(np.eye(3), np.zeros(3), np.array([0.0, 0.0, mm]))


def test_evidence_is_highest_at_the_truth_negative_beside_it_and_nothing_apart(pair):
    climber = Climber(*pair, Density.of(pair), 60.0, Threshold())
    truth, beside, apart = (climber.account(shifted(mm)) for mm in (0.0, 40.0, 400.0))
    assert truth.total > 0 > beside.total
    assert truth.real == pytest.approx(truth.total)
    assert truth.real_voxels > 1000
    assert apart.total == 0
    assert apart.real_voxels == 0


def test_pulling_apart_from_the_truth_never_pays(pair):
    climber = Climber(*pair, Density.of(pair), 60.0, Threshold())
    totals = [climber.account(shifted(-mm)).total for mm in (0.0, 8.0, 16.0, 32.0, 64.0)]
    assert max(totals) == totals[0]


def test_a_small_error_is_climbed_away(pair):
    climber = Climber(*pair, Density.of(pair), 60.0, Threshold())
    start = about(rotation_matrix(np.radians([2.0, -2.0, 3.0])), np.zeros(3), np.array([5.0, -4.0, 6.0]))
    points = pair[1].points(pair[1].body > 0.5)
    found = climber.climb(start, 40, 2.0, 0.1, "rigid", silent)
    assert mean_distance(start, np.eye(4), points) > 8
    assert mean_distance(found, np.eye(4), points) < 2
    assert np.allclose(found[:3, :3] @ found[:3, :3].T, np.eye(3), atol=1e-6)


def test_climbing_takes_the_steps_of_the_adam_of_pytorch():
    def hill(values):
        return torch.sin(5 * values).sum() - (torch.arange(1, 7) * (values - torch.arange(6) + 2.3) ** 2).sum()

    ours, theirs = (torch.zeros(6, dtype=torch.float64, requires_grad=True) for _ in range(2))
    ascent, optimizer = Ascent(ours), torch.optim.Adam([theirs], betas=Ascent.DECAYS, maximize=True)
    for step in range(40):
        rate = 3.0 * 0.9**step
        ascent.step(torch.autograd.grad(hill(ours), ours)[0], rate)
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        hill(theirs).backward()
        optimizer.step()
    assert ours.abs().min() > 0.1
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_keeping_lengths_and_angles_is_preferred_whatever_the_rotation():
    turned = torch.from_numpy(rotation_matrix(np.radians([20.0, -30.0, 50.0])))
    assert float(stretch_log_prior(turned)) == pytest.approx(0.0, abs=1e-12)
    stretched = [
        float(stretch_log_prior(turned @ torch.diag(torch.tensor([1.0, 1.0, 1.0 + by]).double())))
        for by in (0.03, 0.06)
    ]
    assert -0.6 < stretched[0] < -0.4
    assert stretched[1] < 3 * stretched[0]


def test_a_threshold_is_taken_from_every_pair_of_real_voxels(pair):
    free = Climber(*pair, Density.of(pair), 60.0, Threshold()).account(np.eye(4))
    taxed = Climber(*pair, Density.of(pair), 60.0, Threshold(real=0.5)).account(np.eye(4))
    assert taxed.real_voxels == free.real_voxels
    # Pairs are counted rounded down, and partly inside counts partly.
    assert free.total - taxed.total == pytest.approx(0.5 * free.real_voxels, rel=0.01)


def alike(part):
    """The part with the same slice everywhere."""
    middle = part.hu.shape[0] // 2
    same = {name: np.repeat(getattr(part, name)[middle][None], part.hu.shape[0], axis=0) for name in ("hu", "body")}
    return replace(part, valid=np.ones_like(part.valid), **same)


def test_the_worth_of_a_displaced_part_tells_how_much_its_slices_resemble_each_other(pair):
    density = Density.of(pair)
    changing = Climber(pair[1], pair[1], density, 60.0, Threshold())
    column = Climber(*[alike(pair[1])] * 2, density, 60.0, Threshold())
    assert changing.displaced(0.0).real > 0.5
    assert changing.displaced(40.0).real == 0
    assert column.displaced(40.0).real == pytest.approx(column.displaced(0.0).real, rel=0.02)
    apart = column.displaced(1000.0)
    assert (apart.real, apart.synthetic) == (0.0, 0.0)


def test_synthetic_slices_displaced_against_own_real_ones_have_a_worth_of_their_own(pair):
    part = alike(pair[1])
    depth = np.zeros_like(part.depth)
    depth[-6:] = (np.arange(6) + 1)[:, None, None] * part.spacing
    grown = Climber(*[replace(part, depth=depth)] * 2, Density.of(pair), 60.0, Threshold())
    assert grown.displaced(40.0).synthetic > 0.5
    assert grown.displaced(-40.0).synthetic == pytest.approx(grown.displaced(40.0).synthetic, rel=0.02)


def test_search_scores_are_those_of_a_direct_sum(pair):
    fixed, moving = pair
    density = Density.of(pair)
    layers = search_layers(fixed, moving, density)
    limit = np.full(3, 30.0)
    window = Window(np.eye(4), -limit, limit, np.zeros((1, 3)), np.full(3, np.inf), np.inf)
    best = search(fixed, moving, [layers], window, 1.0, [5], silent)[0]
    points = moving.points(moving.body > 0.5)
    # The grid allows shifts of whole voxels only.
    assert mean_distance(best.pose, np.eye(4), points) < 8
    table = layers[0].table
    values = (table.features * table.signs[:, None]).T @ table.features
    origin_gap = np.rint((moving.origin - best.pose[:3, 3] - fixed.origin) / 8.0).astype(int)
    total = 0.0
    moving_bins, fixed_bins = table.bins_of(moving), table.bins_of(fixed)
    for k, j, i in np.argwhere(moving.valid):
        z, y, x = k + origin_gap[2], j + origin_gap[1], i + origin_gap[0]
        inside = 0 <= z < fixed.hu.shape[0] and 0 <= y < fixed.hu.shape[1] and 0 <= x < fixed.hu.shape[2]
        if inside and fixed.valid[z, y, x]:
            total += values[moving_bins[k, j, i], fixed_bins[z, y, x]]
    assert best.score == pytest.approx(total, rel=1e-3)


def test_a_window_as_small_as_the_answer_is_searched_on_smaller_grids_with_the_same_answer(pair):
    fixed, moving = pair
    layers = search_layers(fixed, moving, Density.of(pair))
    rotations = np.radians([[2.0, -1.0, 3.0]])
    limit = np.full(3, 100.0)
    wide = Window(np.eye(4), -limit, limit, rotations, np.full(3, np.inf), np.inf)
    best = search(fixed, moving, [layers], wide, 1.0, [1], silent)[0]
    assert best.score > 100
    layout = lay_out(fixed, moving, wide)
    turned = about(rotation_matrix(rotations[0]), layout.center, np.zeros(3))
    shift = -(np.linalg.inv(turned) @ best.pose)[:3, 3]
    narrow = replace(wide, low=shift - 4.0, high=shift + 4.0)
    again = search(fixed, moving, [layers], narrow, 1.0, [1], silent)[0]
    assert np.allclose(again.pose, best.pose)
    assert again.score == pytest.approx(best.score, rel=1e-3)
    assert np.prod(lay_out(fixed, moving, narrow).shape) < 0.7 * np.prod(layout.shape)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("side", [-1, 1])
def test_a_window_in_which_nothing_meets_has_no_evidence(pair, axis, side):
    middle = np.eye(3)[axis] * side * 2000.0
    window = Window(np.eye(4), middle - 30, middle + 30, rotation_grid(10.0, 10.0), np.full(3, np.inf), np.inf)
    peaks = search(*pair, [search_layers(*pair, Density.of(pair))], window, 1.0, [1], silent)
    assert peaks[0].score == pytest.approx(0.0, abs=1.0)


def test_search_finds_a_turned_and_shifted_part(pair):
    fixed, moving = pair
    limit = np.full(3, 40.0)
    rotations = rotation_grid(10.0, 10.0)
    assert rotations.shape == (27, 3)
    center = moving.points(moving.body > 0.5).mean(axis=0)
    start = about(rotation_matrix(np.radians([0.0, 10.0, -10.0])), center, np.array([16.0, -8.0, 24.0]))
    window = Window(start, -limit, limit, rotations, np.full(3, np.inf), np.inf)
    peaks = search(fixed, moving, [search_layers(fixed, moving, Density.of(pair))], window, 1.0, [5], silent)
    points = moving.points(moving.body > 0.5)
    assert min(mean_distance(np.linalg.inv(peak.pose), np.eye(4), points) for peak in peaks) < 15
    assert [peak.score for peak in peaks] == sorted((peak.score for peak in peaks), reverse=True)


def test_each_reading_of_a_search_proposes_its_own_peaks(pair):
    fixed, moving = pair
    density = Density.of(pair)
    limit = np.full(3, 40.0)
    window = Window(np.eye(4), -limit, limit, rotation_grid(10.0, 10.0), np.full(3, np.inf), np.inf)
    strict, generous = search_layers(fixed, moving, density), [generosity_layer(fixed, moving, density)]
    alone = search(fixed, moving, [strict], window, 1.0, [3], silent)
    both = search(fixed, moving, [strict, generous], window, 1.0, [3, 4], silent)
    assert [peak.score for peak in both[:3]] == pytest.approx([peak.score for peak in alone])
    assert len(both) == 7
    assert all(np.abs(peak.pose - one.pose).max() > 1e-6 for peak in both[3:] for one in alone)
    # The generous reading adds its bonus for each pair of voxels in both bodies: never less than the strict one.
    assert both[3].score > alone[-1].score


def test_a_pair_table_is_symmetric_and_kept_well_by_few_features(pair):
    density = Density.of(pair)
    table = pair_table(density, 60.0, 0.9, (0.0, -1.0))
    kept = MatchTable.of(density, table, rank=12)
    assert np.allclose(table, table.T)
    assert table[0, 0] == 0
    rebuilt = (kept.features * kept.signs[:, None]).T @ kept.features
    assert np.abs(rebuilt[0] - table[0]).max() < 0.1
    assert np.abs(rebuilt - table).mean() < 0.25


def test_synthetic_voxels_count_less_the_farther_they_are():
    depth = np.linspace(0, 128, 50, dtype=np.float32)
    assert trust_by_depth(depth)[0] == 1
    assert scale_by_depth(depth)[0] == 0
    assert share_by_depth(depth)[0] == 1
    assert (np.diff(trust_by_depth(depth)) <= 0).all()
    assert (np.diff(scale_by_depth(depth)) >= 0).all()
    assert (share_by_depth(depth)[1:] < 0.5).all()


def test_a_volume_without_a_body_is_refused_by_name(small_torso):
    air = small_torso.like(np.full_like(small_torso.array, -1000))
    with pytest.raises(RegistrationError, match="torso shows no body"):
        PartSource(air)


def test_an_unknown_start_prefers_parts_that_meet_or_nearly_do(pair):
    fixed, moving = pair
    window = window_for("unknown", fixed, moving)
    tops, bottoms = [], []
    for part in (fixed, moving):
        z = part.points((part.body > 0.5) & (part.depth == 0))[:, 2]
        tops.append(z.max())
        bottoms.append(z.min())
    laid_top, laid_bottom = (end - window.start[2, 3] for end in (tops[1], bottoms[1]))

    def preference(shift_mm: float) -> float:
        return float(window.log_prior(np.array([0.0, 0.0, shift_mm]), np.zeros(3)))

    for gap, shift in ((0.0, 0.0), (30.0, tops[0] - laid_bottom + 30.0), (90.0, bottoms[0] - laid_top - 90.0)):
        assert preference(shift) == pytest.approx(-0.5 * (gap / 30.0) ** 2)
