"""A convolution that is fast on the CPU for a single scope too, which is what expansion and training give it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

# torch 2.13 takes its fast 3D convolution (oneDNN) for float32 on the CPU only if the batch is larger than 1, the
# kernel larger than 3, or samples * channels * z * y (x does not count) exceed this; else one up to five times slower.
SLOW_BELOW = 20480


class Convolution(nn.Conv3d):
    """nn.Conv3d whose single scope goes through torch as a batch of its lower and upper half, where that is faster.

    The halves overlap by what the kernel needs, so that the result is the same but for rounding.
    """

    def forward(self, features: Tensor) -> Tensor:
        """Return (n, c', z', y', x') for features (n, c, z, y, x)."""
        kernel, stride, padding = self.kernel_size[0], self.stride[0], int(self.padding[0])
        slices = (features.shape[2] + 2 * padding - kernel) // stride + 1
        batch, channels, depth, height, _ = features.shape
        slow = (
            features.device.type == "cpu"
            and features.dtype == torch.float32
            and batch == 1
            and 1 < kernel <= 3
            and channels * depth * height <= SLOW_BELOW
        )
        if not slow or slices % 2:
            return super().forward(features)
        mode = "constant" if self.padding_mode == "zeros" else self.padding_mode
        padded = functional.pad(features, (padding,) * 6, mode=mode)
        start, length = slices // 2 * stride, (slices // 2 - 1) * stride + kernel
        halves = torch.cat([padded[:, :, :length], padded[:, :, start : start + length]])
        lower, upper = functional.conv3d(halves, self.weight, self.bias, self.stride).chunk(2)
        return torch.cat([lower, upper], dim=2)
