"""Transformer layers for the bottom of a generator, with positions that fit scopes of any size."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor, nn

LONGEST_PERIOD = 100.0
WIDENING = 4


def sinusoidal_positions(depth: int, height: int, width: int, channels: int) -> Tensor:
    """Sines and cosines of the place of every voxel, (depth * height * width, channels).

    Each axis takes a third of the channels. Along z the place is counted from the edge where the body grows, in plane
    from the middle, so that it means the same in scopes of every size. Periods run from 2 pi to 100 voxels, more than
    any scope has at the lowest level.
    """
    frequencies = math.ceil(channels / 6)
    exponents = torch.arange(frequencies, dtype=torch.float32) / max(1, frequencies - 1)
    rates = (2 * math.pi / LONGEST_PERIOD) ** exponents
    places = (
        torch.arange(depth, dtype=torch.float32) - depth + 1,
        torch.arange(height, dtype=torch.float32) - (height - 1) / 2,
        torch.arange(width, dtype=torch.float32) - (width - 1) / 2,
    )
    waves = []
    for place in torch.meshgrid(*places, indexing="ij"):
        phase = place.reshape(-1, 1) * rates
        waves += [phase.sin(), phase.cos()]
    # Interleaved, so that cutting to the number of channels takes the same from every axis.
    return torch.stack(waves, dim=2).flatten(1)[:, :channels]


@lru_cache(maxsize=8)
def _positions_on(device: torch.device, dtype: torch.dtype, *size: int) -> Tensor:
    # Kept, as a tensor that comes from the host has to be waited for; usable in training wherever it was made first.
    with torch.inference_mode(False):
        return sinusoidal_positions(*size).to(device, dtype)


class TransformerBottom(nn.Module):
    """Every voxel of the lowest level is a token that sees all others; features (n, c, z, y, x) keep their shape.

    Args:
        channels: channels of the features, a multiple of heads.
        layers: number of encoder layers.
        heads: attention heads of each.
    """

    def __init__(self, channels: int, layers: int, heads: int) -> None:
        super().__init__()
        self.embed = nn.Linear(channels, channels)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                channels, heads, WIDENING * channels, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(channels)

    def forward(self, features: Tensor) -> Tensor:
        _, channels, depth, height, width = features.shape
        positions = _positions_on(features.device, features.dtype, depth, height, width, channels)
        tokens = self.embed(features.flatten(2).transpose(1, 2)) + positions
        for layer in self.layers:
            tokens = layer(tokens)
        return self.norm(tokens).transpose(1, 2).reshape(features.shape)
