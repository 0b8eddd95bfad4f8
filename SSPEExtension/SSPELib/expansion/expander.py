"""Sequential expansion: the generator applied again and again, X[t + k delta] = G^k(X[t]) (eq. 3)."""

from __future__ import annotations

import copy
import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..hounsfield import HU_SCALE
from ..options import Direction
from ..progress import Progress, part, silent
from ..stages import stage
from ..volume import AIR_HU, End, Volume, body_axis, slices
from ..volume.body import mask_of_slices, outside_to_air
from ..volume.checks import check_length
from .continuation import beginning, continued, joined
from .tilted_border import on_slices_of, slices_to_reach
from .window import body_window
from .working_grid import WorkingVolume, append_to_own_grid, to_working

if TYPE_CHECKING:
    from torch import Tensor
    from torch import device as Device
    from torch.nn import Module

    from ..model.bundle import ModelBundle

DOUBTFUL_MM = 150.0
FIGURES_QUOTED = 4
SEAM_FADES_MM = 12.0


class Expander:
    """Expands volumes with one model on one device.

    Args:
        bundle: the model.
        device: auto, cpu, cuda or mps.

    Raises:
        DeviceError: the device is not there.
        ModelError: the weights do not fit.
    """

    def __init__(self, bundle: ModelBundle, device: str = "auto") -> None:
        import torch

        from ..model.device import choose_device

        self.bundle = bundle
        self.device, self.device_warning = choose_device(device)
        self.network = bundle.network(self.device)
        # Two volumes may be expanded side by side, all but the network.
        self._threads, self._lock = torch.get_num_threads(), threading.Lock()

    @stage("expansion")
    def expand(
        self, volume: Volume, direction: Direction, distance_mm: float, progress: Progress = silent
    ) -> tuple[Volume, tuple[str, ...]]:
        """Append synthetic slices at one or both ends of the body.

        The expansion begins at the last whole slice, or along the border where that is a tilted plane. Where slices
        beyond it have wedges without data (`Provenance.NO_DATA`), the synthetic slices fill these; real voxels stay
        as they are, bit by bit.

        Args:
            volume: the input; it is not changed.
            direction: the end or ends that grow.
            distance_mm: length to add at each of them, mm, rounded up to whole slices.
            progress: told of every part of a step; may raise `Cancelled`.

        Returns:
            The longer volume on the input's own grid (direction, spacing and in-plane size unchanged), and warnings.

        Raises:
            InputError: the volume is too short or without a body in view.
        """
        warnings = [warning for warning in (self.device_warning,) if warning]
        warnings += distance_warnings(distance_mm, self.bundle.card.error_by_distance)
        check_length(volume)
        ends: list[End] = ["inferior", "superior"] if direction == "both" else [direction]
        generator = _Generator(self.network, self.device)
        for number, end in enumerate(ends):
            share = part(progress, number / len(ends), (number + 1) / len(ends))
            volume = self._expanded(volume, end, distance_mm, generator, share)
        progress(1.0, "Expanded")
        return volume, tuple(dict.fromkeys([*warnings, *generator.warnings]))

    def predict_scope(self, scope: NDArray[np.float32]) -> NDArray[np.float32]:
        """Apply the generator once to a scope (z, y, x), HU, z in the direction of growth: G(X[t]) as it comes."""
        import torch

        low, high = self.bundle.card.window_hu
        current = torch.from_numpy(scope.clip(low, high) / np.float32(HU_SCALE))[None, None]
        return _Generator(self.network, self.device).step(current, silent, "")[0, 0].float().numpy() * np.float32(
            HU_SCALE
        )

    def _expanded(
        self, volume: Volume, end: End, distance_mm: float, generator: _Generator, progress: Progress
    ) -> Volume:
        """The volume with synthetic slices beyond one end, and its wedges without data there filled."""
        progress(0.0, f"Preparing the {end} end")
        start = beginning(volume, end, self._seen_mm)
        near = self._near_end(start.whole, end)
        working = to_working(near, self.bundle.card.spacing_mm, end)
        if not working.mask.any():
            # Beyond air, air is continued.
            near, working = start.whole, to_working(start.whole, self.bundle.card.spacing_mm, end)
        if not working.mask.any():
            raise InputError(f"No body is in view in {volume.name}. Check that it is a CT of a patient.")
        spacing_mm = volume.spacing[body_axis(volume).index]
        beyond = math.ceil(distance_mm / spacing_mm - 1e-6)
        count = slices_to_reach(near, volume, end, beyond) if start.tilted else start.incomplete + beyond
        steps = math.ceil(count * spacing_mm / working.spacing_mm)
        with self._alone():
            grown = self._grow(working, steps, generator, part(progress, 0.05, 0.9))
        progress(0.9, f"Bringing the {end} slices back to the grid of the volume")
        new = append_to_own_grid(near, working, grown, count)
        if start.tilted:
            new = on_slices_of(volume, joined(near, end, new), end, start.incomplete, beyond)
        return continued(volume, end, new, start.incomplete)

    @property
    def _seen_mm(self) -> float:
        """Length that the network sees, and a little more."""
        return self.bundle.card.scope_mm + 2 * self.bundle.card.spacing_mm

    def _near_end(self, volume: Volume, end: End) -> Volume:
        """The slices at one end that the network sees, and a few more: those far away cost time and change nothing."""
        axis = body_axis(volume)
        count = volume.size[axis.index]
        kept = math.ceil(self._seen_mm / volume.spacing[axis.index]) + 1
        return slices(volume, max(0, count - kept), count) if axis.at_last(end) else slices(volume, 0, min(kept, count))

    def _grow(
        self, working: WorkingVolume, count: int, generator: _Generator, progress: Progress
    ) -> NDArray[np.float32]:
        """Predict count slices (z, y, x), HU, z away from the volume, beyond the anchored end (eq. 3)."""
        import torch

        card = self.bundle.card
        known = working.outward(working.mask)[-card.scope[0] :]
        rows, columns = body_window(known, (card.scope[1], card.scope[2]), self._multiple())
        scope = scope_at_end(working, card.scope[0], rows, columns)
        current = torch.from_numpy(scope).clamp_(*card.window_hu).div_(HU_SCALE)[None, None]
        # Lengths are rounded up to whole slices: a single one beyond the last step is held, no step of its own.
        steps = max(1, math.ceil((count - 1) / card.step))
        pieces: list[Tensor] = []
        for number in range(steps):
            message = f"Step {number + 1} of {steps} toward the {'feet' if working.end == 'inferior' else 'head'}"
            share = part(progress, number / steps, (number + 1) / steps)
            following = generator.step(current, share, message)
            new_part = _joined(following, current[:, :, -1:], card.step, card.spacing_mm)
            # The overlap part of the next scope is known already: it stays as it is instead of being predicted again.
            current = torch.cat([current[:, :, card.step :], new_part], dim=2)
            pieces.append(new_part[0, 0])
        pieces.append(pieces[-1][-1:])
        predicted = torch.cat(pieces)[:count].mul_(HU_SCALE).clamp_(*card.window_hu).numpy()
        new = outside_to_air(predicted, mask_of_slices(predicted, [card.spacing_mm, card.spacing_mm]))
        full = np.full((count, *working.array.shape[1:]), AIR_HU, dtype=np.float32)
        _copy_overlap(new, full, -rows.start, -columns.start)
        return full

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """For the network: on all cores, one scope at a time."""
        import torch

        with self._lock:
            threads = torch.get_num_threads()
            torch.set_num_threads(self._threads)
            try:
                yield
            finally:
                torch.set_num_threads(threads)

    def _multiple(self) -> int:
        return 2 ** int(self.bundle.card.arguments.get("depth", 4))


