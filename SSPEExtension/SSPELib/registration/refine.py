"""Refining a pose by climbing its total evidence, real and synthetic voxels each with the weight they deserve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from ..options import TransformType
from ..progress import Progress
from .evidence import (
    DEGREES_OF_FREEDOM,
    REAL_MISMATCH,
    REAL_TRUST,
    SYNTHETIC_OUTLINE,
    Density,
    scale_by_depth,
    share_by_depth,
    trust_by_depth,
)
from .parts import Part
from .poses import Matrix, apply

LEVER_MM = 100.0
REACH_MM = 12.0
# Noise and sharpness differ from scan to scan, so that an account takes the scale of real differences that fits best:
# a near perfect match of a short overlap must beat a fair one of a long overlap.
SCALE_FACTORS = (0.35, 0.6, 1.6, 1.0)
# Scales and shears of one body between two scans are of some per cent.
STRETCH_SIGMA = 0.03
# What six further parameters must gain, nats: without true stretch they gain a few by following the noise.
STRETCH_COST = 10.0
STUDENT_CONSTANT = float(np.log(2.0 / (np.pi * np.sqrt(3.0))))


@dataclass(frozen=True)
class Threshold:
    """What a pair of voxels inside both bodies must be worth before an overlap of such pairs pays, nats.

    Attributes:
        real: of two real voxels.
        synthetic: of two voxels of which at least one is synthetic, times the trust in them.
    """

    real: float = 0.0
    synthetic: float = 0.0


@dataclass(frozen=True)
class Account:
    """The evidence of a pose, split by where it comes from.

    Attributes:
        total: log-likelihood ratio, all voxels of the overlap.
        real: the part of it from pairs of two real voxels.
        real_voxels, mixed_voxels: pairs inside both bodies, both real / at least one synthetic.
    """

    total: float
    real: float
    real_voxels: int
    mixed_voxels: int


class Climber:
    """Evaluates and improves poses of one pair of parts at one voxel size."""

    def __init__(
        self,
        fixed: Part,
        moving: Part,
        density: Density,
        real_scale_hu: float,
        threshold: Threshold,
        temper: float = 1.0,
        most_points: int = 60000,
    ) -> None:
        """Prepare.

        Args:
            fixed, moving: parts on upright grids.
            density: HU distribution inside the bodies.
            real_scale_hu: expected difference of two real voxels, HU.
            threshold: what pairs must be worth before their overlap pays.
            temper: effective independent observations a voxel, by which evidence is weighed against stretch.
            most_points: fixed voxels looked at while climbing; accounts use them all.
        """
        self.fixed, self.moving = fixed, moving
        self.real_variance = real_scale_hu**2
        self.threshold = threshold
        self.temper = temper
        self.most_points = most_points
        kept = fixed.valid
        self.points = fixed.points(kept)
        self.fixed_hu = torch.from_numpy(fixed.hu[kept])
        self.fixed_body = torch.from_numpy(fixed.body[kept])
        self.fixed_log = torch.from_numpy(density.log_at(fixed.hu[kept]).astype(np.float32))
        self.fixed_variance = torch.from_numpy(scale_by_depth(fixed.depth[kept]) ** 2)
        self.fixed_share = torch.from_numpy(share_by_depth(fixed.depth[kept]))
        self.fixed_trust = torch.from_numpy(trust_by_depth(fixed.depth[kept]))
        self.fixed_real = torch.from_numpy(fixed.depth[kept] < 0.5 * fixed.spacing)
        channels = [
            moving.hu,
            moving.body,
            density.log_at(moving.hu),
            scale_by_depth(moving.depth) ** 2,
            trust_by_depth(moving.depth),
            share_by_depth(moving.depth),
            moving.valid,
            moving.depth < 0.5 * moving.spacing,
        ]
        stacked = np.stack([np.asarray(channel, dtype=np.float32) for channel in channels])
        self.moving_channels = torch.from_numpy(stacked)[None]

    def account(self, pose: Matrix) -> Account:
        """The evidence of a pose (4, 4), fixed to moving."""
        near = self._near(pose, 0.0)
        with torch.no_grad():
            sampled = self._sampled(torch.from_numpy(pose.astype(np.float32)), near)
            real_total = max(self._real_totals(sampled, near))
            evidence, both, real = self._evidence(sampled, near)
            mixed = float((evidence * (1 - real)).sum())
            body_real = both * real
        return Account(
            total=real_total + mixed,
            real=real_total,
            real_voxels=int(body_real.sum()),
            mixed_voxels=int(both.sum() - body_real.sum()),
        )

    def fitting_scale_hu(self, pose: Matrix) -> float:
        """The expected difference of two real voxels, HU, by which a pose (4, 4) has most evidence."""
        near = self._near(pose, 0.0)
        with torch.no_grad():
            totals = self._real_totals(self._sampled(torch.from_numpy(pose.astype(np.float32)), near), near)
        return float(np.sqrt(self.real_variance)) * SCALE_FACTORS[int(np.argmax(totals))]

    def _real_totals(self, sampled: torch.Tensor, near: torch.Tensor) -> list[float]:
        """The evidence of pairs of two real voxels by each of SCALE_FACTORS."""
        totals = []
        for factor in SCALE_FACTORS:
            evidence, _, real = self._evidence(sampled, near, factor)
            totals.append(float((evidence * real).sum()))
        return totals

    def displaced(self, mm: float) -> Threshold:
        """Mean worth of pairs inside the body under a displacement along it, at least 0; 0 where there are no pairs."""
        pose = np.eye(4)
        pose[2, 3] = mm
        near = self._near(pose, 0.0)
        with torch.no_grad():
            sampled = self._sampled(torch.from_numpy(pose.astype(np.float32)), near)
            worth, both, real = self._evidence(sampled, near)
            _, _, _, _, trust, share, _, _ = sampled
            pairs = both * share * self.fixed_share[near]
            mixed = pairs * (1 - real)
            trusted = (mixed * trust * self.fixed_trust[near]).sum()
            return Threshold(
                real=max(0.0, float((worth * real).sum() / (pairs * real).sum().clamp(min=1))),
                synthetic=max(0.0, float((worth * (1 - real)).sum() / trusted.clamp(min=1))),
            )

    def climb(
        self, pose: Matrix, steps: int, first_mm: float, last_mm: float, kind: TransformType, progress: Progress
    ) -> Matrix:
        """Improve a pose; step lengths fall from first_mm to last_mm.

        Args:
            pose: (4, 4) start.
            kind: "rigid" (6 parameters) or "affine" (12; a prior on stretch holds the further six near zero).
        """
        near = self._near(pose, REACH_MM)
        if near.numel() == 0:
            return pose
        each = self.temper * max(1.0, near.numel() / self.most_points)
        if near.numel() > self.most_points:
            near = near[torch.linspace(0, near.numel() - 1, self.most_points).long()]
        center = self.points[near.numpy()].mean(axis=0)
        # Parameters in mm: shift, rotation times lever, and for affine the symmetric stretch times lever.
        values = torch.zeros(6 if kind == "rigid" else 12, dtype=torch.float64, requires_grad=True)
        ascent = Ascent(values)
        start = torch.from_numpy(pose)
        best, best_value = pose, -np.inf
        for step in range(steps):
            current = start @ _increment(values, torch.from_numpy(center))
            evidence, _, _ = self._evidence(self._sampled(current.float(), near), near)
            objective = each * evidence.sum() + stretch_log_prior(current[:3, :3])
            if float(objective.detach()) > best_value:
                best, best_value = current.detach().numpy().copy(), float(objective.detach())
            (gradient,) = torch.autograd.grad(objective, values)
            ascent.step(gradient, first_mm * (last_mm / first_mm) ** (step / max(steps - 1, 1)))
            progress(step / steps, "Refining the best positions")
        return best

    def _near(self, pose: Matrix, reach_mm: float) -> torch.Tensor:
        """Indices of the fixed voxels that a pose takes into the moving grid, or within reach of it."""
        low = self.moving.origin - reach_mm
        high = self.moving.origin + (np.array(self.moving.hu.shape[::-1]) - 1) * self.moving.spacing + reach_mm
        # Points are sorted along the body, of which the parts share a little: the rest need not be mapped.
        corners = np.array(np.meshgrid(*zip(low, high, strict=True))).reshape(3, -1).T
        heights = apply(np.linalg.inv(pose), corners)[:, 2]
        first = int(np.searchsorted(self.points[:, 2], heights.min(), "left"))
        last = int(np.searchsorted(self.points[:, 2], heights.max(), "right"))
        mapped = apply(pose, self.points[first:last])
        inside = ((mapped >= low) & (mapped <= high)).all(axis=1)
        return torch.from_numpy(first + np.flatnonzero(inside))

    def _sampled(self, pose: torch.Tensor, near: torch.Tensor) -> torch.Tensor:
        """The moving channels (channel, n) where a pose takes the fixed voxels in near (n,)."""
        points = torch.from_numpy(self.points[near.numpy()].astype(np.float32))
        mapped = points @ pose[:3, :3].T + pose[:3, 3]
        size = torch.tensor(self.moving.hu.shape[::-1], dtype=torch.float32)
        origin = torch.from_numpy(self.moving.origin.astype(np.float32))
        normalized = (mapped - origin) / self.moving.spacing * (2.0 / (size - 1)) - 1
        sampled = functional.grid_sample(self.moving_channels, normalized[None, :, None, None], align_corners=True)
        return sampled[0, :, :, 0, 0]

    def _evidence(
        self, sampled: torch.Tensor, near: torch.Tensor, factor: float = 1.0
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Evidence, share inside both bodies, and share of two real voxels, per fixed voxel in near (n,).

        Args:
            sampled: the moving channels there.
            near: indices of the fixed voxels.
            factor: of the expected difference of two real voxels.
        """
        hu, body, log, variance, trust, share, valid, real = sampled
        scale_squared = self.real_variance * factor**2 + self.fixed_variance[near] + variance
        difference = self.fixed_hu[near] - hu
        log_density = (
            STUDENT_CONSTANT
            - 0.5 * torch.log(scale_squared)
            - 2.0 * torch.log1p(difference**2 / (DEGREES_OF_FREEDOM * scale_squared))
        )
        ratio = log_density - 0.5 * (self.fixed_log[near] + log)
        trust = trust * self.fixed_trust[near]
        follows = REAL_TRUST * trust
        matched = torch.log(follows * torch.exp(ratio.clamp(max=20)) + 1 - follows)
        fixed_body = self.fixed_body[near]
        both = fixed_body * body * valid
        outline = (fixed_body * (1 - body) + body * (1 - fixed_body)) * valid
        both_real = self.fixed_real[near] * real
        synthetic = trust * (1 - both_real)
        reward = (SYNTHETIC_OUTLINE[0] - self.threshold.synthetic) * synthetic - self.threshold.real * both_real
        penalty = SYNTHETIC_OUTLINE[1] * synthetic + REAL_MISMATCH * both_real
        worth = both * (matched + reward) + penalty * outline
        return worth * share * self.fixed_share[near], both, both_real


