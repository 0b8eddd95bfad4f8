"""The U that the paper's three generators share (section 2.2); they differ in their blocks and in their bottom."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .blocks import ConvolutionBlock, Downsample, PaddingMode, ScopeStem, Upsample, convolution


class UNet(nn.Module):
    """Predict the next scope from the current one: X[t + delta] = G(X[t]), eq. 2.

    An encoder of blocks and strided convolutions, a bottom, a decoder with skip connections. The first convolution sees
    the scope also as it will lie in the output (`ScopeStem`). The output is predicted whole: learning only the
    difference from the repeated edge slice was tried and is far slower.

    Input and output are (n, 1, z, y, x) in HU / 1000; z runs in the direction of growth and every axis is a multiple
    of 2 ** depth. The first z - step slices of the output repeat the end of the input, the last step are new.

    Args:
        block: class of the blocks of encoder and decoder.
        bottom: layers of the lowest level, made for its number of channels.
        step: sliding step in slices.
        base: channels of the first level, doubled at each further one.
        depth: number of downsamplings.
        kernel_size: kernel of the blocks.
        end_kernel_size: kernel of the first and the last convolution (7 in the paper's code).
        padding_mode: how convolutions see past the border.
        deep_precision_level: levels from this one on run in float32 under autocast on the CPU: there the bfloat16
            weight gradient of convolutions with 128 and more channels is at fault in torch 2.13.

    Attributes:
        activation_checkpointing: while training, forget what the layers of a level made and compute it again in the
            backward pass: less than half the memory for a third more time, the same gradients.
    """

    def __init__(
        self,
        block: type[ConvolutionBlock],
        bottom: Callable[[int], nn.Module],
        step: int,
        base: int = 16,
        depth: int = 4,
        kernel_size: int = 3,
        end_kernel_size: int = 3,
        padding_mode: PaddingMode = "zeros",
        deep_precision_level: int = 3,
    ) -> None:
        super().__init__()
        self.depth = depth
        self.deep_precision_level = deep_precision_level
        self.activation_checkpointing = False
        widths = [base * 2**level for level in range(depth + 1)]
        self.stem = ScopeStem(step)
        self.first = convolution(ScopeStem.channels, base, end_kernel_size, padding_mode=padding_mode)
        self.encoders = nn.ModuleList(block(width, width, kernel_size, padding_mode) for width in widths[:-1])
        self.downsamples = nn.ModuleList(Downsample(width, wider, padding_mode) for width, wider in pairwise(widths))
        self.bottom = bottom(widths[-1])
        self.upsamples = nn.ModuleList(Upsample(wider, width) for width, wider in pairwise(widths))
        self.decoders = nn.ModuleList(block(2 * width, width, kernel_size, padding_mode) for width in widths[:-1])
        self.last = convolution(base, 1, end_kernel_size, padding_mode=padding_mode)

    def forward(self, scope: Tensor) -> Tensor:
        features = self.first(self.stem(scope))
        return self.last(self.level(features, 0)).to(scope.dtype)

    def level(self, features: Tensor, level: int) -> Tensor:
        """Run one level of the U and all below it on features (n, c, z, y, x)."""
        on_cpu = features.device.type == "cpu"
        if on_cpu and level == self.deep_precision_level and torch.is_autocast_enabled("cpu"):
            with torch.autocast("cpu", enabled=False):
                return self.level(features.float(), level)
        if level == self.depth:
            return self.bottom(features)
        skipped = self._run(self.encoders[level], features)
        below = self.level(self._run(self.downsamples[level], skipped), level + 1)

        def rise(below: Tensor, skipped: Tensor) -> Tensor:
            risen = self.upsamples[level](below.to(skipped.dtype))
            return self.decoders[level](torch.cat([skipped, risen], dim=1))

        return self._run(rise, below, skipped)

    def _run(self, part: Callable[..., Tensor], *features: Tensor) -> Tensor:
        if self.activation_checkpointing and torch.is_grad_enabled():
            return checkpoint(part, *features, use_reentrant=False)
        return part(*features)
