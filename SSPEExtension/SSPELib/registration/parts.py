"""What registration sees of a volume: HU, body, field of view and how synthetic each voxel is, on an upright grid."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..errors import RegistrationError
from ..volume import AIR_HU, End, Provenance, Volume, body_axis, body_mask, synthetic_mm
from ..volume.body import outside_to_air
from ..volume.resampling import resample_averaged

MARGIN_MM = 16.0
SMALLEST_BODY_LITERS = 0.05


@dataclass(frozen=True, eq=False)
class Part:
    """One partial volume on an upright LPS grid (x left, y back, z head) around its body.

    Attributes:
        hu: (z, y, x) float32, air outside the body.
        body: (z, y, x) float32, share of the voxel inside the body, 0 to 1.
        valid: (z, y, x) bool, inside the field of view.
        depth: (z, y, x) float32, distance from the last real slice, mm; 0 where real.
        spacing: voxel size, mm.
        origin: (3,) center of voxel (0, 0, 0), LPS mm.
    """

    hu: NDArray[np.float32]
    body: NDArray[np.float32]
    valid: NDArray[np.bool_]
    depth: NDArray[np.float32]
    spacing: float
    origin: NDArray[np.float64]

    def points(self, where: NDArray[np.bool_]) -> NDArray[np.float64]:
        """LPS coordinates (n, 3) of the voxels chosen by a mask (z, y, x)."""
        indices = np.argwhere(where)[:, ::-1]
        return self.origin + indices * self.spacing

    def real_only(self) -> Part:
        """The same without synthetic slices: their voxels lie outside the field of view."""
        real = self.valid & (self.depth < 0.5 * self.spacing)
        return replace(self, body=self.body * real, valid=real)


@dataclass(eq=False)
class PartSource:
    """A volume with its body mask, from which parts of any resolution are made."""

    volume: Volume
    _hu: sitk.Image = field(init=False, repr=False)
    _body: sitk.Image = field(init=False, repr=False)
    _parts: dict[float, Part] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        mask = body_mask(self.volume)
        liters = mask.sum() * float(np.prod(self.volume.spacing)) / 1e6
        if liters < SMALLEST_BODY_LITERS:
            raise RegistrationError(
                f"{self.volume.name} shows no body ({liters:.2f} liters above air). "
                "Choose a CT in HU with the patient in view."
            )
        array = outside_to_air(self.volume.array.astype(np.float32), mask)
        self._hu = self.volume.like(array).to_image()
        self._body = self.volume.like(mask.astype(np.float32)).to_image()
        self._depth_along = self._slice_depths()
        self._bounds = self._body_bounds(mask)

    def at(self, spacing: float) -> Part:
        """The part on an isotropic grid of the given voxel size in mm; made once."""
        if spacing not in self._parts:
            self._parts[spacing] = self._part(spacing)
        return self._parts[spacing]

    def _part(self, spacing: float) -> Part:
        low, high = self._bounds
        count = np.ceil((high - low) / spacing).astype(int) + 1
        origin = (low + high) / 2 - (count - 1) * spacing / 2
        reference = sitk.Image([int(n) for n in count], sitk.sitkUInt8)
        reference.SetSpacing([spacing] * 3)
        reference.SetOrigin(origin.tolist())
        hu = sitk.GetArrayFromImage(resample_averaged(self._hu, reference, AIR_HU))
        body = sitk.GetArrayFromImage(resample_averaged(self._body, reference, 0.0))
        valid, depth = self._view(count, origin, spacing)
        return Part(hu, body * valid, valid, depth, spacing, origin)

    def masked_image(self) -> sitk.Image:
        """HU as float32 on the own grid, air outside the body."""
        return self._hu

    def mask_image(self, real: bool) -> sitk.Image:
        """Body as uint8 on the own grid; real leaves synthetic slices out."""
        array = sitk.GetArrayViewFromImage(self._body) > 0
        if real:
            array = array & self.volume.where(Provenance.REAL)
        return self.volume.like(array.astype(np.uint8)).to_image()

    def _slice_depths(self) -> NDArray[np.float64]:
        """Distance of each slice along the body axis from the nearest real one, mm."""
        axis = body_axis(self.volume)
        count = self.volume.array.shape[axis.numpy_axis]
        made = synthetic_mm(self.volume)
        spacing = self.volume.spacing[axis.index]
        ends: tuple[End, End] = ("inferior", "superior") if axis.superior > 0 else ("superior", "inferior")
        before, after = (made[end] for end in ends)
        place = np.arange(count) * spacing
        return np.maximum(np.maximum(before - place, place - (count * spacing - after) + spacing), 0)

    def _body_bounds(self, mask: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        spans = []
        for axis in range(3):
            others = tuple(i for i in range(3) if i != axis)
            kept = np.flatnonzero(mask.any(axis=others))
            spans.append((kept[0] - 0.5, kept[-1] + 0.5))
        corners = np.array([(i, j, k, 1.0) for i in spans[2] for j in spans[1] for k in spans[0]])
        lps = (corners @ self.volume.index_to_lps.T)[:, :3]
        return lps.min(axis=0) - MARGIN_MM, lps.max(axis=0) + MARGIN_MM

    def _view(
        self, count: NDArray[np.int_], origin: NDArray[np.float64], spacing: float
    ) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """Field of view and synthetic depth (z, y, x) of an upright grid, from the geometry alone."""
        to_index = np.linalg.inv(self.volume.index_to_lps)
        steps = [np.arange(n) * spacing for n in count]
        shape = (count[2], count[1], count[0])
        valid = np.ones(shape, dtype=bool)
        axis = body_axis(self.volume).index
        depth = np.zeros(shape, dtype=np.float32)
        for row in range(3):
            start = to_index[row, :3] @ origin + to_index[row, 3]
            index = (
                start
                + to_index[row, 2] * steps[2][:, None, None]
                + to_index[row, 1] * steps[1][None, :, None]
                + to_index[row, 0] * steps[0][None, None, :]
            )
            valid &= (index >= -0.5) & (index <= self.volume.size[row] - 0.5)
            if row == axis and self._depth_along.any():
                along = np.arange(self._depth_along.size)
                depth = np.interp(index, along, self._depth_along).astype(np.float32)
        return valid, depth
