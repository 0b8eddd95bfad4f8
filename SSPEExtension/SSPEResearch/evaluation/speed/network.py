"""One pass of the paper's network, as SSPE runs it, as it runs without more ado, and the least time it can take."""

from __future__ import annotations

import copy
from functools import partial
from typing import Literal

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from SSPELib.model.bundle import build_generator
from SSPELib.model.device import choose_device
from SSPELib.model.prediction import predicted, ready

from ...training.pace import matrix_rate, pace

Way = Literal["plain", "sspe"]
WAYS: tuple[Way, ...] = ("plain", "sspe")
# The published code: ResUNet, base 16, four downsamplings, 7 x 7 x 7 at both ends, a step of 46 slices.
STEP = 46
ARGUMENTS = {"base": 16, "depth": 4, "kernel_size": 3, "end_kernel_size": 7, "bottom_blocks": 6}


def passed(way: str, device_name: str, size: list[int], repeated_s: float) -> dict[str, float]:
    """Seconds of a pass on a scope of some size (z, y, x), and what a machine could do it in.

    Args:
        way: "plain" in float32 as PyTorch runs it, "sspe" as SSPE runs it.
        device_name: auto, cpu, cuda or mps.
        size: of the scope, voxels.
        repeated_s: for how many seconds a pass is repeated.

    Returns:
        seconds of the pass; gflop, its operations; float32_rate and bfloat16_rate of a large matrix product in
        10^9 operations a second, measured in the same process.
    """
    device, _ = choose_device(device_name)
    torch.manual_seed(1)
    network: nn.Module = build_generator("ResUNet", STEP, ARGUMENTS).eval()
    gflop = _gflop(network, size)
    scope = torch.randn(1, 1, *size).mul_(0.3).to(device)
    if way == "plain":
        for module in network.modules():
            if isinstance(module, nn.Conv3d):
                module.forward = partial(nn.Conv3d.forward, module)  # type: ignore[method-assign]
        network.to(device)
    else:
        network = ready(network, device)
    with torch.inference_mode():
        run = network if way == "plain" else partial(predicted, network)
        seconds = pace(lambda _: run(scope), device, repeated_s)
    return {
        "seconds": seconds,
        "gflop": gflop,
        "float32_rate": matrix_rate(device, torch.float32, repeated_s / 8) / 1e9,
        "bfloat16_rate": matrix_rate(device, torch.bfloat16, repeated_s / 8) / 1e9,
    }


def _gflop(network: nn.Module, size: list[int]) -> float:
    """Operations of a pass, 10^9, counted without doing them."""
    shape_only = copy.deepcopy(network).to("meta")
    # In inference mode PyTorch 2.4 counts none.
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        shape_only(torch.empty(1, 1, *size, device="meta"))
    return float(counter.get_total_flops() / 1e9)
