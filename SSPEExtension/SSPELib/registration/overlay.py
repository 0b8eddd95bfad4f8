"""Two images laid over each other: their evidence under poses, and how it changes with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..poses import Matrix, apply
from ..progress import silent
from ..side_by_side import side_by_side
from .evidence import (
    FIELDS,
    SCALE_FACTORS,
    SLOPED,
    Density,
    EvidenceModel,
    Voxels,
    independent_share,
    spread,
    voxel_fields,
)
from .images import GridImage

Part = tuple[slice, slice]
"""Some poses of a sample and some voxels of each."""
Piece = TypeVar("Piece")
Found = TypeVar("Found")

# Fixed voxels looked at in one go: as many as stay in the cache of a core, and as keep a GPU busy.
CPU_CHUNK = 30_000
GPU_CHUNK = 4_000_000
VALID = FIELDS.index("valid")
# A row along which a coordinate changes by less than this a voxel does not change it.
LEAST_STEP_MM = 1e-9


@dataclass(frozen=True)
class PoseEvidence:
    """The evidence of a pose, split by where it comes from.

    Attributes:
        total: log-likelihood ratio, all voxels of the overlap, nats.
        real: the part of it from pairs of two real voxels.
        real_voxels, mixed_voxels: pairs inside both bodies, both real / at least one synthetic.
    """

    total: float
    real: float
    real_voxels: float
    mixed_voxels: float


@dataclass(frozen=True, eq=False)
class Sample:
    """Fixed voxels that are looked at for each of b poses.

    Attributes:
        index: (b, n) of the voxels.
        weight: (b, n) how many voxels each stands for; 0 where there are fewer than n.
        centers: (b, 3) mean position, LPS mm.
        looked_up: the voxels and their points (3, poses, n) by the first pose and voxel of what is looked at in one
            go: a climb asks for the same ones at every step.
    """

    index: Tensor
    weight: Tensor
    centers: Matrix
    looked_up: dict[tuple[int, int], tuple[Voxels, Tensor]] = field(default_factory=dict)


@dataclass(frozen=True)
class Sums:
    """Sums over the voxels of an overlap: real evidence by each of SCALE_FACTORS, the rest, and numbers of pairs."""

    real: list[float]
    mixed: float
    real_voxels: float
    mixed_voxels: float


class FieldSampler:
    """The fields of an image at any place: of the nearest voxel, carried on by their slope there.

    One look at the memory for each place, where trilinear interpolation takes eight, and the slope is at hand.
    """

    def __init__(self, image: GridImage, density: Density, device: torch.device, smooth: bool) -> None:
        fields = torch.from_numpy(voxel_fields(image, density)).to(device)
        _continue_beyond_data(fields)
        sloped = fields[: len(SLOPED)]
        if smooth:
            _smooth(sloped)
        self.size = image.hu.shape[::-1]
        # What is known of a voxel lies together in memory. Further on there are no data: an empty voxel stands for all
        # that lies outside.
        self.table = fields.new_zeros(image.hu.size + 1, len(FIELDS) + 3 * len(SLOPED))
        columns = self.table[:-1].view(*image.hu.shape, -1).permute(3, 0, 1, 2)
        columns[: len(FIELDS)] = fields
        for number, dim in enumerate((3, 2, 1)):
            columns[len(FIELDS) + number * len(SLOPED) :][: len(SLOPED)] = _slope(sloped, dim)

    def at(self, place: Tensor) -> Voxels:
        """The fields at places (3, ...) in voxels (x, y, z); differentiable with respect to them."""
        with torch.no_grad():
            nearest = place.round()
            x, y, z = nearest
            width, height, depth = self.size
            inside = (x >= 0) & (x < width) & (y >= 0) & (y < height) & (z >= 0) & (z < depth)
            index = torch.where(inside, (z * height + y) * width + x, float(len(self.table) - 1)).int()
            found = _rows(self.table, index)
        values = found[: len(FIELDS)]
        count = len(SLOPED)
        slopes = found[len(FIELDS) :].view(3, count, *index.shape)
        hu, log_density, body, valid, real = _Carried.apply(place - nearest, values[:count], slopes)
        return Voxels(
            hu, log_density, body.clamp(0, 1), valid.clamp(0, 1), real.clamp(0, 1), values[count], values[count + 1]
        )


class _Carried(torch.autograd.Function):
    """Fields (field, ...) of voxels at offsets (3, ...) from them in voxels, by their slopes (3, field, ...).

    Autograd alone would keep what every one of the products and sums is made of.
    """

    @staticmethod
    def forward(ctx: Any, offset: Tensor, values: Tensor, slopes: Tensor) -> Tensor:
        ctx.save_for_backward(slopes)
        carried = values.addcmul(slopes[0], offset[0])
        carried.addcmul_(slopes[1], offset[1])
        return carried.addcmul_(slopes[2], offset[2])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (slopes,) = ctx.saved_tensors
        return torch.stack([(gradient * slope).sum(dim=0) for slope in slopes]), None, None


class Overlay:
    """The evidence of poses of one fixed and one moving image on grids of one voxel size."""

    def __init__(
        self,
        fixed: GridImage,
        moving: GridImage,
        density: Density,
        model: EvidenceModel,
        device: torch.device,
        smooth: bool = False,
    ) -> None:
        """Prepare.

        Args:
            fixed, moving: images on upright grids.
            density: HU distribution inside the bodies.
            model: of pairs of voxels.
            device: where to compute.
            smooth: whether the moving image is smoothed a little, so that poses climb from farther away; the finest
                detail needs that it is not.
        """
        self.fixed, self.moving = fixed, moving
        self.model, self.device = model, device
        self.nats_per_voxel = independent_share(fixed.spacing)
        self.points = fixed.points(fixed.valid)
        self.number = (np.cumsum(fixed.valid) - 1).reshape(fixed.valid.shape)
        table = np.empty((len(self.points), len(FIELDS) + 3), dtype=np.float32)
        table[:, : len(FIELDS)] = voxel_fields(fixed.chosen(fixed.valid), density).T
        table[:, len(FIELDS) :] = self.points
        self.table = torch.from_numpy(table).to(device)
        self.sampler = FieldSampler(moving, density, device, smooth)

    def sample(self, poses: Matrix, count: int, reach_mm: float) -> Sample:
        """Choose at most count fixed voxels for each of poses (b, 4, 4) that those take near the moving grid.

        Args:
            poses: fixed to moving.
            count: of voxels for each pose; evenly spread over all that are near.
            reach_mm: how far from the moving grid is near.
        """
        chosen, weights, centers = [], [], []
        near = self._near(poses[0], reach_mm)
        for number, pose in enumerate(poses):
            if number and not np.array_equal(pose, poses[number - 1]):
                near = self._near(pose, reach_mm)
            kept = near[spread(near.size, count)]
            chosen.append(kept)
            weights.append(np.full(kept.size, near.size / max(kept.size, 1), dtype=np.float32))
            centers.append(self.points[kept].mean(axis=0) if kept.size else np.zeros(3))
        longest = max(1, *(one.size for one in chosen))
        index = np.stack([np.pad(one, (0, longest - one.size)) for one in chosen])
        weight = np.stack([np.pad(one, (0, longest - one.size)) for one in weights])
        return Sample(
            torch.from_numpy(index).to(self.device), torch.from_numpy(weight).to(self.device), np.array(centers)
        )

    def slopes(self, poses: Matrix, sample: Sample) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Evidence (b,) of poses (b, 4, 4) in nats and its gradient (b, 3, 4) for their upper rows."""
        if not len(self.points):
            # The two lie so far apart that nothing of the fixed one was kept: no pose is better than another.
            return np.zeros(len(poses)), np.zeros((len(poses), 3, 4))
        parts = self._parts(sample)

        def look(part: Part) -> tuple[Tensor, Tensor]:
            first = part[0].start, part[1].start
            if first not in sample.looked_up:
                sample.looked_up[first] = self._looked_up(sample.index[part])
            fixed, points = sample.looked_up[first]
            place = self._place(poses[part[0]], points).requires_grad_()
            value = (self.model.of(fixed, self.sampler.at(place)).worth * sample.weight[part]).sum(dim=1)
            (slope,) = torch.autograd.grad(value.sum(), place)
            # What moves a place in the moving grid by the entries of a pose: the fixed point itself, and 1.
            linear = torch.einsum("rbn,cbn->brc", slope, points)
            return value.detach(), torch.cat([linear, slope.sum(dim=2).T[:, :, None]], dim=2)

        values, gradient = np.zeros(len(poses)), np.zeros((len(poses), 3, 4))
        for part, (value, slope) in zip(parts, self._all(look, parts), strict=True):
            values[part[0]] += value.cpu().numpy()
            gradient[part[0]] += slope.cpu().numpy() / self.moving.spacing
        return values * self.nats_per_voxel, gradient * self.nats_per_voxel

    def evidence(self, poses: Matrix) -> list[PoseEvidence]:
        """The evidence of poses (b, 4, 4), fixed to moving, by all voxels."""
        found = []
        for pose in poses:
            sums = self._sums(pose)
            real, scale = max(sums.real), self.nats_per_voxel
            total = (real + sums.mixed) * scale
            found.append(PoseEvidence(total, real * scale, sums.real_voxels, sums.mixed_voxels))
        return found

    def fitting_scale_hu(self, pose: Matrix) -> float:
        """The expected difference of two real voxels, HU, by which a pose (4, 4) has most evidence."""
        return self.model.real_scale_hu * SCALE_FACTORS[int(np.argmax(self._sums(pose).real))]

    def _sums(self, pose: Matrix) -> Sums:
        near = torch.from_numpy(self._near(pose, 0.0)).to(self.device)

        def look(index: Tensor) -> NDArray[np.float64]:
            with torch.no_grad():
                fixed, points = self._looked_up(index)
                moving = self.sampler.at(self._place(pose[None], points[:, None])[:, 0])
                pairs = self.model.of(fixed, moving)
                sums = [pairs.worth * (1.0 - pairs.real), pairs.both * pairs.real, pairs.both * (1.0 - pairs.real)]
                kept = torch.nonzero((pairs.real > 0) & (pairs.worth != 0))[:, 0]
                fixed, moving = fixed.chosen(kept), moving.chosen(kept)
                for scaled in self.model.by_scale(fixed, moving, SCALE_FACTORS):
                    sums.append(scaled.worth * scaled.real)
                return np.array([float(values.sum()) for values in sums])

        found = self._all(look, near.split(self._chunk()) if near.numel() else ())
        mixed, real_voxels, mixed_voxels, *real = np.sum(found, axis=0) if found else np.zeros(3 + len(SCALE_FACTORS))
        return Sums([float(sum_) for sum_ in real], float(mixed), float(real_voxels), float(mixed_voxels))

    def _looked_up(self, index: Tensor) -> tuple[Voxels, Tensor]:
        """Fixed voxels (...) and their places (3, ...), LPS mm, by their indices (...)."""
        found = _rows(self.table, index)
        return Voxels(*found[: len(FIELDS)]), found[len(FIELDS) :]

    def _place(self, poses: Matrix, points: Tensor) -> Tensor:
        """Where poses (b, 4, 4) take fixed points (3, b, n), LPS mm: places (3, b, n) in voxels of the moving grid."""
        shift = (poses[:, :3, 3] - self.moving.origin) / self.moving.spacing
        linear = torch.from_numpy((poses[:, :3, :3] / self.moving.spacing).astype(np.float32)).to(self.device)
        places = torch.einsum("brc,cbn->rbn", linear, points)
        return places + torch.from_numpy(shift.T[:, :, None].astype(np.float32)).to(self.device)

    def _chunk(self) -> int:
        return CPU_CHUNK if self.device.type == "cpu" else GPU_CHUNK

    def _parts(self, sample: Sample) -> list[Part]:
        """Poses and voxels of a sample that are looked at in one go."""
        count, each = sample.index.shape
        chunk = self._chunk()
        poses, voxels = max(1, chunk // each), -(-each // -(-each // chunk))
        return [
            (slice(start, min(start + poses, count)), slice(first, min(first + voxels, each)))
            for start in range(0, count, poses)
            for first in range(0, each, voxels)
        ]

    def _all(self, look: Callable[[Piece], Found], pieces: Sequence[Piece]) -> list[Found]:
        """What is seen of all pieces, from as many threads as this one may take: one, where others are at work."""
        if len(pieces) == 1 or torch.get_num_threads() == 1:
            return [look(piece) for piece in pieces]
        return side_by_side(lambda piece, _: look(piece), pieces, silent, "", self.device)

    def _near(self, pose: Matrix, reach_mm: float) -> NDArray[np.int64]:
        """Indices of the fixed voxels that a pose takes into the moving grid, or within reach of it."""
        valid = self.fixed.valid
        z, y, x = (np.arange(count) for count in valid.shape)
        linear = pose[:3, :3] * self.fixed.spacing
        shift = apply(pose, self.fixed.origin[None])[0] - self.moving.origin
        last = (np.array(self.moving.hu.shape[::-1]) - 1) * self.moving.spacing
        # All of a row of voxels that lies beyond a face of the moving grid lies on one side of some place in the row.
        first, stop = np.full(valid.shape[:2], -np.inf), np.full(valid.shape[:2], np.inf)
        for row in range(3):
            start = linear[row, 1] * y + linear[row, 2] * z[:, None] + shift[row]
            step = linear[row, 0] if abs(linear[row, 0]) > LEAST_STEP_MM else LEAST_STEP_MM
            ends = (-reach_mm - start) / step, (last[row] + reach_mm - start) / step
            first = np.maximum(first, np.minimum(*ends))
            stop = np.minimum(stop, np.maximum(*ends))
        met = np.flatnonzero((stop >= np.maximum(first, 0)).any(axis=1) & (first <= x.size - 1).any(axis=1))
        if not met.size:
            return np.zeros(0, dtype=np.int64)
        layers = slice(met[0], met[-1] + 1)
        near = (x >= first[layers, :, None]) & (x <= stop[layers, :, None]) & valid[layers]
        return self.number[layers][near]


def _slope(fields: Tensor, dim: int) -> Tensor:
    """Central differences of fields (field, z, y, x) along a dimension, a voxel; one-sided at the ends."""
    if fields.shape[dim] == 1:
        return torch.zeros_like(fields)
    (slope,) = torch.gradient(fields, dim=dim)
    return slope


def _continue_beyond_data(fields: Tensor) -> None:
    """Give voxels next to data the mean of those data, in all fields (field, z, y, x) but `valid`, in place.

    The air that stands where there are no data would else lend its slope to the last voxel that has some.
    """
    valid = fields[VALID]
    share = _mean_around(valid).flatten()
    beside = torch.nonzero((valid.flatten() == 0) & (share > 0))[:, 0]
    if not len(beside):
        return
    for number in range(len(FIELDS)):
        if number != VALID:
            mean = _mean_around(fields[number] * valid).flatten()
            fields[number].view(-1)[beside] = mean[beside] / share[beside]


def _mean_around(field: Tensor) -> Tensor:
    """Mean of each voxel and its 26 neighbors (z, y, x), zero beyond the border."""
    for dim in range(3):
        total = field.clone()
        count = field.shape[dim] - 1
        total.narrow(dim, 0, count).add_(field.narrow(dim, 1, count))
        total.narrow(dim, 1, count).add_(field.narrow(dim, 0, count))
        field = total
    return field / 27


def _smooth(fields: Tensor) -> None:
    """Average fields (field, z, y, x) along each axis with weights of 1, 4 and 1 sixths, a cubic B-spline's, in place.

    Beyond the ends the last voxel goes on.
    """
    for dim in (1, 2, 3):
        last = fields.shape[dim] - 1
        before = torch.cat([fields.narrow(dim, 0, 1), fields.narrow(dim, 0, last)], dim)
        after = torch.cat([fields.narrow(dim, 1, last), fields.narrow(dim, last, 1)], dim)
        fields.mul_(4).add_(before).add_(after).div_(6)


def _rows(table: Tensor, index: Tensor) -> Tensor:
    """Rows of a table (n, field) by their indices (...), sorted by field: (field, ...)."""
    return table.index_select(0, index.flatten()).T.contiguous().view(table.shape[1], *index.shape)
