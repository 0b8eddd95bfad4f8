"""What registration sees of a CT: HU, body, field of view and synthetic depth, resampled to upright isotropic grids."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..errors import RegistrationError
from ..volume import AIR_HU, Provenance, Volume, body_axis
from ..volume.body import BodyMask, outside_to_air
from ..volume.points import at_indices, coordinate_on_grid, indices_at
from ..volume.resampling import averaged_layers, resample_averaged, whole_factors

Box = tuple[slice, ...]
"""Some voxels (z, y, x) of a volume."""

MARGIN_MM = 16.0
SMALLEST_BODY_LITERS = 0.05
# Voxels finer than this are averaged: no level of the search and of the refinement looks closer.
FINEST_MM = 1.6


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


class ImagePyramid:
    """A CT with its body mask, from which images of any resolution are made.

    Of the CT no more is kept than lies around the body, averaged down to about FINEST_MM.

    Attributes:
        volume: the CT, expanded or not.
        synthetic: whether it has synthetic voxels.
        hu: float32, air outside the body.
        body: float32, share of the voxel inside the body.
    """

    def __init__(self, volume: Volume) -> None:
        """Prepare.

        Raises:
            RegistrationError: the volume shows no body.
        """
        self.volume = volume
        self.synthetic = volume.holds(Provenance.SYNTHETIC)
        self._mask = BodyMask.of(volume)
        self._padded = volume.holds(Provenance.NO_DATA)
        hits, voxels = self._hits()
        liters = voxels * float(np.prod(volume.spacing)) / 1e6
        if liters < SMALLEST_BODY_LITERS:
            raise RegistrationError(
                f"{volume.name} shows no body ({liters:.2f} liters above air). Choose a CT in HU with the patient in "
                "view."
            )
        self._bounds = self._body_bounds(hits)
        self._box = self._box_of_bounds()
        self.hu = self._averaged(lambda box: outside_to_air(volume.array[box], self._inside(box)))
        self.body = self._averaged(self._inside)
        self._data = self._averaged(self._known) if self._padded else None
        self._depth_along = self._slice_depths()
        # Where synthetic voxels fill up slices that hold real ones, the share of either.
        self._mixed = (
            [] if self._depth_along is not None else [self._share(Provenance.REAL), self._share(Provenance.SYNTHETIC)]
        )
        self._images: dict[float, GridImage] = {}

    def at(self, spacing: float) -> GridImage:
        """The CT on an isotropic grid of the given voxel size in mm; made once."""
        if spacing not in self._images:
            self._images[spacing] = self._image(spacing)
        return self._images[spacing]

    def real_mask(self) -> sitk.Image:
        """The real voxels of the body as uint8, on the grid of `hu`."""
        if self.volume.provenance is None:
            return self.body > 0.5
        return (self.body > 0.5) & (self._share(Provenance.REAL) > 0.5)

    def _image(self, spacing: float) -> GridImage:
        low, high = self._bounds
        count = np.ceil((high - low) / spacing).astype(int) + 1
        origin = (low + high) / 2 - (count - 1) * spacing / 2
        reference = sitk.Image([int(n) for n in count], sitk.sitkUInt8)
        reference.SetSpacing([spacing] * 3)
        reference.SetOrigin(origin.tolist())
        hu = sitk.GetArrayFromImage(resample_averaged(self.hu, reference, AIR_HU))
        body = sitk.GetArrayFromImage(resample_averaged(self.body, reference, 0.0))
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
        stack = np.moveaxis(self.volume.provenance, axis.numpy_axis, 0)
        real, synthetic = (
            np.array([(layer == kind).any() for layer in stack]) for kind in (Provenance.REAL, Provenance.SYNTHETIC)
        )
        if (real & synthetic).any():
            return None
        kept = np.flatnonzero(real)
        away = np.where(synthetic, np.maximum(np.maximum(kept[0] - index, index - kept[-1]), 0), 0)
        return away * self.volume.spacing[axis.index]

    def _known(self, box: Box) -> NDArray[np.bool_]:
        """Which voxels of a box are no padding."""
        assert self.volume.provenance is not None
        known: NDArray[np.bool_] = self.volume.provenance[box] != Provenance.NO_DATA
        return known

    def _inside(self, box: Box) -> NDArray[np.bool_]:
        """Which voxels of a box belong to the body and are no padding."""
        inside = self._mask.within(box)
        return inside & self._known(box) if self._padded else inside

    def _hits(self) -> tuple[list[NDArray[np.bool_]], int]:
        """The layers, rows and columns that hold any of the body, and its number of voxels."""
        depth, height, width = self.volume.array.shape
        hits: list[NDArray[np.bool_]] = [np.zeros(count, dtype=bool) for count in (depth, height, width)]
        voxels = 0
        for layer in range(depth):
            inside = self._inside((slice(layer, layer + 1), slice(0, height), slice(0, width)))[0]
            rows = inside.any(axis=1)
            hits[0][layer] = rows.any()
            hits[1] |= rows
            hits[2] |= inside.any(axis=0)
            voxels += int(np.count_nonzero(inside))
        return hits, voxels

    def _body_bounds(self, hits: list[NDArray[np.bool_]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        spans = []
        for along in hits:
            kept = np.flatnonzero(along)
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
            index = coordinate_on_grid(to_index[row, :3], start, *steps)
            valid &= (index >= -0.5) & (index <= self.volume.size[row] - 0.5)
            if row == axis and self._depth_along is not None and self._depth_along.any():
                along = np.arange(self._depth_along.size)
                depth = np.interp(index, along, self._depth_along).astype(np.float32)
        if self._mixed:
            depth = _depth_of_mixed_slices(*(resample_averaged(share, reference, 0.0) for share in self._mixed))
        return valid, depth

    def _box_of_bounds(self) -> Box:
        """The part of the array (z, y, x) that the grids of all images lie in."""
        low, high = self._bounds
        corners = np.array(np.meshgrid(*zip(low - MARGIN_MM, high + MARGIN_MM, strict=True))).reshape(3, -1).T
        index = indices_at(self.volume, corners)
        first = np.maximum(np.floor(index.min(axis=0)).astype(int), 0)
        stop = np.minimum(np.ceil(index.max(axis=0)).astype(int) + 1, self.volume.size)
        return tuple(slice(int(a), int(b)) for a, b in zip(first[::-1], stop[::-1], strict=True))

    def _averaged(self, voxels: Callable[[Box], NDArray[Any]]) -> sitk.Image:
        """What a function gives of boxes (z, y, x) of the volume, of the box around the body, on the grid of `hu`."""
        factors = whole_factors(self.volume.spacing, [FINEST_MM] * 3)
        layers, rows, columns = self._box

        def some(at: slice) -> NDArray[Any]:
            return voxels((slice(layers.start + at.start, layers.start + at.stop), rows, columns))

        shape = [span.stop - span.start for span in self._box]
        image = sitk.GetImageFromArray(averaged_layers(some, shape, factors[::-1]))
        image.SetSpacing([own * factor for own, factor in zip(self.volume.spacing, factors, strict=True)])
        image.SetDirection(self.volume.direction.ravel().tolist())
        first = np.array([span.start for span in self._box[::-1]]) + (np.array(factors) - 1) / 2
        image.SetOrigin(at_indices(self.volume, first[None])[0].tolist())
        return image

    def _share(self, kind: Provenance) -> sitk.Image:
        provenance = self.volume.provenance
        assert provenance is not None
        return self._averaged(lambda box: provenance[box] == kind)


def _depth_of_mixed_slices(real: sitk.Image, synthetic: sitk.Image) -> NDArray[np.float32]:
    """Synthetic depth (z, y, x) by the shares of voxels on an upright grid: to the nearest real one.

    An expansion fills up slices that hold real voxels where the end of a volume is tilted.
    """
    distance = sitk.SignedMaurerDistanceMap(real > 0.5, squaredDistance=False, useImageSpacing=True)
    away = np.maximum(sitk.GetArrayFromImage(distance), 0.0)
    return np.where(sitk.GetArrayViewFromImage(synthetic) > 0.5, away, 0.0).astype(np.float32)