class Ascent:
    """Adam, uphill. The one of torch.optim first imports PyTorch's compiler, three seconds of every registration."""

    DECAYS = (0.8, 0.95)

    def __init__(self, values: torch.Tensor) -> None:
        self.values = values
        self.mean, self.square = torch.zeros_like(values), torch.zeros_like(values)
        self.steps = 0

    def step(self, gradient: torch.Tensor, rate: float) -> None:
        """Change the values in place by about rate each."""
        self.steps += 1
        self.mean.lerp_(gradient, 1 - self.DECAYS[0])
        self.square.lerp_(gradient**2, 1 - self.DECAYS[1])
        mean, square = (m / (1 - d**self.steps) for m, d in zip((self.mean, self.square), self.DECAYS, strict=True))
        with torch.no_grad():
            self.values += rate * mean / (square.sqrt() + 1e-8)


def stretch_log_prior(linear: torch.Tensor) -> torch.Tensor:
    """Log preference of a linear map (3, 3) for keeping lengths and angles; 0 for a rotation."""
    strain = (linear.T @ linear - torch.eye(3, dtype=linear.dtype)) / 2
    return -0.5 * (strain**2).sum() / STRETCH_SIGMA**2


def _increment(values: torch.Tensor, center: torch.Tensor) -> torch.Tensor:
    """(4, 4) small motion about a center from its parameters in mm."""
    rotation = values[3:6] / LEVER_MM
    zero = torch.zeros((), dtype=values.dtype)
    x, y, z = rotation
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero]).reshape(3, 3)
    linear = torch.linalg.matrix_exp(cross)
    if values.numel() == 12:
        a, b, c, d, e, f = values[6:] / LEVER_MM
        linear = linear @ torch.linalg.matrix_exp(torch.stack([a, d, e, d, b, f, e, f, c]).reshape(3, 3))
    shift = center + values[:3] - linear @ center
    top = torch.cat([linear, shift[:, None]], dim=1)
    bottom = torch.tensor([[0.0, 0.0, 0.0, 1.0]], dtype=values.dtype)
    return torch.cat([top, bottom])
