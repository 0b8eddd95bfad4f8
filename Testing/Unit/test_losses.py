"""Each loss against its equation, by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from SSPEResearch.training.losses import (
    adversarial_loss,
    discriminator_loss,
    feature_matching_loss,
    gradient_matching_loss,
    reconstruction_loss,
    sobel_gradient,
)


def test_equation_4_weighs_new_slices_with_lambda():
    target = torch.zeros(1, 1, 4, 2, 2)
    predicted = target.clone()
    predicted[:, :, 0] = 1.0
    predicted[:, :, 3] = 1.0
    assert reconstruction_loss(predicted, target, step=2, new_weight=4.0) == pytest.approx((1 + 4) / 4)
    assert reconstruction_loss(predicted, target, step=2, new_weight=1.0) == pytest.approx(2 / 4)


def test_body_voxels_can_weigh_more_than_the_air_around_them():
    target = torch.full((1, 1, 4, 2, 2), -1.0)
    target[:, :, :, 0] = 0.0
    predicted = target + 0.5
    found = [reconstruction_loss(predicted, target, 2, weight, body_weight=3.0) for weight in (1.0, 4.0)]
    assert found == pytest.approx([0.5 * (3 + 1) / 2, 0.5 * (3 + 1) / 2 * (1 + 4) / 2])


def test_equation_5_trains_generated_toward_one_and_real_toward_zero():
    generated, real = torch.full((1, 1, 2, 2, 2), 0.25), torch.full((1, 1, 2, 2, 2), 0.5)
    assert discriminator_loss(generated, real) == pytest.approx(0.5 * (0.75 + 0.5))
    assert discriminator_loss(torch.ones(1), torch.zeros(1)) == 0


def test_the_generator_is_pulled_the_other_way():
    judged = torch.full((1, 1, 2, 2, 2), 0.25, requires_grad=True)
    adversarial_loss(judged).backward()
    assert (judged.grad > 0).all()


def test_feature_matching_is_the_mean_over_layers():
    generated = [torch.zeros(1, 2, 4), torch.zeros(1, 3, 2)]
    real = [torch.ones(1, 2, 4), torch.full((1, 3, 2), 3.0)]
    assert feature_matching_loss(generated, real) == pytest.approx(2.0)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_sobel_agrees_with_scipy(axis):
    scope = np.random.default_rng(1).normal(size=(7, 8, 9)).astype(np.float32)
    expected = ndimage.sobel(scope, axis=axis, mode="nearest") / 32
    found = sobel_gradient(torch.from_numpy(scope)[None, None])[0, axis].numpy()
    assert found == pytest.approx(expected, abs=1e-5)


def test_equation_6_ignores_a_constant_and_sees_an_edge():
    target = torch.zeros(1, 1, 6, 6, 6)
    assert gradient_matching_loss(target + 0.7, target) == pytest.approx(0.0, abs=1e-7)
    edge = target.clone()
    edge[:, :, 3:] = 1.0
    # The two slices beside the edge have a slope of one half a voxel, in one of three maps.
    assert gradient_matching_loss(edge, target) == pytest.approx(2 * 0.5 / 6 / 3)
