"""The last refinement on real voxels, by a proven optimizer behind a small interface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..errors import Cancelled, InputError, RegistrationError
from ..options import BackendName, TransformType
from ..poses import Matrix
from ..progress import Progress
from ..volume import index_to_lps_of
from ..volume.points import coordinate_on_grid
from .images import ImagePyramid

# Voxels farther than this from the overlap are not compared.
REACH_MM = 10.0


@dataclass(frozen=True, eq=False)
class RefinementImages:
    """What a back end compares: float32 HU, air outside the body, and uint8 masks of real body voxels."""

    fixed: sitk.Image
    moving: sitk.Image
    fixed_mask: sitk.Image
    moving_mask: sitk.Image

    @classmethod
    def of(cls, fixed: ImagePyramid, moving: ImagePyramid, pose: Matrix) -> RefinementImages:
        """Real voxels near the overlap under a pose, on the CTs' own grids (averaged down to about 1.6 mm)."""
        fixed_real, moving_real = fixed.real_mask(), moving.real_mask()
        fixed_image, fixed_mask = _cropped(fixed.hu, fixed_real, moving_real, pose)
        moving_image, moving_mask = _cropped(moving.hu, moving_real, fixed_mask, np.linalg.inv(pose))
        return cls(fixed_image, moving_image, fixed_mask, moving_mask)


class Backend(Protocol):
    """Improves a linear transform that is already close."""

    @property
    def name(self) -> str:
        """Shown in reports."""

    def refine(
        self, images: RefinementImages, initial: sitk.Transform, transform_type: TransformType, progress: Progress
    ) -> sitk.Transform:
        """Return an improved transform, fixed points to moving points.

        Args:
            images: images and masks in LPS.
            initial: a VersorRigid3DTransform or AffineTransform near the answer.
            transform_type: degrees of freedom.
            progress: may raise `Cancelled`, which must reach the caller.

        Raises:
            RegistrationError: the back end gave no transform.
        """


@dataclass(frozen=True)
class SimpleITKBackend:
    """Mattes mutual information and regular steps in SimpleITK, with the metric and optimizer of BRAINSFit.

    Attributes:
        samples: how many fixed voxels are compared.
        iterations: at most this many steps.
        bins: of the joint histogram.
        first_step_mm, last_step_mm: the step length, which falls by relaxation whenever the direction turns back.
    """

    samples: int = 40000
    iterations: int = 300
    bins: int = 50
    first_step_mm: float = 1.0
    last_step_mm: float = 0.001
    # Steps that shrink faster end on the way: of an affine transform, whose stretch is the last to be found.
    relaxation: float = 0.8

    @property
    def name(self) -> str:
        """Shown in reports."""
        return "SimpleITK"

    def refine(
        self, images: RefinementImages, initial: sitk.Transform, transform_type: TransformType, progress: Progress
    ) -> sitk.Transform:
        """See `Backend.refine`."""
        method = sitk.ImageRegistrationMethod()
        method.SetMetricAsMattesMutualInformation(self.bins)
        method.SetMetricFixedMask(images.fixed_mask)
        method.SetMetricMovingMask(images.moving_mask)
        share = min(1.0, self.samples / images.fixed.GetNumberOfPixels())
        if share < 1.0:
            method.SetMetricSamplingStrategy(method.RANDOM)
            method.SetMetricSamplingPercentage(share, 20240229)
        method.SetInterpolator(sitk.sitkLinear)
        method.SetOptimizerAsRegularStepGradientDescent(
            self.first_step_mm, self.last_step_mm, self.iterations, relaxationFactor=self.relaxation
        )
        method.SetOptimizerScalesFromPhysicalShift()
        transform = as_type(initial, transform_type)
        method.SetInitialTransform(transform, inPlace=True)
        stop: list[Cancelled] = []

        def report() -> None:
            try:
                progress(method.GetOptimizerIteration() / self.iterations, "Refining on real voxels")
            except Cancelled as cancelled:
                # An exception cannot cross the C++ code: stop there, raise behind it.
                stop.append(cancelled)
                method.StopRegistration()

        method.AddCommand(sitk.sitkIterationEvent, report)
        try:
            method.Execute(images.fixed, images.moving)
        except RuntimeError as error:
            raise RegistrationError(
                "The last refinement on real voxels found too little overlap of the two bodies to go on."
            ) from error
        if stop:
            raise stop[0]
        return transform


# Those that work outside 3D Slicer.
BACKENDS: dict[BackendName, type[Backend]] = {"automatic": SimpleITKBackend, "simpleitk": SimpleITKBackend}


def backend_of(name: BackendName) -> Backend:
    """Return the back end of an option that works outside 3D Slicer.

    Raises:
        InputError: it works inside Slicer only.
    """
    if name not in BACKENDS:
        raise InputError(f"The back end {name} is a module of 3D Slicer. Choose {' or '.join(BACKENDS)} here.")
    return BACKENDS[name]()


def as_type(transform: sitk.Transform, transform_type: TransformType) -> sitk.Transform:
    """A copy of a linear transform as VersorRigid3DTransform (rigid) or AffineTransform."""
    # A bare Transform hides its center and matrix; SimpleITK gives the class behind it back.
    linear: Any = transform.Downcast()
    if transform_type == "rigid":
        return sitk.VersorRigid3DTransform(linear)
    affine = sitk.AffineTransform(3)
    affine.SetCenter(linear.GetCenter())
    affine.SetMatrix(linear.GetMatrix())
    affine.SetTranslation(linear.GetTranslation())
    return affine


def _cropped(
    image: sitk.Image, mask: sitk.Image, other_mask: sitk.Image, pose: Matrix
) -> tuple[sitk.Image, sitk.Image]:
    """Crop to the mask's voxels that a pose takes into the box around the other mask or within REACH_MM of it."""
    inside = sitk.GetArrayViewFromImage(mask) > 0
    box, other = _box(inside), _box(sitk.GetArrayViewFromImage(other_mask) > 0)
    if box is None or other is None:
        return image, mask
    (first, size), (low, extent) = box, other
    x, y, z = (np.arange(start, start + count) for start, count in zip(first, size, strict=True))
    near = inside[z[0] : z[-1] + 1, y[0] : y[-1] + 1, x[0] : x[-1] + 1]
    to_index = np.linalg.inv(index_to_lps_of(other_mask)) @ pose @ index_to_lps_of(mask)
    for row, spacing in enumerate(other_mask.GetSpacing()):
        index = coordinate_on_grid(to_index[row, :3], to_index[row, 3], x, y, z)
        reach = REACH_MM / spacing + 0.5
        near = near & (index >= low[row] - reach) & (index < low[row] + extent[row] - 1 + reach)
    met = _box(near)
    if met is None:
        return image, mask
    start = [begin + within for begin, within in zip(first, met[0], strict=True)]
    return sitk.RegionOfInterest(image, met[1], start), sitk.RegionOfInterest(mask, met[1], start)


def _box(array: NDArray[np.bool_]) -> tuple[list[int], list[int]] | None:
    """Start and size (x, y, z) of the smallest box around the true voxels."""
    if not array.any():
        return None
    start, size = [], []
    for axis in (2, 1, 0):
        hit = np.flatnonzero(array.any(axis=tuple(i for i in range(3) if i != axis)))
        start.append(int(hit[0]))
        size.append(int(hit[-1] - hit[0] + 1))
    return start, size