class _Generator:
    """The network of one expansion: where the memory of the GPU is too small, it goes on on the CPU and says so."""

    def __init__(self, network: Module, device: Device) -> None:
        self._network, self._device = network, device
        self.warnings: list[str] = []

    @stage("network")
    def step(self, scope: Tensor, progress: Progress, message: str) -> Tensor:
        """Apply the generator once: scope (1, 1, z, y, x) in HU / 1000 to the next one, on the CPU."""
        import torch

        from ..model.device import is_out_of_memory
        from ..model.networks.interruption import followed
        from ..model.prediction import predicted

        with followed(self._network, lambda done: progress(done, message)), torch.inference_mode():
            try:
                return predicted(self._network, scope.to(self._device)).cpu()
            except RuntimeError as error:
                if self._device.type == "cpu" or not is_out_of_memory(error):
                    raise
        self.warnings.append(f"The memory of the GPU ({self._device}) was too small, so the work went on on the CPU.")
        # The model that others share stays on its device.
        self._network, self._device = copy.deepcopy(self._network).cpu(), torch.device("cpu")
        return self.step(scope, progress, message)


def distance_warnings(distance_mm: float, error_by_distance: Sequence[tuple[float, float]] = ()) -> list[str]:
    """Return warnings on a distance in mm, with what the model's figures (mm from the edge, HU) say about it."""
    if distance_mm <= DOUBTFUL_MM:
        return []
    spaced = error_by_distance[:: -max(1, len(error_by_distance) // FIGURES_QUOTED)][:FIGURES_QUOTED][::-1]
    figures = ", ".join(f"{error:.0f} HU at {mm:.0f} mm" for mm, error in spaced)
    measured = f" (mean error over body voxels of held-out patients: {figures})" if figures else ""
    return [
        f"Slices {distance_mm:.0f} mm beyond the edge were asked for. Errors add up with distance{measured}: past "
        f"{DOUBTFUL_MM:.0f} mm the anatomy shown is a guess."
    ]


def _joined(following: Tensor, edge: Tensor, step: int, spacing_mm: float) -> Tensor:
    """The new slices of a predicted scope, free of a step against the edge slice (n, 1, 1, y, x) that they follow.

    The network predicts the edge slice too. What it gets wrong there it gets wrong in the next slices as well, so that
    error is taken off, less and less with distance.
    """
    import torch

    new = following[:, :, -step:]
    error = following[:, :, -step - 1 : -step] - edge
    distance = torch.arange(1, step + 1, dtype=new.dtype) * spacing_mm
    return new - error * torch.exp(-distance / SEAM_FADES_MM).view(1, 1, -1, 1, 1)


def scope_at_end(working: WorkingVolume, depth: int, rows: slice, columns: slice) -> NDArray[np.float32]:
    """The scope (z, y, x) in HU at the anchored end, z toward that end; air where it reaches past the working grid."""
    scope = np.full((depth, rows.stop - rows.start, columns.stop - columns.start), AIR_HU, dtype=np.float32)
    _copy_overlap(working.outward(working.array)[-depth:], scope, rows.start, columns.start)
    return scope


def _copy_overlap(source: NDArray[np.float32], target: NDArray[np.float32], row: int, column: int) -> None:
    """Copy source (z, y, x) into target, whose first voxel in plane is (row, column) of source; ends flush in z."""
    depth = min(source.shape[0], target.shape[0])
    spans = []
    for start, source_size, target_size in ((row, *_sizes(source, target, 1)), (column, *_sizes(source, target, 2))):
        low, high = max(0, start), min(source_size, start + target_size)
        spans.append((slice(low, high), slice(low - start, high - start)))
    (source_rows, target_rows), (source_columns, target_columns) = spans
    target[-depth:, target_rows, target_columns] = source[-depth:, source_rows, source_columns]


def _sizes(source: NDArray[np.float32], target: NDArray[np.float32], axis: int) -> tuple[int, int]:
    return source.shape[axis], target.shape[axis]
