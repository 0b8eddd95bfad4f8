"""How a generator is run: the layout and the precision in which a device is fastest."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


def ready(network: nn.Module, device: torch.device) -> nn.Module:
    """Move a generator to a device, in the layout in which it predicts fastest there."""
    import torch

    network.to(device)
    network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    return network.eval()


def predicted(network: nn.Module, scope: Tensor) -> Tensor:
    """Apply a generator that is `ready` to a scope (n, 1, z, y, x) in HU / 1000 on its device."""
    result: Tensor = network(scope)
    return result
