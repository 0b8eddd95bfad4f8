"""The links between parts: which pairs are registered, and what is tried where a part fits nowhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import product
from typing import TYPE_CHECKING

from ..errors import RegistrationError
from ..options import Start
from ..poses import matrix_of
from ..progress import Progress, part, silent
from ..volume import Volume
from .network import Link, Network, pairs_to_try

if TYPE_CHECKING:
    from ..registration import Registration

# Returns the registration of two volumes, and warnings.
Register = Callable[[Volume, Volume, Start, Progress], tuple["Registration", Sequence[str]]]
Pairs = Sequence[tuple[int, int]]


def find_links(
    parts: Sequence[Volume], start: Start, register: Register, progress: Progress = silent
) -> tuple[list[Link], list[str]]:
    """Register pairs of parts.

    Headers may be farther off than the search from them reaches, so that a part to which they bring nothing is looked
    for anywhere along those that belong together already.

    Args:
        parts: the volumes.
        start: what the headers are worth.
        register: registers two volumes from a start.
        progress: told of every pair; may raise `Cancelled`.

    Returns:
        The best link of each pair, and warnings.
    """
    links, warnings = _linked(parts, pairs_to_try(parts, start), start, register, part(progress, 0.0, 0.5))
    tried: set[tuple[int, int]] = set()
    looks = 1
    while start == "header":
        network = Network.of(parts, links, accept_unreliable=False)
        again = [pair for pair in product(network.poses, network.left_out) if pair not in tried]
        if not again:
            break
        tried.update(again)
        share = part(progress, 1 - 0.5**looks, 1 - 0.5 ** (looks + 1))
        more, doubts = _linked(parts, again, "unknown", register, share)
        links, looks = _best_of_each((*links, *more)), looks + 1
        warnings += doubts
    progress(1.0, "All pairs registered")
    return links, warnings


def _linked(
    parts: Sequence[Volume], pairs: Pairs, start: Start, register: Register, progress: Progress
) -> tuple[list[Link], list[str]]:
    links, warnings = [], []
    for number, (one, other) in enumerate(pairs):
        share = part(progress, number / len(pairs), (number + 1) / len(pairs))
        try:
            found, doubts = register(parts[one], parts[other], start, share)
        except RegistrationError as error:
            warnings.append(f"{parts[one].name} and {parts[other].name}: {error}")
            continue
        warnings += doubts
        links.append(
            Link(
                one,
                other,
                matrix_of(found.transform),
                found.reliable,
                found.error_bound_mm,
                found.overlap_mm,
                found.expected_error_mm,
                found.reasons,
            )
        )
    return links, warnings


def _best_of_each(links: Iterable[Link]) -> list[Link]:
    """Of several links of two parts the one that is to be trusted most, in the order of the first of each."""
    best: dict[frozenset[int], Link] = {}
    for link in links:
        pair = frozenset((link.first, link.second))
        if pair not in best or link.rank > best[pair].rank:
            best[pair] = link
    return list(best.values())
