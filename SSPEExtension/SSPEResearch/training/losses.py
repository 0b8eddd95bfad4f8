"""The losses of the paper, one function an equation. Scopes are (n, 1, z, y, x) in HU / 1000."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

BODY_ABOVE = -0.95
"""HU / 1000 above which a voxel of a masked training volume belongs to the body."""


def reconstruction_loss(
    predicted: Tensor, target: Tensor, step: int, new_weight: float, body_weight: float = 1.0
) -> Tensor:
    """Eq. 4: L1 over the whole scope; the last step slices, which are new, weigh new_weight (lambda).

    Args:
        predicted, target: (n, 1, z, y, x) in HU / 1000.
        step: number of new slices.
        new_weight: lambda.
        body_weight: weight of body voxels against the air around them, which is not anatomy; the paper has 1. Where a
            body may or may not reach, L1 with 1 follows what is likelier, with 2 what has a chance of one third.
    """
    error = (predicted - target).abs()
    if body_weight != 1.0:
        error = torch.where(target > BODY_ABOVE, body_weight * error, error)
    overlap = error[:, :, :-step].sum()
    new = error[:, :, -step:].sum()
    return (overlap + new_weight * new) / error.numel()


def discriminator_loss(judged_generated: Tensor, judged_real: Tensor) -> Tensor:
    """Eq. 5 as it trains the discriminator: generated toward 1, real toward 0, both in L1."""
    return 0.5 * ((judged_generated - 1).abs().mean() + judged_real.abs().mean())


def adversarial_loss(judged_generated: Tensor) -> Tensor:
    """The generator's side of eq. 5: what it made is pulled to the value of real scopes, 0."""
    return judged_generated.abs().mean()


def feature_matching_loss(generated: Sequence[Tensor], real: Sequence[Tensor]) -> Tensor:
    """Mean L1 between the discriminator's features of generated and real scopes, layer by layer."""
    return torch.stack([(g - r.detach()).abs().mean() for g, r in zip(generated, real, strict=True)]).mean()


def sobel_gradient(scope: Tensor) -> Tensor:
    """Sobel gradient map (n, 3, z, y, x), the derivatives along z, y and x in HU / 1000 per voxel."""
    smooth, slope = _sobel_kernels(scope.device, scope.dtype)
    padded = functional.pad(scope, (1, 1, 1, 1, 1, 1), mode="replicate")
    maps = []
    for derived in range(3):
        result = padded
        for axis in range(3):
            shape = [1, 1, 1, 1, 1]
            shape[2 + axis] = 3
            kernel = (slope if axis == derived else smooth).view(shape)
            result = functional.conv3d(result, kernel)
        maps.append(result)
    return torch.cat(maps, dim=1)


@cache
def _sobel_kernels(device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    # Kept, as a tensor that comes from the host has to be waited for.
    smooth, slope = (1.0, 2.0, 1.0), (-1.0, 0.0, 1.0)
    return torch.tensor(smooth, device=device, dtype=dtype) / 4, torch.tensor(slope, device=device, dtype=dtype) / 2


def gradient_matching_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Eq. 6: L1 between the Sobel gradient maps of G(X[t]) and X[t + delta].

    The paper prints f(X_t) against f(G(X_{t+delta})), a slip of indices: shapes and text say what stands here.
    """
    return (sobel_gradient(predicted) - sobel_gradient(target)).abs().mean()
