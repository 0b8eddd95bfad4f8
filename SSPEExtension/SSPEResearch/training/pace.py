"""Timing of work on a device, and the rate of a large matrix product there, which no network exceeds."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

MATRIX_SIDE = {"cuda": 8192, "cpu": 2048, "mps": 4096}


def pace(work: Callable[[int], object], device: torch.device, seconds: float) -> float:
    """Seconds of a repetition, the first one left out; repeated for some seconds, at least once.

    Args:
        work: is given the number of the repetition, from 1.
        device: is waited for.
        seconds: for how long.
    """
    work(1)
    finish(device)
    started, count = time.monotonic(), 0
    while count == 0 or time.monotonic() - started < seconds:
        work(count + 2)
        count += 1
        if device.type != "cpu" and count % 10 == 0:
            # The host must not run far ahead of the clock.
            finish(device)
    finish(device)
    return (time.monotonic() - started) / count


def matrix_rate(device: torch.device, kind: torch.dtype, seconds: float = 1.0) -> float:
    """Operations a second of a large matrix product, repeated for some seconds."""
    side = MATRIX_SIDE[device.type]
    one, other = (torch.randn(side, side, device=device).to(kind) for _ in range(2))
    return float(2 * side**3 / pace(lambda _: one @ other, device, seconds))


def finish(device: torch.device) -> None:
    """Wait until a device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    elif device.type == "mps":
        torch.mps.synchronize()
