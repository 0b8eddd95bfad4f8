"""How a generator is run: the layout and the precision in which a device is fastest."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from .device import computes_bf16

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

# A scope of the bundled model has a third of a million voxels and takes less than a second in float32, which is the
# same on every CPU. The paper's scopes have 6 million: bfloat16 halves their time and memory.
LARGE_VOXELS = 1_000_000


def ready(network: nn.Module, device: torch.device) -> nn.Module:
    """Move a generator to a device, in the layout in which it predicts fastest there."""
    import torch

    network.to(device)
    network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    return network.eval()


def predicted(network: nn.Module, scope: Tensor) -> Tensor:
    """Apply a generator that is `ready` to a scope (n, 1, z, y, x) in HU / 1000 on its device.

    Large scopes are predicted in bfloat16 where the CPU computes that.
    """
    import torch

    result: Tensor
    if scope.device.type != "cpu" or scope.numel() < LARGE_VOXELS or not computes_bf16():
        result = network(scope)
        return result
    # Copied with whatever listens to it; the copy takes a hundredth of the time of the pass.
    result = copy.deepcopy(network).to(torch.bfloat16)(scope.to(torch.bfloat16))
    return result.float()
