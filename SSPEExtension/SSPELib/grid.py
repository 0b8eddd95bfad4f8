"""The working grid: the coarse, upright grid on which the network sees a body, and the way to it and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from .volume import AIR_HU, Volume
from .volume.body import mask_of_slices, outside_to_air

End = Literal["inferior", "superior"]
"""An end of the body axis."""


@dataclass(frozen=True, eq=False)
class WorkingVolume:
    """A volume on the working grid, its outside set to air.

    The grid is aligned with the volume's own slices, isotropic, and upright: x to the left, y to the back, z to the
    head of the patient. Its outermost slice at the anchored end touches the outer face of the volume's last slice
    there: a grid that reached past it would make the network continue air.

    Attributes:
        array: (z, y, x) float32, HU, air outside the body.
        mask: (z, y, x) bool, the body.
        reference: an image without meaning of its own that carries the geometry.
        end: the anchored end.
    """

    array: NDArray[np.float32]
    mask: NDArray[np.bool_]
    reference: sitk.Image
    end: End

    @property
    def spacing_mm(self) -> float:
        """Voxel size, mm."""
        return float(self.reference.GetSpacing()[0])


def to_working(volume: Volume, spacing_mm: float, end: End) -> WorkingVolume:
    """Resample a volume to the working grid anchored at one end of the body; finer voxels are averaged."""
    upright = sitk.DICOMOrient(volume.to_image(), "LPS")
    reference = _reference(upright, spacing_mm, end)
    array = sitk.GetArrayFromImage(resample_averaged(upright, reference, AIR_HU))
    mask = mask_of_slices(array, [spacing_mm, spacing_mm])
    return WorkingVolume(outside_to_air(array, mask), mask, reference, end)


def resample_averaged(
    image: sitk.Image, reference: sitk.Image, outside: float, transform: sitk.Transform | None = None
) -> sitk.Image:
    """Resample linearly to a coarser grid as float32; voxels finer than the grid's are averaged first.

    Args:
        image: what to resample.
        reference: carries the wanted geometry.
        outside: value beyond the image.
        transform: maps points of the reference to points of the image; identity where none is given.
    """
    coarse = reference.GetSpacing()
    factors = [max(1, int(c / s + 1e-6)) for c, s in zip(coarse, image.GetSpacing(), strict=True)]
    lacking = [-size % factor for size, factor in zip(image.GetSize(), factors, strict=True)]
    if any(lacking):
        image = sitk.ZeroFluxNeumannPad(image, [0, 0, 0], lacking)
    image = sitk.Cast(image, sitk.sitkFloat32)
    if any(factor > 1 for factor in factors):
        image = sitk.BinShrink(image, factors)
    return sitk.Resample(image, reference, transform or sitk.Transform(3, sitk.sitkIdentity), sitk.sitkLinear, outside)


def _reference(upright: sitk.Image, spacing_mm: float, end: End) -> sitk.Image:
    spacing = np.array(upright.GetSpacing())
    extent = spacing * upright.GetSize()
    counts = np.ceil(extent / spacing_mm - 1e-6).astype(int)
    counts[2] = max(1, int(extent[2] / spacing_mm + 1e-6))
    # Offsets of the first working voxel's center from the outer corner of the upright image, mm.
    offset = (extent - (counts - 1) * spacing_mm) / 2
    spare = extent[2] - counts[2] * spacing_mm
    offset[2] = spacing_mm / 2 if end == "inferior" else spare + spacing_mm / 2
    index = (offset / spacing - 0.5).tolist()
    reference = sitk.Image([int(count) for count in counts], sitk.sitkUInt8)
    reference.SetSpacing([spacing_mm] * 3)
    reference.SetDirection(upright.GetDirection())
    reference.SetOrigin(upright.TransformContinuousIndexToPhysicalPoint(index))
    return reference
