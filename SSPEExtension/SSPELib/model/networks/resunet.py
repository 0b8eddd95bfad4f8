"""The paper's ResUNet generator (section 2.2), the backbone of ResGAN."""

from __future__ import annotations

from typing import Any

from torch import nn

from .blocks import ResidualBlock
from .unet import UNet


class ResUNet(UNet):
    """Residual blocks in encoder and decoder, residual 1 x 1 x 1 blocks at the bottom.

    Args:
        step: sliding step in slices.
        bottom_blocks: residual blocks at the lowest level.
        shape: the further arguments of `UNet`.
    """

    def __init__(self, step: int, bottom_blocks: int = 6, **shape: Any) -> None:
        def bottom(channels: int) -> nn.Module:
            return nn.Sequential(*(ResidualBlock(channels, channels, kernel_size=1) for _ in range(bottom_blocks)))

        super().__init__(ResidualBlock, bottom, step, **shape)
