"""Interrupting a forward pass: a check runs before every convolution, so a long step can be cancelled inside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def checked_at_every_convolution(network: nn.Module, check: Callable[[], None]) -> Iterator[None]:
    """While the context lasts, call check before every convolution of the network; what it raises stops the pass."""
    handles = [
        module.register_forward_pre_hook(lambda *_: check())
        for module in network.modules()
        if isinstance(module, nn.Conv3d)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
