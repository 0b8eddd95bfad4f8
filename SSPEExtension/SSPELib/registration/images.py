"""What registration sees of a CT: HU, body, field of view and synthetic depth, resampled to upright isotropic grids."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..errors import RegistrationError
from ..stages import stage
from ..volume import AIR_HU, Provenance, Volume, body_axis, body_mask
from ..volume.body import outside_to_air
from ..volume.resampling import resample_averaged

MARGIN_MM = 16.0
SMALLEST_BODY_LITERS = 0.05


@dataclass(frozen=True, eq=False)
class GridImage:
    """One CT on an upright LPS grid (x left, y back, z head) around its body.

    Attributes:
        hu: (z, y, x) float32, air outside the body.
        body: (z, y, x) float32, share of the voxel inside the body, 0 to 1; 0 where there are no data.
        valid: (z, y, x) bool, inside the field of view and not padding.
        depth: (z, y, x) float32, distance from the nearest real slice, mm; 0 where real.
        spacing: voxel size, mm.
        origin: (3,) center of voxel (0, 0, 0), LPS mm.
    """

    hu: NDArray[np.float32]
    body: NDArray[np.float32]
    valid: NDArray[np.bool_]
    depth: NDArray[np.float32]
    spacing: float
    origin: NDArray[np.float64]

    @property
    def real(self) -> NDArray[np.bool_]:
        """Voxels (z, y, x) of which at least half is real."""
        return self.depth < 0.5 * self.spacing

    def points(self, where: NDArray[np.bool_]) -> NDArray[np.float64]:
        """LPS coordinates (n, 3) of the voxels chosen by a mask (z, y, x)."""
        return self.origin + np.argwhere(where)[:, ::-1] * self.spacing

    def real_body_points(self) -> NDArray[np.float64]:
        """LPS coordinates (n, 3) of the real voxels inside the body."""
        return self.points((self.body > 0.5) & (self.depth == 0))

    def real_only(self) -> GridImage:
        """The same without synthetic slices: their voxels lie outside the field of view."""
        return replace(self, body=self.body * self.real, valid=self.valid & self.real)

    def chosen(self, where: NDArray[np.bool_] | NDArray[np.int_]) -> GridImage:
        """Single voxels in a row, by a mask (z, y, x) or by indices into the flattened grid."""
        flat = np.flatnonzero(where) if where.dtype == bool else where
        arrays = {name: getattr(self, name).ravel()[flat] for name in ("hu", "body", "valid", "depth")}
        return replace(self, **arrays)

    def cropped(self, low: NDArray[np.float64], high: NDArray[np.float64]) -> GridImage:
        """The voxels within a box (3,) to (3,), LPS mm; at least one voxel."""
        size = np.array(self.hu.shape[::-1])
        first = np.clip(np.floor((low - self.origin) / self.spacing).astype(int), 0, size - 1)
        stop = np.clip(np.ceil((high - self.origin) / self.spacing).astype(int) + 1, first + 1, size)
        box = tuple(slice(a, b) for a, b in zip(first[::-1], stop[::-1], strict=True))
        return replace(
            self,
            hu=self.hu[box],
            body=self.body[box],
            valid=self.valid[box],
            depth=self.depth[box],
            origin=self.origin + first * self.spacing,
        )


@dataclass(eq=False)
class ImagePyramid:
    """A CT with its body mask, from which images of any resolution are made.

    Attributes:
        volume: the CT, expanded or not.

    Raises:
        RegistrationError: the volume shows no body.
    """

    volume: Volume
    _hu: sitk.Image = field(init=False, repr=False)
    _body: sitk.Image = field(init=False, repr=False)
    _data: sitk.Image | None = field(init=False, repr=False, default=None)
    _images: dict[float, GridImage] = field(init=False, repr=False, default_factory=dict)

    @stage("preparation")
    def __post_init__(self) -> None:
        mask = body_mask(self.volume)
        data = None if self.volume.provenance is None else ~self.volume.where(Provenance.NO_DATA)
        if data is not None:
            mask &= data
        liters = mask.sum() * float(np.prod(self.volume.spacing)) / 1e6
        if liters < SMALLEST_BODY_LITERS:
            raise RegistrationError(
                f"{self.volume.name} shows no body ({liters:.2f} liters above air). "
                "Choose a CT in HU with the patient in view."
            )
        array = outside_to_air(self.volume.array.astype(np.float32), mask)
        self._hu = self.volume.like(array).to_image()
        self._body = self.volume.like(mask.astype(np.float32)).to_image()
        if data is not None and not data.all():
            self._data = self.volume.like(data.astype(np.float32)).to_image()
        self._depth_along = self._slice_depths()
        self._bounds = self._body_bounds(mask)

    @property
    def synthetic(self) -> bool:
        """Whether there are synthetic voxels."""
        return self.volume.provenance is not None and bool(self.volume.where(Provenance.SYNTHETIC).any())

    def at(self, spacing: float) -> GridImage:
        """The CT on an isotropic grid of the given voxel size in mm; made once."""
        if spacing not in self._images:
            self._images[spacing] = self._image(spacing)
        return self._images[spacing]

    def masked_image(self) -> sitk.Image:
        """HU as float32 on the own grid, air outside the body."""
        return self._hu

    def real_mask(self) -> sitk.Image:
        """The real voxels of the body as uint8 on the own grid."""
        mask = sitk.GetArrayViewFromImage(self._body) > 0
        if self.volume.provenance is not None:
            mask = mask & self.volume.where(Provenance.REAL)
        return self.volume.like(mask.astype(np.uint8)).to_image()

    @stage("preparation")
    def _image(self, spacing: float) -> GridImage:
        low, high = self._bounds
        count = np.ceil((high - low) / spacing).astype(int) + 1
        origin = (low + high) / 2 - (count - 1) * spacing / 2
        reference = sitk.Image([int(n) for n in count], sitk.sitkUInt8)
        reference.SetSpacing([spacing] * 3)
        reference.SetOrigin(origin.tolist())
        hu = sitk.GetArrayFromImage(resample_averaged(self._hu, reference, AIR_HU))
        body = sitk.GetArrayFromImage(resample_averaged(self._body, reference, 0.0))
        valid, depth = self._field_of_view(reference)
        if self._data is not None:
            share = sitk.GetArrayFromImage(resample_averaged(self._data, reference, 0.0))
            valid &= share > 0.5
            # Padding was averaged in as air: what the real share of the voxel shows is brought back.
            known = np.maximum(share, 0.5)
            hu = np.where(valid, (hu - AIR_HU) / known + AIR_HU, AIR_HU).astype(np.float32)
            body = np.minimum(body / known, 1.0)
        return GridImage(hu, body * valid, valid, depth, spacing, origin)

    def _slice_depths(self) -> NDArray[np.float64] | None:
        """Distance of each slice along the body axis from the nearest real one, mm; None where slices are mixed."""
        axis = body_axis(self.volume)
        index = np.arange(self.volume.size[axis.index])
        if self.volume.provenance is None:
            return np.zeros(index.size)
        across = tuple(other for other in range(3) if other != axis.numpy_axis)
        real, synthetic = (self.volume.where(kind).any(axis=across) for kind in (Provenance.REAL, Provenance.SYNTHETIC))
        if (real & synthetic).any():
            return None
        kept = np.flatnonzero(real)
        away = np.where(synthetic, np.maximum(np.maximum(kept[0] - index, index - kept[-1]), 0), 0)
        return away * self.volume.spacing[axis.index]

    def _body_bounds(self, mask: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        spans = []
        for axis in range(3):
            others = tuple(i for i in range(3) if i != axis)
            kept = np.flatnonzero(mask.any(axis=others))
            spans.append((kept[0] - 0.5, kept[-1] + 0.5))
        corners = np.array([(i, j, k, 1.0) for i in spans[2] for j in spans[1] for k in spans[0]])
        lps = (corners @ self.volume.index_to_lps.T)[:, :3]
        return lps.min(axis=0) - MARGIN_MM, lps.max(axis=0) + MARGIN_MM

    def _field_of_view(self, reference: sitk.Image) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """Field of view and synthetic depth (z, y, x) of an upright grid."""
        spacing, origin, count = reference.GetSpacing()[0], np.array(reference.GetOrigin()), reference.GetSize()
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
            if row == axis and self._depth_along is not None and self._depth_along.any():
                along = np.arange(self._depth_along.size)
                depth = np.interp(index, along, self._depth_along).astype(np.float32)
        if self._depth_along is None:
            depth = self._depth_of_mixed_slices(reference)
        return valid, depth

    def _depth_of_mixed_slices(self, reference: sitk.Image) -> NDArray[np.float32]:
        """Synthetic depth (z, y, x) where synthetic voxels fill up slices that hold real ones: to the nearest of those.

        The expansion of a tilted end does so.
        """
        real, synthetic = (
            resample_averaged(self.volume.like(self.volume.where(kind).astype(np.float32)).to_image(), reference, 0.0)
            for kind in (Provenance.REAL, Provenance.SYNTHETIC)
        )
        distance = sitk.SignedMaurerDistanceMap(real > 0.5, squaredDistance=False, useImageSpacing=True)
        away = np.maximum(sitk.GetArrayFromImage(distance), 0.0)
        return np.where(sitk.GetArrayViewFromImage(synthetic) > 0.5, away, 0.0).astype(np.float32)
