"""Sequential expansion: the generator applied again and again, X[t + k delta] = G^k(X[t]) (eq. 3)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..errors import InputError
from ..progress import Progress, part, silent
from ..volume import AIR_HU, Volume, body_axis, with_slices
from ..volume.body import mask_of_slices, outside_to_air
from ..volume.checks import check_length
from .working_grid import End, WorkingVolume, append_to_own_grid, body_window, to_working

if TYPE_CHECKING:
    from torch import Tensor

    from ..model.bundle import ModelBundle

Direction = Literal["inferior", "superior", "both"]

HU_SCALE = 1000.0
FARTHEST_MM = 400.0
DOUBTFUL_MM = 150.0
FIGURES_QUOTED = 4
SEAM_FADES_MM = 12.0


@dataclass(frozen=True, eq=False)
class Expansion:
    """A volume grown along the body.

    Attributes:
        volume: the longer volume on the input's own grid (direction, spacing and in-plane size unchanged).
        synthetic: (z, y, x) uint8, 1 where a voxel was made by the network.
        original: the input, whose voxels stand unchanged in `volume`.
        synthetic_mm: length added at the ends "inferior" and "superior", mm.
        warnings: what a clinician should know.
    """

    volume: Volume
    synthetic: NDArray[np.uint8]
    original: Volume
    synthetic_mm: dict[str, float]
    warnings: tuple[str, ...]

    def mask_image(self) -> sitk.Image:
        """The synthetic slices as a uint8 image on the grid of `volume`."""
        return self.volume.like(self.synthetic).to_image()


class Expander:
    """Grow volumes with one model on one device.

    Args:
        bundle: the model.
        device: auto, cpu, cuda or mps.

    Raises:
        DeviceError: the device is not there.
        ModelError: the weights do not fit.
    """

    def __init__(self, bundle: ModelBundle, device: str = "auto") -> None:
        from ..model.device import choose_device

        self.bundle = bundle
        self.device, self.device_warning = choose_device(device)
        self.network = bundle.network(self.device)

    def expand(
        self, volume: Volume, direction: Direction, distance_mm: float = 64.0, progress: Progress = silent
    ) -> Expansion:
        """Append synthetic slices at one or both ends of the body.

        Args:
            volume: the input; it is not changed.
            direction: the end or ends that grow.
            distance_mm: length to add at each of them, rounded up to whole slices.
            progress: told of every part of a step; may raise `Cancelled`.

        Raises:
            InputError: the distance is out of range, the volume too short or without a body in view.
        """
        warnings = [warning for warning in (self.device_warning,) if warning]
        warnings += check_distance(distance_mm, self.bundle.card.error_by_distance)
        check_length(volume)
        ends: list[End] = ["inferior", "superior"] if direction == "both" else [direction]
        axis = body_axis(volume)
        spacing = volume.spacing[axis.index]
        count = math.ceil(distance_mm / spacing - 1e-6)
        appended: dict[End, NDArray[Any]] = {}
        for number, end in enumerate(ends):
            share = part(progress, number / len(ends), (number + 1) / len(ends))
            appended[end] = self._new_slices(volume, end, count, share, warnings)
        first: End = "inferior" if axis.superior > 0 else "superior"
        last: End = "superior" if axis.superior > 0 else "inferior"
        grown = with_slices(volume, appended.get(first), appended.get(last))
        synthetic = np.ones(grown.array.shape, dtype=np.uint8)
        start = count if first in appended else 0
        real: list[slice] = [slice(None)] * 3
        real[axis.numpy_axis] = slice(start, start + volume.array.shape[axis.numpy_axis])
        synthetic[tuple(real)] = 0
        progress(1.0, "Expanded")
        added: dict[str, float] = {end: count * spacing if end in appended else 0.0 for end in ("inferior", "superior")}
        return Expansion(grown, synthetic, volume, added, tuple(dict.fromkeys(warnings)))

    def predict_scope(self, scope: NDArray[np.float32]) -> NDArray[np.float32]:
        """Apply the generator once to a scope (z, y, x), HU, z in the direction of growth: G(X[t]) as it comes."""
        import torch

        low, high = self.bundle.card.window_hu
        current = torch.from_numpy(scope.clip(low, high) / np.float32(HU_SCALE))[None, None]
        return self._step(current, silent, "", [])[0, 0].float().numpy() * np.float32(HU_SCALE)

    def _new_slices(
        self, volume: Volume, end: End, count: int, progress: Progress, warnings: list[str]
    ) -> NDArray[Any]:
        """Slices beyond one end (z, y, x), in the axis order and data type of the volume."""
        progress(0.0, f"Preparing the {end} end")
        working = to_working(volume, self.bundle.card.spacing_mm, end)
        if not working.mask.any():
            raise InputError(f"No body is in view in {volume.name}. Check that it is a CT of a patient.")
        axis = body_axis(volume)
        length_mm = count * volume.spacing[axis.index]
        grown = self._grow(working, math.ceil(length_mm / working.spacing_mm), part(progress, 0.05, 0.9), warnings)
        progress(0.9, f"Bringing the {end} slices back to the grid of the volume")
        return append_to_own_grid(volume, working, grown, count)

    def _grow(self, working: WorkingVolume, count: int, progress: Progress, warnings: list[str]) -> NDArray[np.float32]:
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
            following = self._step(current, share, message, warnings)
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

    def _multiple(self) -> int:
        return 2 ** int(self.bundle.card.arguments.get("depth", 4))

    def _step(self, scope: Tensor, progress: Progress, message: str, warnings: list[str]) -> Tensor:
        """Apply the generator once: scope (1, 1, z, y, x) in HU / 1000 to the next one, on the CPU."""
        import torch

        from ..model.device import is_out_of_memory
        from ..model.networks.interruption import followed

        with followed(self.network, lambda done: progress(done, message)), torch.inference_mode():
            try:
                return self.network(scope.to(self.device)).cpu()
            except RuntimeError as error:
                if self.device.type == "cpu" or not is_out_of_memory(error):
                    raise
        warnings.append(f"The memory of the GPU ({self.device}) was too small, so the work went on on the CPU.")
        self.device = torch.device("cpu")
        self.network = self.network.to(self.device)
        return self._step(scope, progress, message, warnings)


def check_distance(distance_mm: float, error_by_distance: Sequence[tuple[float, float]] = ()) -> list[str]:
    """Return warnings on a distance in mm, with what the model's figures (mm from the edge, HU) say about it.

    Raises:
        InputError: it is not above 0 and at most 400 mm.
    """
    if not 0 < distance_mm <= FARTHEST_MM:
        raise InputError(
            f"The distance is {distance_mm:g} mm, but it must be above 0 and at most {FARTHEST_MM:.0f} mm; choose for "
            "example 64."
        )
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
