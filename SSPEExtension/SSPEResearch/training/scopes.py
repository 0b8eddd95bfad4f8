"""Training scopes, cut and changed at random on the device where the volumes lie.

Every scope is a function of the seed and its number alone, so that a resumed run sees what an uninterrupted one sees.
What is random is drawn on the host; voxels never leave the device, and nothing waits for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from SSPELib.errors import InputError
from SSPELib.expansion.window import window_size
from SSPELib.hounsfield import AIR_HU, HU_SCALE

from .config import AugmentationConfig, ScopeConfig
from .volumes import PreparedVolume

MARGIN_SLICES = 4
WARP_KNOTS = (4, 4, 6)
AIR = AIR_HU / HU_SCALE
NOISE, STEPS = 0, 1
"""What a seed is for, beside a number: the noise of a scope, the steps of a batch."""


@dataclass(frozen=True, eq=False)
class _Plan:
    """Where a scope lies in a volume turned to the direction of growth, and what is changed at random.

    Attributes:
        volume: its number.
        upward: whether the scope grows toward the head.
        start: its first slice, below zero where it begins before the volume.
        middle: row and column of its middle.
        plane: rows and columns that its body needs.
        matrix: (3, 3), from (z, y, x) in the scope to the same in the volume, about the middle.
        knots: (3, z, y, x) displacements in voxels, or none.
        sigma: standard deviation of the noise, HU.
        gain, offset: of all HU.
    """

    volume: int
    upward: bool
    start: int
    middle: tuple[float, float]
    plane: tuple[int, int]
    matrix: NDArray[np.float64] = field(default_factory=lambda: np.eye(3))
    knots: NDArray[np.float32] | None = None
    sigma: float = 0.0
    gain: float = 1.0
    offset: float = 0.0


class ScopeSampler:
    """Cut scopes from volumes that lie on a device.

    Args:
        groups: for every source its weight and its volumes.
        scope: sizes on the working grid.
        augmentation: random changes; None for none (validation).
        seed: seed of everything random.
        device: where volumes and scopes lie.
        multiple: number that the in-plane sizes of a scope must be multiples of.

    Raises:
        InputError: a source has no volume that is long enough.
    """

    def __init__(
        self,
        groups: Sequence[tuple[float, Sequence[PreparedVolume]]],
        scope: ScopeConfig,
        augmentation: AugmentationConfig | None,
        seed: int,
        device: torch.device,
        multiple: int,
    ) -> None:
        self.scope, self.augmentation, self.seed = scope, augmentation, seed
        self.device, self.multiple = device, multiple
        weights = np.array([weight for weight, _ in groups], dtype=float)
        self.weights = weights / weights.sum()
        self.groups: list[list[int]] = []
        self.voxels: list[Tensor] = []
        self.extents: list[NDArray[np.int64]] = []
        least = scope.step + scope.shortest_context
        for _, volumes in groups:
            tall = [volume for volume in volumes if len(volume.array) >= least]
            if not tall:
                raise InputError(
                    f"No volume as {volumes[0].name if volumes else 'those of a source'} is as long as a step and the "
                    f"shortest context, {least * scope.spacing_mm:.0f} mm; give longer ones or lower "
                    "scope.shortest_context."
                )
            self.groups.append(list(range(len(self.voxels), len(self.voxels) + len(tall))))
            for volume in tall:
                self.voxels.append(torch.from_numpy(volume.array).to(device))
                self.extents.append(_extents(volume.body))
        self.plane = [max(voxels.shape[axis] for voxels in self.voxels) for axis in (1, 2)]
        self._axes: dict[int, Tensor] = {}

    def steps(self, batch: int) -> int:
        """How many steps the scopes of a batch are followed by: 1, or up to 3 by the shares of the configuration."""
        if self.augmentation is None:
            return 1
        drawn = np.random.default_rng([self.seed, batch, STEPS]).random()
        third = self.scope.third_steps
        return 3 if drawn < third else 2 if drawn < third + self.scope.second_steps else 1

    def grows_upward(self, number: int) -> bool:
        """Whether a scope grows toward the head."""
        return self._plan(number, 1).upward

    def draw(self, numbers: Sequence[int], steps: int = 1) -> tuple[Tensor, Tensor]:
        """The scopes X[t] of some numbers and the slices that follow them, each (n, 1, z, y, x) in HU / 1000.

        z runs in the direction of growth. As many slices follow as there are in some steps, by which the generator
        learns to continue its own output.
        """
        plans = [self._plan(number, steps) for number in numbers]
        depth, length = self.scope.size[0], self.scope.size[0] + steps * self.scope.step
        sampled = self._sampled(plans, (length, *self._plane_of(plans)))
        first = self._to_device([-plan.start - (length - 1) / 2 for plan in plans]).view(-1, 1, 1, 1, 1)
        scopes = torch.where(self._axis(length).view(1, 1, -1, 1, 1) < first, AIR_HU, sampled)
        if any(plan.gain != 1 or plan.offset != 0 for plan in plans):
            change = self._to_device([(plan.gain, plan.offset) for plan in plans])
            gain, offset = change.view(-1, 2, 1, 1, 1, 1).unbind(1)
            scopes = torch.where(scopes > AIR_HU + 1, (scopes - AIR_HU) * gain + (AIR_HU + offset), scopes)
        scopes = scopes.clamp(*self.scope.window_hu) / HU_SCALE
        current, following = scopes[:, :, :depth], scopes[:, :, depth:]
        if any(plan.sigma > 0 for plan in plans):
            noise = torch.cat([self._noise(number, current.shape[2:]) for number in numbers])
            sigma = self._to_device([plan.sigma / HU_SCALE for plan in plans]).view(-1, 1, 1, 1, 1)
            current = torch.where(current > AIR + 0.01, current + sigma * noise, current)
        return current.contiguous(), following.contiguous()

    def _plan(self, number: int, steps: int) -> _Plan:
        random = np.random.default_rng([self.seed, number])
        group = self.groups[random.choice(len(self.groups), p=self.weights)]
        context, step = self.scope.shortest_context, self.scope.step
        ahead = steps * step
        tall = [index for index in group if len(self.voxels[index]) >= ahead + context]
        # Where no volume is as long, the last slice is held for the rest: rare, and better than another source.
        index = int(random.choice(tall or group))
        length = len(self.voxels[index])
        upward = bool(random.random() < 0.5)
        edge = int(random.integers(context, max(length - ahead, context) + 1))
        start = edge - self.scope.size[0]
        extents = self.extents[index] if upward else self.extents[index][::-1]
        known = extents[max(0, start) : edge]
        low, high = known[:, :2].min(axis=0), known[:, 2:].max(axis=0)
        if (low >= high).any():
            low, high = np.zeros(2, dtype=int), np.array(self.voxels[index].shape[1:])
        plane = [int(window_size(high[axis] - low[axis], self.scope.size[1 + axis], self.multiple)) for axis in (0, 1)]
        # The window lies on whole voxels, as in use.
        middle = (low + high - plane) // 2 + (np.array(plane) - 1) / 2
        plan = _Plan(index, upward, start, (middle[0], middle[1]), (plane[0], plane[1]))
        return plan if self.augmentation is None else self._changed(plan, self.augmentation, random)

    def _changed(self, plan: _Plan, limits: AugmentationConfig, random: np.random.Generator) -> _Plan:
        largest = np.array([limits.rotation_degrees, limits.tilt_degrees, limits.tilt_degrees])
        angles = np.radians(random.uniform(-1, 1, 3) * largest)
        matrix = np.eye(3)
        for angle, (a, b) in zip(angles, [(1, 2), (0, 1), (0, 2)], strict=True):
            rotation = np.eye(3)
            rotation[[a, a, b, b], [a, b, a, b]] = [np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)]
            matrix = matrix @ rotation
        matrix = matrix @ np.diag(1 + random.uniform(-limits.scale, limits.scale, 3))
        if limits.flip_left_right and random.random() < 0.5:
            matrix[:, 2] *= -1
        shift = random.uniform(-1, 1, 2) * limits.shift_mm / self.scope.spacing_mm
        strength = random.uniform(0, limits.warp_mm) / self.scope.spacing_mm
        knots = (random.uniform(-1, 1, (3, *WARP_KNOTS)) * strength).astype(np.float32)
        return replace(
            plan,
            middle=(plan.middle[0] + shift[0], plan.middle[1] + shift[1]),
            matrix=matrix,
            knots=knots if limits.warp_mm > 0 else None,
            sigma=random.uniform(0, limits.noise_hu),
            gain=1 + random.uniform(-limits.contrast, limits.contrast),
            offset=random.uniform(-limits.offset_hu, limits.offset_hu),
        )

    def _plane_of(self, plans: list[_Plan]) -> tuple[int, int]:
        if not self.scope.fits_body:
            return self.scope.size[1], self.scope.size[2]
        return max(plan.plane[0] for plan in plans), max(plan.plane[1] for plan in plans)

    def _sampled(self, plans: list[_Plan], size: tuple[int, int, int]) -> Tensor:
        """HU (n, 1, z, y, x) of the scopes, from the slices around each of them."""
        shape = (len(plans), 1, size[0] + 2 * MARGIN_SLICES, *self.plane)
        blocks = torch.full(shape, AIR_HU, dtype=torch.int16, device=self.device)
        for number, plan in enumerate(plans):
            first, last = self._span(plan, size[0])
            volume = self.voxels[plan.volume]
            down = slice(len(volume) - last, len(volume) - first)
            block = volume[first:last] if plan.upward else volume[down].flip(0)
            blocks[number, 0, : last - first, : volume.shape[1], : volume.shape[2]] = block
        # With air at zero, which is what grid_sample puts outside.
        above_air = (blocks - AIR_HU).float()
        grid = self._grid(plans, size, shape[2:])
        return functional.grid_sample(above_air, grid, mode="bilinear", align_corners=False) + AIR_HU

    def _span(self, plan: _Plan, depth: int) -> tuple[int, int]:
        length = len(self.voxels[plan.volume])
        return max(0, plan.start - MARGIN_SLICES), min(length, plan.start + depth + MARGIN_SLICES)

    def _grid(self, plans: list[_Plan], size: tuple[int, int, int], block: Sequence[int]) -> Tensor:
        """Where every voxel of the scopes lies in its block, as grid_sample asks for it (n, z, y, x, 3)."""
        rows = []
        for plan in plans:
            first, last = self._span(plan, size[0])
            center = (plan.start - first + (size[0] - 1) / 2, *plan.middle)
            rows.append([*plan.matrix.ravel(), *center, last - first - 1.0])
        places = self._to_device(rows)
        axes = [
            self._axis(count).view([-1 if axis == place else 1 for place in range(3)])
            for axis, count in enumerate(size)
        ]
        # Voxel (z, y, x) of a scope, counted from its middle, lies at matrix @ (z, y, x) + center in the block.
        points = [
            sum(places[:, 3 * row + column].view(-1, 1, 1, 1) * axes[column] for column in range(3))
            + places[:, 9 + row].view(-1, 1, 1, 1)
            for row in range(3)
        ]
        if plans[0].knots is not None:
            knots = self._to_device(np.stack([plan.knots for plan in plans if plan.knots is not None]))
            warp = functional.interpolate(knots, size=size, mode="trilinear", align_corners=True)
            points = [point + warp[:, row] for row, point in enumerate(points)]
        # In z the last real slice is held (a tilted slab must not see air past the end); in plane it is air.
        points[0] = torch.minimum(points[0].clamp_min(0), places[:, 12].view(-1, 1, 1, 1))
        return torch.stack([(2 * points[axis] + 1) / block[axis] - 1 for axis in (2, 1, 0)], dim=-1)

    def _axis(self, count: int) -> Tensor:
        """Places along an axis, counted from its middle."""
        if count not in self._axes:
            self._axes[count] = torch.arange(count, dtype=torch.float32, device=self.device) - (count - 1) / 2
        return self._axes[count]

    def _noise(self, number: int, size: Sequence[int]) -> Tensor:
        seed = int(np.random.SeedSequence([self.seed, number, NOISE]).generate_state(1, np.uint64)[0] >> np.uint64(1))
        generator = torch.Generator(self.device).manual_seed(seed)
        return torch.randn((1, 1, *size), generator=generator, device=self.device)

    def _to_device(self, values: object) -> Tensor:
        host = torch.as_tensor(np.asarray(values, dtype=np.float32))
        return (
            host.pin_memory().to(self.device, non_blocking=True) if self.device.type == "cuda" else host.to(self.device)
        )


def _extents(body: NDArray[np.bool_]) -> NDArray[np.int64]:
    """First row, first column, and one past the last of both of the body in every slice, (z, 4)."""
    # Of a slice without a body, so that it changes no other's.
    found = np.tile([*body.shape[1:], 0, 0], (len(body), 1))
    for axis in (0, 1):
        profile: NDArray[np.bool_] = np.any(body, axis=2 - axis)
        some = profile.any(axis=1)
        found[some, axis] = profile.argmax(axis=1)[some]
        found[some, 2 + axis] = profile.shape[1] - profile[:, ::-1].argmax(axis=1)[some]
    return found
