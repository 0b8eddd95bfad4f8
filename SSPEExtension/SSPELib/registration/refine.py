"""Refining poses by climbing their total evidence, real and synthetic voxels each with the weight they deserve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from ..options import TransformType
from ..progress import Progress
from .overlay import Overlay
from .poses import Matrix

# A parameter of 1 mm turns or stretches so that points at this distance from the center move by 1 mm.
LEVER_MM = 100.0
REACH_MM = 12.0
# Scales and shears of one body between two scans are of some per cent.
STRETCH_SIGMA = 0.03
# What six further parameters must gain, nats: without true stretch they gain a few by following the noise.
STRETCH_COST = 10.0
# Adam's memory of the mean and the square of gradients.
DECAYS = (0.8, 0.95)


@dataclass(frozen=True)
class Climb:
    """How far and how finely to climb.

    Attributes:
        steps: number of steps.
        first_mm, last_mm: their length, which falls geometrically.
        points: fixed voxels looked at.
    """

    steps: int
    first_mm: float
    last_mm: float
    points: int

    def length_mm(self, step: int) -> float:
        """The length of a step."""
        return float(self.first_mm * (self.last_mm / self.first_mm) ** (step / max(self.steps - 1, 1)))


def climb(
    overlay: Overlay, poses: Sequence[Matrix], kinds: Sequence[TransformType], how: Climb, progress: Progress
) -> list[Matrix]:
    """Improve poses (4, 4) all at once, each by the steps of Adam.

    Args:
        overlay: gives evidence and gradients.
        poses: fixed to moving.
        kinds: "rigid" (6 parameters) or "affine" (12; a prior on stretch holds the further six near zero).
        how: number and length of steps.
        progress: told of every step; may raise `Cancelled`.
    """
    current = np.array(poses)
    sample = overlay.sample(current, how.points, REACH_MM)
    free = np.ones((len(current), 12))
    free[:, 6:] = np.array([kind == "affine" for kind in kinds], dtype=np.float64)[:, None]
    mean, square = np.zeros_like(free), np.zeros_like(free)
    best, best_value = current.copy(), np.full(len(current), -np.inf)
    for step in range(how.steps):
        values, gradient = overlay.slopes(current, sample)
        values += stretch_log_prior(current[:, :3, :3])
        gradient[:, :, :3] += stretch_log_prior_gradient(current[:, :3, :3])
        better = values > best_value
        best[better], best_value[better] = current[better], values[better]
        slope = np.einsum("brc,bkrc->bk", gradient, motions(current, sample.centers)) * free
        mean += (1 - DECAYS[0]) * (slope - mean)
        square += (1 - DECAYS[1]) * (slope**2 - square)
        unbiased, spread = mean / (1 - DECAYS[0] ** (step + 1)), square / (1 - DECAYS[1] ** (step + 1))
        change = how.length_mm(step) * unbiased / (np.sqrt(spread) + 1e-8)
        current = current @ increments(change, sample.centers)
        progress(step / how.steps, "Refining the best positions")
    return list(best)


def increments(values: Matrix, centers: Matrix) -> NDArray[np.float64]:
    """Small motions (b, 4, 4) about centers (b, 3): shift, rotation and stretch by parameters (b, 12) in mm."""
    linear = Rotation.from_rotvec(values[:, 3:6] / LEVER_MM).as_matrix()
    if values[:, 6:].any():
        linear = linear @ (np.eye(3) + np.einsum("bk,krc->brc", values[:, 6:] / LEVER_MM, STRETCHES))
    motion = np.tile(np.eye(4), (len(values), 1, 1))
    motion[:, :3, :3] = linear
    motion[:, :3, 3] = centers + values[:, :3] - np.einsum("brc,bc->br", linear, centers)
    return motion


def motions(poses: Matrix, centers: Matrix) -> NDArray[np.float64]:
    """What 1 mm of each parameter of `increments` changes in the upper rows of poses: (b, 12, 3, 4)."""
    linear = np.concatenate([np.zeros((3, 3, 3)), TURNS, STRETCHES]) / LEVER_MM
    shift = -np.einsum("krc,bc->bkr", linear, centers)
    shift[:, :3] += np.eye(3)
    local = np.concatenate([np.broadcast_to(linear, (len(poses), 12, 3, 3)), shift[..., None]], axis=3)
    return np.einsum("brs,bksc->bkrc", poses[:, :3, :3], local)


def stretch_log_prior(linear: Matrix) -> NDArray[np.float64]:
    """Log preference (b,) of linear maps (b, 3, 3) for keeping lengths and angles; 0 for a rotation."""
    result: NDArray[np.float64] = -0.5 * (_strain(linear) ** 2).sum(axis=(1, 2)) / STRETCH_SIGMA**2
    return result


def stretch_log_prior_gradient(linear: Matrix) -> NDArray[np.float64]:
    """Gradient (b, 3, 3) of `stretch_log_prior` for the entries of the maps."""
    return -linear @ _strain(linear) / STRETCH_SIGMA**2


def _strain(linear: Matrix) -> NDArray[np.float64]:
    return (np.swapaxes(linear, 1, 2) @ linear - np.eye(3)) / 2


def _turns() -> NDArray[np.float64]:
    """Generators (3, 3, 3) of the rotations about x, y and z."""
    return np.stack([np.cross(axis, np.eye(3)).T for axis in np.eye(3)])


def _stretches() -> NDArray[np.float64]:
    """Generators (6, 3, 3) of the scales along x, y and z and of the shears xy, xz and yz."""
    found = []
    for row, column in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)):
        one = np.zeros((3, 3))
        one[row, column] = one[column, row] = 1.0
        found.append(one)
    return np.stack(found)


TURNS = _turns()
STRETCHES = _stretches()
