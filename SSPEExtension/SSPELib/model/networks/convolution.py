"""A convolution that is fast on the CPU for a single scope too, which is what expansion and training give it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

# torch 2.13 takes its fast 3D convolution (oneDNN) for float32 on the CPU only if the batch is larger than 1, the
# kernel larger than 3, or samples * channels * z * y (x does not count) exceed this; else one up to five times slower.
SLOW_BELOW = 20480
# With so few channels on one side a convolution uses a fraction of a CPU's vectors, so large kernels give it more.
FEW_CHANNELS = 4


class Convolution(nn.Conv3d):
    """nn.Conv3d whose single scope goes through torch as a batch of its lower and upper half, where that is faster.

    The halves overlap by what the kernel needs. Where no gradient is wanted, kernels above 3 with few channels on one
    side lend it their extent along x as channels: the paper's first and last convolution take half the time. The result
    is the same but for rounding.
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
        plain = kernel > 3 and stride == 1 and features.device.type == "cpu" and not torch.is_grad_enabled()
        if plain and self.in_channels <= FEW_CHANNELS:
            return self._from_few(self._padded(features))
        if plain and self.out_channels <= FEW_CHANNELS:
            return self._to_few(self._padded(features))
        if not slow or slices % 2:
            return super().forward(features)
        padded = self._padded(features)
        start, length = slices // 2 * stride, (slices // 2 - 1) * stride + kernel
        halves = torch.cat([padded[:, :, :length], padded[:, :, start : start + length]])
        lower, upper = functional.conv3d(halves, self.weight, self.bias, self.stride).chunk(2)
        return torch.cat([lower, upper], dim=2)

    def _padded(self, features: Tensor) -> Tensor:
        mode = "constant" if self.padding_mode == "zeros" else self.padding_mode
        return functional.pad(features, (int(self.padding[0]),) * 6, mode=mode)

    def _from_few(self, padded: Tensor) -> Tensor:
        """Neighbors along x become channels, which a kernel of one column takes in."""
        kernel = self.kernel_size[2]
        width = padded.shape[-1] - kernel + 1
        neighbors = torch.cat([padded[..., shift : shift + width] for shift in range(kernel)], dim=1)
        weight = self.weight.permute(0, 4, 1, 2, 3).flatten(1, 2)[..., None]
        layout = torch.channels_last_3d
        return functional.conv3d(
            neighbors.contiguous(memory_format=layout), weight.contiguous(memory_format=layout), self.bias
        )

    def _to_few(self, padded: Tensor) -> Tensor:
        """A kernel of one column gives a channel for every shift along x; these are then added up."""
        kernel, channels = self.kernel_size[2], self.out_channels
        width = padded.shape[-1] - kernel + 1
        weight = self.weight.permute(4, 0, 1, 2, 3).flatten(0, 1)[..., None]
        parts = functional.conv3d(padded, weight.contiguous(memory_format=torch.channels_last_3d))
        total = parts[:, :channels, ..., :width].float()
        for shift in range(1, kernel):
            total = total + parts[:, shift * channels : (shift + 1) * channels, ..., shift : shift + width]
        if self.bias is not None:
            total = total + self.bias.view(1, -1, 1, 1, 1)
        return total.to(padded.dtype)
