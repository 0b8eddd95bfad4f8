"""Following a forward pass: a listener hears of every convolution, so a long step shows and can be cancelled inside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from torch import nn


@contextmanager
def followed(network: nn.Module, listener: Callable[[float], None]) -> Iterator[None]:
    """While the context lasts, tell the listener before every convolution; what it raises stops the pass.

    Args:
        network: is run once within the context.
        listener: gets the share of the convolutions that are done, from 0 to below 1.
    """
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv3d)]
    done = count(0)

    def tell(*_: Any) -> None:
        listener(next(done) / len(convolutions))

    handles = [module.register_forward_pre_hook(tell) for module in convolutions]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
