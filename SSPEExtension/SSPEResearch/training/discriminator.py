"""The paper's volumetric patch discriminator (section 2.2)."""

from __future__ import annotations

from torch import Tensor, nn

from SSPELib.model.networks.blocks import InstanceNorm

DISCRIMINATOR_SLOPE = 0.2


class PatchDiscriminator(nn.Module):
    """Judge a scope patch by patch: strided convolutions that end in a single-channel map, not one number.

    Input (n, 1, z, y, x) in HU / 1000; output (n, 1, z', y', x'), toward 0 for real and 1 for generated (eq. 5).

    Args:
        base: channels of the first layer, doubled at each further one.
        depth: number of strided layers.
    """

    def __init__(self, base: int = 16, depth: int = 4) -> None:
        super().__init__()
        widths = [base * 2**level for level in range(depth)]
        layers: list[nn.Module] = []
        channels = 1
        for level, width in enumerate(widths):
            layers.append(
                nn.Sequential(
                    nn.Conv3d(channels, width, 4, stride=2, padding=1, padding_mode="reflect"),
                    InstanceNorm(width) if level else nn.Identity(),
                    nn.LeakyReLU(DISCRIMINATOR_SLOPE),
                )
            )
            channels = width
        self.layers = nn.ModuleList(layers)
        self.judge = nn.Conv3d(channels, 1, 1)

    def forward(self, scope: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the map of judgments and the features of every layer (for feature matching)."""
        features: list[Tensor] = []
        for layer in self.layers:
            scope = layer(scope)
            features.append(scope)
        return self.judge(scope), features
