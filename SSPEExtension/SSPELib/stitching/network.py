"""From the registrations of pairs to one place for every part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..poses import Matrix, about, apply, rotation_matrix
from ..verdict import Verdict, finite
from ..volume import Volume
from ..volume.overlap import predict_overlap
from ..volume.points import at_indices

FEW_PARTS = 3
# Headers that put parts farther apart than this are believed: the search would not reach across.
FAR_APART_MM = 150.0
LARGEST_DOUBTFUL_BOUND_MM = 30.0
STEPS = 10
CLOSE_ENOUGH = 1e-6
REACH_MM = 100.0


@dataclass(frozen=True, eq=False)
class Link:
    """The registration of two parts.

    Attributes:
        first, second: their places in the list of parts.
        matrix: (4, 4), points of the first to points of the second, LPS mm.
        reliable: the verdict.
        error_bound_mm: mean error that 9 of 10 such results keep; infinite where something contradicts the result.
        overlap_mm: real overlap along the body, negative for a gap.
        expected_error_mm: mean error that half of such results keep.
        reasons: why, in words.
    """

    first: int
    second: int
    matrix: Matrix
    reliable: bool
    error_bound_mm: float
    overlap_mm: float
    expected_error_mm: float = float("inf")
    reasons: tuple[str, ...] = ()

    def holds(self, accept_unreliable: bool) -> bool:
        """Whether the two parts are joined by it."""
        return self.reliable or (accept_unreliable and self.error_bound_mm <= LARGEST_DOUBTFUL_BOUND_MM)

    @property
    def rank(self) -> tuple[bool, float, float]:
        """Greater for a link that is to be trusted more."""
        return self.reliable, -self.error_bound_mm, self.overlap_mm


@dataclass(frozen=True, eq=False)
class Network:
    """Parts that belong together.

    Attributes:
        root: the part that stays where it is: the first of the list that belongs to the largest group.
        poses: of each part that belongs, (4, 4) from points of the root to its points, LPS mm; the root comes first and
            every part after one that it is linked to.
        used: the links that hold the parts together.
        left_out: parts that fit nowhere.
        disagreement_mm: how far the links contradict each other after the adjustment, at most; 0 without a loop.
        errors: of each part that belongs, how far its body is off against the root: expected error and bound, mm.
        tolerance_mm: the error that can be tolerated.
    """

    root: int
    poses: dict[int, Matrix]
    used: tuple[Link, ...]
    left_out: tuple[int, ...]
    disagreement_mm: float
    errors: dict[int, tuple[float, float]]
    tolerance_mm: float = float("inf")

    @classmethod
    def of(
        cls,
        parts: Sequence[Volume],
        links: Sequence[Link],
        accept_unreliable: bool,
        tolerance_mm: float = float("inf"),
    ) -> Network:
        """Find the largest group of parts that links hold together, and one place for each of its parts.

        The best links make a tree; where more of them hold, all are adjusted together (Gauss-Newton on rigid moves).
        """
        holding = [link for link in links if link.holds(accept_unreliable)]
        group = _largest_group(len(parts), holding)
        used = [link for link in holding if link.first in group]
        root = min(group)
        poses, paths = _tree(root, used)
        errors = {index: _added_up(parts, index, poses, path) for index, path in paths.items()}
        disagreement = 0.0
        if len(used) >= len(poses):
            poses, disagreement = _adjusted(parts, root, poses, used)
        left_out = tuple(index for index in range(len(parts)) if index not in group)
        return cls(root, poses, tuple(used), left_out, disagreement, errors, tolerance_mm)

    @property
    def verdict(self) -> Verdict:
        """How far the places may be trusted: the errors of the part that is worst off, along all links to it."""
        doubtful = any(not link.reliable for link in self.used)
        expected, bound = np.max(list(self.errors.values()), axis=0)
        whole = Verdict(not doubtful and bool(bound <= self.tolerance_mm), finite(expected), finite(bound))
        return whole.accepted() if doubtful else whole

    def between(self, one: int, other: int) -> Matrix:
        """(4, 4) from points of one part to points of another, LPS mm."""
        return np.asarray(self.poses[other] @ np.linalg.inv(self.poses[one]))

    def downward(self, parts: Sequence[Volume]) -> list[int]:
        """The parts that belong, from the head to the feet of the root."""
        heights = {index: _center_in_root(parts[index], pose)[2] for index, pose in self.poses.items()}
        return sorted(heights, key=lambda index: -heights[index])


def pairs_to_try(parts: Sequence[Volume], start: str) -> list[tuple[int, int]]:
    """Pairs that are worth a registration: all of few parts or where headers are not trusted, else those that are near.

    Every part is tried with the one that lies nearest, however far that is.
    """
    every = [(one, other) for one in range(len(parts)) for other in range(one + 1, len(parts))]
    if start == "unknown" or len(parts) <= FEW_PARTS:
        return every
    overlap = {pair: predict_overlap(parts[pair[0]], parts[pair[1]]).overlap_mm for pair in every}
    nearest = {max((pair for pair in every if index in pair), key=overlap.__getitem__) for index in range(len(parts))}
    return [pair for pair in every if pair in nearest or overlap[pair] > -FAR_APART_MM]


def _largest_group(count: int, links: Sequence[Link]) -> set[int]:
    groups = [{index} for index in range(count)]
    for link in links:
        first = next(group for group in groups if link.first in group)
        second = next(group for group in groups if link.second in group)
        if first is not second:
            first |= second
            groups.remove(second)
    return max(groups, key=lambda group: (len(group), -min(group)))


def _tree(root: int, links: Sequence[Link]) -> tuple[dict[int, Matrix], dict[int, tuple[Link, ...]]]:
    """Poses along the most trusted links, and these links from the root to each part."""
    poses: dict[int, Matrix] = {root: np.eye(4)}
    paths: dict[int, tuple[Link, ...]] = {root: ()}
    while True:
        onward = [link for link in links if (link.first in poses) != (link.second in poses)]
        if not onward:
            return poses, paths
        link = max(onward, key=lambda one: one.rank)
        if link.first in poses:
            poses[link.second] = link.matrix @ poses[link.first]
            paths[link.second] = (*paths[link.first], link)
        else:
            poses[link.first] = np.asarray(np.linalg.inv(link.matrix)) @ poses[link.second]
            paths[link.first] = (*paths[link.second], link)


def _added_up(
    parts: Sequence[Volume], index: int, poses: dict[int, Matrix], path: Sequence[Link]
) -> tuple[float, float]:
    """Expected error and bound of a part against the root, mm.

    A link says how far its own two bodies are off; what is mostly a turn about where they meet grows with the distance
    from there. Links err independently.
    """
    here = _center_in_root(parts[index], poses[index])
    expected, bound = [0.0], [0.0]
    for link in path:
        one, other = (_center_in_root(parts[end], poses[end]) for end in (link.first, link.second))
        arm = np.linalg.norm(here - (one + other) / 2) / max(float(np.linalg.norm(one - other)) / 2, 1.0)
        expected.append(max(1.0, float(arm)) * link.expected_error_mm)
        bound.append(max(1.0, float(arm)) * link.error_bound_mm)
    return float(np.linalg.norm(expected)), float(np.linalg.norm(bound))


def _adjusted(
    parts: Sequence[Volume], root: int, poses: dict[int, Matrix], links: Sequence[Link]
) -> tuple[dict[int, Matrix], float]:
    """Poses that contradict the links least, weighed by their error bounds, and the largest contradiction left, mm."""
    free = [index for index in poses if index != root]
    found = dict(poses)
    corners = np.array(np.meshgrid(*[[-REACH_MM, REACH_MM]] * 3)).reshape(3, -1).T
    centers = {index: _center_in_root(parts[index], pose) for index, pose in poses.items()}
    meeting = [corners + (centers[link.first] + centers[link.second]) / 2 for link in links]
    weights = [1.0 / max(link.error_bound_mm, 0.1) for link in links]

    def contradictions(moved: dict[int, Matrix]) -> list[Matrix]:
        return [
            apply(moved[link.second], points) - apply(link.matrix @ moved[link.first], points)
            for link, points in zip(links, meeting, strict=True)
        ]

    def residuals(moved: dict[int, Matrix]) -> Matrix:
        weighed = [weight * one for weight, one in zip(weights, contradictions(moved), strict=True)]
        return np.concatenate([one.ravel() for one in weighed])

    def stepped(step: Matrix) -> dict[int, Matrix]:
        turned = {
            index: about(rotation_matrix(turn), _center(parts[index]), shift) @ found[index]
            for index, (turn, shift) in zip(free, step.reshape(-1, 2, 3), strict=True)
        }
        return {**found, **turned}

    for _ in range(STEPS):
        now = residuals(found)
        small = np.tile([1e-5] * 3 + [1e-3] * 3, len(free))
        slopes = np.stack(
            [(residuals(stepped(np.eye(len(small))[k] * small[k])) - now) / small[k] for k in range(len(small))], axis=1
        )
        step = np.linalg.lstsq(slopes, -now, rcond=None)[0]
        found = stepped(step)
        if np.abs(step).max() < CLOSE_ENOUGH:
            break
    worst = max(float(np.linalg.norm(one, axis=1).mean()) for one in contradictions(found))
    return found, worst


def _center(volume: Volume) -> Matrix:
    return at_indices(volume, (np.array([volume.size], dtype=np.float64) - 1) / 2)[0]


def _center_in_root(volume: Volume, pose: Matrix) -> Matrix:
    return apply(np.asarray(np.linalg.inv(pose)), _center(volume)[None])[0]
