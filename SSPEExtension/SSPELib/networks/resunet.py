"""The paper's ResUNet generator (section 2.2)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from .blocks import Downsample, PaddingMode, ResidualBlock, ScopeStem, Upsample, convolution


class ResUNet(nn.Module):
    """Predict the next scope from the current one: X[t + delta] = G(X[t]), eq. 2.

    An encoder of residual blocks and strided convolutions, residual 1 x 1 x 1 blocks at the bottom, a decoder with
    skip connections. Its first convolution sees the scope also as it will lie in the output (`ScopeStem`). The output
    is predicted whole: learning only the difference from the repeated edge slice was tried and is far slower.

    Input and output are (n, 1, z, y, x) in HU / 1000; z runs in the direction of growth and every axis is a multiple
    of 2 ** depth. The first z - step slices of the output repeat the end of the input, the last step are new.

    Args:
        step: sliding step in slices.
        base: channels of the first level, doubled at each further one.
        depth: number of downsamplings.
        bottom_blocks: residual blocks at the lowest level.
        kernel_size: kernel of the residual blocks.
        end_kernel_size: kernel of the first and the last convolution (7 in the paper's code).
        padding_mode: how convolutions see past the border.
        deep_precision_level: levels from this one on run in float32 under autocast: the bfloat16 weight gradient of
            convolutions with 128 and more channels is at fault in torch 2.13 on the CPU.
    """

    def __init__(
        self,
        step: int,
        base: int = 16,
        depth: int = 4,
        bottom_blocks: int = 6,
        kernel_size: int = 3,
        end_kernel_size: int = 3,
        padding_mode: PaddingMode = "zeros",
        deep_precision_level: int = 3,
    ) -> None:
        super().__init__()
        self.depth = depth
        self.deep_precision_level = deep_precision_level
        widths = [base * 2**level for level in range(depth + 1)]
        self.stem = ScopeStem(step)
        self.first = convolution(ScopeStem.channels, base, end_kernel_size, padding_mode=padding_mode)
        self.encoders = nn.ModuleList(ResidualBlock(width, width, kernel_size, padding_mode) for width in widths[:-1])
        self.downsamples = nn.ModuleList(Downsample(width, wider, padding_mode) for width, wider in pairwise(widths))
        self.bottom = self.make_bottom(widths[-1], bottom_blocks)
        self.upsamples = nn.ModuleList(Upsample(wider, width) for width, wider in pairwise(widths))
        self.decoders = nn.ModuleList(
            ResidualBlock(2 * width, width, kernel_size, padding_mode) for width in widths[:-1]
        )
        self.last = convolution(base, 1, end_kernel_size, padding_mode=padding_mode)

    def make_bottom(self, channels: int, blocks: int) -> nn.Module:
        """The layers at the lowest level, where the backbones of the paper differ."""
        return nn.Sequential(*(ResidualBlock(channels, channels, kernel_size=1) for _ in range(blocks)))

    def forward(self, scope: Tensor) -> Tensor:
        features = self.first(self.stem(scope))
        return self.last(self.level(features, 0)).to(scope.dtype)

    def level(self, features: Tensor, level: int) -> Tensor:
        """Run one level of the U and all below it on features (n, c, z, y, x)."""
        if level == self.deep_precision_level and torch.is_autocast_enabled(features.device.type):
            with torch.autocast(features.device.type, enabled=False):
                return self.level(features.float(), level)
        if level == self.depth:
            return self.bottom(features)
        skipped = self.encoders[level](features)
        below = self.level(self.downsamples[level](skipped), level + 1)
        risen = self.upsamples[level](below.to(skipped.dtype))
        return self.decoders[level](torch.cat([skipped, risen], dim=1))
