"""Building blocks that the generators share."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from .convolution import Convolution

PaddingMode = Literal["zeros", "reflect", "replicate", "circular"]

LEAKY_SLOPE = 0.01


class InstanceNorm(nn.GroupNorm):
    """Instance normalization as a group norm of one channel a group, which stays finite in bfloat16 on the CPU.

    PyTorch's group norm on a GPU leaves the layout with channels last and, under autocast, bfloat16: `normalized` keeps
    both.

    Args:
        channels: of the features.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels)

    def forward(self, features: Tensor) -> Tensor:
        return self.normalized(features) if features.is_cuda else super().forward(features)

    def normalized(self, features: Tensor) -> Tensor:
        """The same in operations that keep layout and type, with mean and variance in float32."""
        variance, mean = torch.var_mean(features.float(), dim=(2, 3, 4), correction=0, keepdim=True)
        scale = self.weight.view(1, -1, 1, 1, 1) * torch.rsqrt(variance + self.eps)
        shift = self.bias.view(1, -1, 1, 1, 1) - mean * scale
        return torch.addcmul(shift.to(features.dtype), features, scale.to(features.dtype))


def convolution(
    in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, padding_mode: PaddingMode = "zeros"
) -> Convolution:
    """A convolution that keeps the size (or divides it by the stride).

    Padding with zeros tells the layers where the scope ends, which reflection hides; the generator learns several times
    faster with it.
    """
    return Convolution(
        in_channels,
        out_channels,
        kernel_size,
        stride=stride,
        padding=kernel_size // 2,
        padding_mode=padding_mode if kernel_size > 1 else "zeros",
    )


class ConvolutionBlock(nn.Module):
    """Convolution, norm, activation, convolution, norm, activation.

    Args:
        in_channels: channels that come in.
        out_channels: channels that go out.
        kernel_size: kernel of both convolutions; 1 mixes channels only.
        padding_mode: how convolutions see past the border.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int = 3, padding_mode: PaddingMode = "zeros"
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(
            convolution(in_channels, out_channels, kernel_size, padding_mode=padding_mode),
            InstanceNorm(out_channels),
            nn.LeakyReLU(LEAKY_SLOPE, inplace=True),
            convolution(out_channels, out_channels, kernel_size, padding_mode=padding_mode),
            InstanceNorm(out_channels),
        )
        self.activation = nn.LeakyReLU(LEAKY_SLOPE, inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        return self.activation(self.body(features))


class ResidualBlock(ConvolutionBlock):
    """The same with the input added before the last activation, by a 1 x 1 x 1 convolution where channels change."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int = 3, padding_mode: PaddingMode = "zeros"
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, padding_mode)
        self.shortcut = (
            nn.Identity() if in_channels == out_channels else nn.Conv3d(in_channels, out_channels, 1, bias=False)
        )

    def forward(self, features: Tensor) -> Tensor:
        return self.activation(self.body(features) + self.shortcut(features))


class Downsample(nn.Module):
    """A strided convolution that halves every axis and doubles the channels."""

    def __init__(self, in_channels: int, out_channels: int, padding_mode: PaddingMode = "zeros") -> None:
        super().__init__()
        self.body = nn.Sequential(
            convolution(in_channels, out_channels, 3, stride=2, padding_mode=padding_mode),
            InstanceNorm(out_channels),
            nn.LeakyReLU(LEAKY_SLOPE, inplace=True),
        )

    def forward(self, features: Tensor) -> Tensor:
        return self.body(features)


class Upsample(nn.Module):
    """Channels reduced by a 1 x 1 x 1 convolution, then trilinear upsampling (nearest neighbors leave checkers).

    What rises is normalized: without that, deep features arrive too faint beside the skipped ones and learn slowly.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.reduce = nn.Sequential(
            nn.Conv3d(in_channels, out_channels, 1),
            InstanceNorm(out_channels),
            nn.LeakyReLU(LEAKY_SLOPE, inplace=True),
        )

    def forward(self, features: Tensor) -> Tensor:
        return functional.interpolate(self.reduce(features), scale_factor=2, mode="trilinear", align_corners=False)


class ScopeStem(nn.Module):
    """What the first convolution sees of a scope.

    The output of the generator lies one step further along the body than its input, so a skip connection would hand
    on features from the wrong place. The stem therefore gives three channels: the scope as it is (all context), the
    scope slid forward by the step with its edge slice repeated (aligned with the output), and the distance from the
    edge in steps (negative in the known part of the output, positive where slices are new).

    Args:
        step: sliding step in slices, delta in eq. 2.
    """

    channels = 3

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def forward(self, scope: Tensor) -> Tensor:
        """Return the three channels (n, 3, z, y, x) of a scope (n, 1, z, y, x)."""
        depth = scope.shape[2]
        edge = scope[:, :, -1:].expand(-1, -1, self.step, -1, -1)
        slid = torch.cat([scope[:, :, self.step :], edge], dim=2)
        ramp = (torch.arange(depth, device=scope.device, dtype=scope.dtype) - (depth - self.step) + 0.5) / self.step
        return torch.cat([scope, slid, ramp.view(1, 1, -1, 1, 1).expand_as(scope)], dim=1)
