"""A CT volume: voxels in Hounsfield units, where they lie in the patient (LPS), and where they come from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..hounsfield import AIR_HU as AIR_HU
from .provenance import Provenance

# ITK cannot invert matrices with numbers near the smallest that there are: all places would be NaN.
NO_ANGLE = 1e-30


@dataclass(frozen=True, eq=False)
class Volume:
    """An immutable scalar volume; one that was never expanded is an expansion of 0 mm.

    Attributes:
        array: voxels (z, y, x) in HU, in the data type of the input.
        spacing: voxel size along the x, y and z index axes, mm.
        origin: center of voxel (0, 0, 0), LPS mm.
        direction: (3, 3), its columns are the unit vectors of the x, y and z index axes in LPS.
        name: the file or node that the volume came from, for messages.
        frame_of_reference: DICOM frame of reference UID, where one is known.
        provenance: (z, y, x) uint8, values of `Provenance`; None where all voxels are real.
        remarks: sentences on what was assumed, left out or resampled when it was read, for whoever uses it.
    """

    array: NDArray[Any]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    direction: NDArray[np.float64]
    name: str = "volume"
    frame_of_reference: str | None = None
    provenance: NDArray[np.uint8] | None = None
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.array.ndim != 3:
            raise ValueError(f"A volume has three axes, {self.name} has {self.array.ndim}.")
        if self.provenance is not None and self.provenance.shape != self.array.shape:
            raise ValueError(
                f"The provenance of {self.name} has the shape {self.provenance.shape}, its voxels {self.array.shape}."
            )
        for name in ("array", "provenance"):
            if getattr(self, name) is not None:
                view = getattr(self, name).view()
                view.flags.writeable = False
                object.__setattr__(self, name, view)
        object.__setattr__(self, "spacing", tuple(float(value) for value in self.spacing))
        object.__setattr__(self, "origin", tuple(float(value) for value in self.origin))
        direction = np.array(self.direction, dtype=np.float64).reshape(3, 3)
        direction[np.abs(direction) < NO_ANGLE] = 0.0
        direction.flags.writeable = False
        object.__setattr__(self, "direction", direction)

    @classmethod
    def from_image(cls, image: sitk.Image, name: str = "volume", frame_of_reference: str | None = None) -> Volume:
        """Take voxels and geometry from a three-dimensional scalar image."""
        return cls(
            array=sitk.GetArrayFromImage(image),
            spacing=image.GetSpacing(),
            origin=image.GetOrigin(),
            direction=np.array(image.GetDirection(), dtype=np.float64),
            name=name,
            frame_of_reference=frame_of_reference,
        )

    def to_image(self) -> sitk.Image:
        """Return a SimpleITK image with the same voxels and geometry."""
        image = sitk.GetImageFromArray(self.array)
        image.SetSpacing(self.spacing)
        image.SetOrigin(self.origin)
        image.SetDirection(self.direction.ravel().tolist())
        return image

    def provenance_image(self) -> sitk.Image:
        """Return a SimpleITK image (uint8) of `Provenance` with the same geometry."""
        provenance = self.provenance
        if provenance is None:
            provenance = np.zeros(self.array.shape, dtype=np.uint8)
        return replace(self, array=provenance, provenance=None).to_image()

    def where(self, provenance: Provenance) -> NDArray[np.bool_]:
        """Return which voxels (z, y, x) come from somewhere."""
        if self.provenance is None:
            return np.full(self.array.shape, provenance == Provenance.REAL)
        mask: NDArray[np.bool_] = self.provenance == provenance
        return mask

    def holds(self, provenance: Provenance) -> bool:
        """Return whether any voxel comes from somewhere."""
        if self.provenance is None:
            return provenance == Provenance.REAL
        # Layer by layer, as only the first ones may have to be looked at.
        return any(bool((layer == provenance).any()) for layer in self.provenance)

    def like(self, array: NDArray[Any]) -> Volume:
        """Return other voxels (z, y, x) of the same shape and provenance on this grid."""
        if array.shape != self.array.shape:
            raise ValueError(f"Voxels of shape {array.shape} do not fit the grid {self.array.shape} of {self.name}.")
        return replace(self, array=array)

    @property
    def size(self) -> tuple[int, int, int]:
        """Number of voxels along the x, y and z index axes."""
        depth, height, width = self.array.shape
        return width, height, depth

    @property
    def index_to_lps(self) -> NDArray[np.float64]:
        """(4, 4) matrix from (i, j, k, 1) to LPS mm."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.direction * np.array(self.spacing)
        matrix[:3, 3] = self.origin
        return matrix


def index_to_lps_of(grid: sitk.Image) -> NDArray[np.float64]:
    """(4, 4) matrix from (i, j, k, 1) of an image to LPS mm."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(grid.GetDirection()).reshape(3, 3) * grid.GetSpacing()
    matrix[:3, 3] = grid.GetOrigin()
    return matrix
