"""More than two parts of one body: which belong together, and where each of them lies."""

from .network import Link, Network, pairs_to_try

__all__ = ["Link", "Network", "pairs_to_try"]
