"""The paper's TransUNet and TransResUNet generators (section 2.2), the backbones of TransGAN and TransResGAN."""

from __future__ import annotations

from functools import partial
from typing import Any

from .blocks import ConvolutionBlock, ResidualBlock
from .transformer import TransformerBottom
from .unet import UNet


class TransUNet(UNet):
    """Plain convolution blocks in encoder and decoder, a transformer at the bottom.

    Args:
        step: sliding step in slices.
        layers: transformer layers at the lowest level.
        heads: attention heads of each.
        shape: the further arguments of `UNet`.
    """

    block: type[ConvolutionBlock] = ConvolutionBlock

    def __init__(self, step: int, layers: int = 12, heads: int = 8, **shape: Any) -> None:
        super().__init__(self.block, partial(TransformerBottom, layers=layers, heads=heads), step, **shape)


class TransResUNet(TransUNet):
    """The same with residual blocks."""

    block = ResidualBlock
