"""The last refinement on real voxels, by a proven optimizer behind a small interface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import SimpleITK as sitk

from ..errors import Cancelled, InputError, RegistrationError
from ..options import BackendName, TransformType
from ..progress import Progress


@dataclass(frozen=True, eq=False)
class RefinementImages:
    """What a back end compares: float32 HU, air outside the body, and uint8 masks of real body voxels."""

    fixed: sitk.Image
    moving: sitk.Image
    fixed_mask: sitk.Image
    moving_mask: sitk.Image


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


def backend_of(name: BackendName) -> Backend:
    """Return the back end of an option that works outside 3D Slicer.

    Raises:
        InputError: it works inside Slicer only.
    """
    if name == "brainsfit":
        raise InputError("The back end brainsfit is a module of 3D Slicer. Choose automatic or simpleitk here.")
    return SimpleITKBackend()


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
