"""Sharpness, patch distance and region of new slices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from phantoms import torso
from scipy.ndimage import gaussian_filter

from SSPELib.volume import Volume, slices
from SSPEResearch.evaluation.expansion.cases import measure
from SSPEResearch.evaluation.expansion.continuations import RepeatedEdge
from SSPEResearch.evaluation.expansion.hidden_case import Frame, make_case
from SSPEResearch.evaluation.expansion.regions import REGIONS, most_of, regions, regions_of_slices
from SSPEResearch.evaluation.expansion.summary import markdown
from SSPEResearch.evaluation.expansion.texture import gradient_magnitude, patch_distance

FRAME = Frame(4.0, (16, 32, 32), 8)


def test_the_gradient_of_a_ramp_is_its_slope_in_mm():
    z, y, x = np.meshgrid(np.arange(5), np.arange(6), np.arange(7), indexing="ij")
    ramp = 3.0 * (2.5 * z) + 4.0 * (2.0 * y) + 12.0 * (1.5 * x)
    assert gradient_magnitude(ramp, (2.5, 2.0, 1.5)) == pytest.approx(13.0)


def test_patches_tell_blur_and_repetition_from_texture_wherever_it_lies():
    random = np.random.default_rng(3)
    truth = gaussian_filter(random.normal(0, 400, (20, 40, 40)), 1)
    body = np.zeros(truth.shape, dtype=bool)
    body[:, 5:35, 5:35] = True
    assert patch_distance(truth, truth, body) == 0
    same_kind = gaussian_filter(random.normal(0, 400, truth.shape), 1)
    blurred, repeated = gaussian_filter(truth, 1.5), np.broadcast_to(truth[:1], truth.shape)
    near, blur, repetition = (patch_distance(one, truth, body) for one in (same_kind, blurred, repeated))
    assert 3 * near < repetition < blur
    # Level does not count, only what varies within a patch.
    assert patch_distance(truth + 100, truth, body) == pytest.approx(0, abs=1e-9)
    # Few slices have patches within slices alone, fewer voxels than a patch none.
    assert patch_distance(blurred[:3], truth[:3], body[:3]) > near
    assert np.isnan(patch_distance(truth[:, :5, :5], truth[:, :5, :5], body[:, :5, :5]))


def person() -> tuple[np.ndarray, np.ndarray]:
    """Slices of 4 mm from the thighs to the head: lung, bone and size as regions have them."""
    parts = [  # region, slices, half sizes in voxels, half size of lung, of bone
        ("thighs", 15, (15, 30), 0, 3),
        ("pelvis", 40, (22, 40), 0, 9),
        ("abdomen", 50, (22, 35), 0, 5),
        ("chest", 60, (22, 38), 15, 5),
        ("neck", 20, (13, 15), 0, 3),
        ("head", 45, (20, 17), 0, 10),
    ]
    array = np.full((sum(part[1] for part in parts), 64, 96), -1000, dtype=np.float32)
    truth = []
    rows, columns = np.meshgrid(np.arange(64) - 32, np.arange(96) - 48, indexing="ij")
    for name, count, (tall, wide), lung, bone in parts:
        here = slice(len(truth), len(truth) + count)
        array[here, (rows / tall) ** 2 + (columns / wide) ** 2 < 1] = 30
        array[here, np.hypot(rows, columns) < lung] = -800
        array[here, np.hypot(rows - 8, columns) < bone] = 500
        truth += [name] * count
    return array, np.array(truth)


def test_regions_follow_lung_bone_and_size():
    array, truth = person()
    found = np.array(regions_of_slices(array, array > -900))
    assert (found == truth).mean() > 0.97
    # A part of it shows what it shows; without lung in view an abdomen is none the less an abdomen.
    part = slice(60, 100)
    assert set(regions_of_slices(array[part], array[part] > -900)) == {"abdomen"}


def test_bright_kidneys_are_no_pelvis():
    array, truth = person()
    kidneys = (truth == "abdomen") & (np.arange(len(truth)) > 80)
    array[kidneys, 20:34, 30:40] = 400
    found = np.array(regions_of_slices(array, array > -900))
    assert set(found[kidneys]) == {"abdomen"}


def test_the_regions_of_a_volume_lie_in_its_own_order():
    array, truth = person()
    upright = Volume(array.astype(np.int16), (4.0, 4.0, 4.0), (0.0, 0.0, 0.0), np.eye(3))
    assert (np.array(regions(upright)) == truth).mean() > 0.97
    turned = replace(upright, array=array[::-1].astype(np.int16), direction=np.diag([1.0, -1.0, -1.0]))
    assert (np.array(regions(turned)) == truth[::-1]).mean() > 0.97
    assert most_of(["neck", "head", "neck"]) == "neck"
    assert REGIONS.index("chest") > REGIONS.index("pelvis")


def test_a_row_says_how_sharp_it_is_and_what_it_shows():
    array, _ = person()
    # From the middle of the chest on; hidden are the abdomen and what lies below it.
    whole = slices(Volume(array.astype(np.int16), (4.0, 4.0, 4.0), (0.0, 0.0, 0.0), np.eye(3)), 70, 165)
    case = make_case(whole, "x", "inferior", "end", 64.0, FRAME)
    assert case is not None
    assert case.region == "abdomen"
    row = measure(case, "64 mm", RepeatedEdge(FRAME), FRAME)
    assert row.region == "abdomen"
    assert row.gradient == pytest.approx(1.0, abs=0.02)
    assert row.patches < 1
    assert np.isfinite(row.gradients[:2]).all()
    assert np.isnan(row.gradients[2:]).all()
    row = replace(row, body_mae_hu=10.0)
    noisy = replace(row, system="other", gradient=2.0, patches=50.0, body_mae_hu=30.0)
    text = markdown([row, noisy], ["other"], "sspe evaluate expansion")
    [line] = [line for line in text.splitlines() if line.startswith("| abdomen | inferior | 1 | other |")]
    assert line.endswith("| 30 | 3.000 | 0 | 2.00 | 50.0 |")


def test_the_region_of_a_phantom_is_found_whatever_is_hidden():
    case = make_case(torso(), "x", "superior", "middle", 35.0, FRAME)
    assert case is not None
    assert case.region in REGIONS
