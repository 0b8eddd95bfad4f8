"""The systems that the registration benchmark compares: this one, and peers with settings as their users have them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from SSPELib import tasks
from SSPELib.errors import InputError
from SSPELib.options import DeviceName, Direction, RegisterOptions, TransformType
from SSPELib.poses import about, to_transform
from SSPELib.progress import Progress
from SSPELib.registration import Registration
from SSPELib.registration.backends import Backend, RefinementImages
from SSPELib.volume import Volume
from SSPELib.volume.points import body_points

from .peers import Grid, ants, elastix, isolated


@dataclass(frozen=True, eq=False)
class Answer:
    """A transform from fixed to moving points, and what this system says of it; others say nothing."""

    transform: sitk.Transform
    said: Registration | None = None


class System(Protocol):
    """Registers a pair from its headers or, where start is "unknown", without trusting them."""

    @property
    def name(self) -> str:
        """Shown in tables."""

    def solve(self, fixed: Volume, moving: Volume, start: str) -> Answer:
        """Register; any exception counts as a failed case."""


@dataclass(frozen=True)
class Known:
    """A transform that is known beforehand, as a system among others."""

    name: str
    transform: sitk.Transform

    def solve(self, fixed: Volume, moving: Volume, start: str) -> Answer:
        """See `System.solve`."""
        return Answer(self.transform)


@dataclass(frozen=True)
class Ours:
    """This system, whole or without one of its parts.

    Attributes:
        name: shown in tables.
        options: of the registration; the start is the case's.
        grown: "fixed" expands only that one.
        wide: False looks only closely around where the headers (or, where they are unknown, the bodies' centers) put
            the parts.
        backend: the last refinement; that of the options where none is given.
    """

    name: str
    options: RegisterOptions = RegisterOptions()
    grown: Literal["both", "fixed"] = "both"
    wide: bool = True
    backend: Backend | None = None

    def solve(self, fixed: Volume, moving: Volume, start: str) -> Answer:
        """See `System.solve`."""
        options = replace(self.options, start="unknown" if start == "unknown" else "header")
        begin = None
        if not self.wide:
            begin = _centered(fixed, moving) if start == "unknown" else sitk.VersorRigid3DTransform()
        if self.grown == "fixed":
            # The fixed part of a case is the upper one.
            ends: Direction = "both" if start == "unknown" else "inferior"
            fixed = tasks.expand(fixed, replace(options.expansion, direction=ends)).volume
            options = replace(options, expand=False)
        result = tasks.register(fixed, moving, options, start_transform=begin, backend=self.backend).registration
        return Answer(result.transform, result)


@dataclass(frozen=True)
class Unpolished:
    """A back end that leaves the transform as the search on expanded volumes found it."""

    name: str = "none"

    def refine(
        self, images: RefinementImages, initial: sitk.Transform, transform_type: TransformType, progress: Progress
    ) -> sitk.Transform:
        """Return the initial transform."""
        return initial


@dataclass(frozen=True)
class BRAINSFitSettings:
    """SimpleITK with the metric, optimizer and scales of BRAINSFit, rigid, 5 % samples; equal to it to 0.01 mm."""

    name: str = "BRAINSFit settings"
    translation_scale: float = 1000.0

    def solve(self, fixed: Volume, moving: Volume, start: str) -> Answer:
        """See `System.solve`."""
        images = [sitk.Cast(volume.to_image(), sitk.sitkFloat32) for volume in (fixed, moving)]
        method = sitk.ImageRegistrationMethod()
        method.SetMetricAsMattesMutualInformation(50)
        method.SetMetricSamplingStrategy(method.RANDOM)
        method.SetMetricSamplingPercentage(0.05, 1)
        method.SetInterpolator(sitk.sitkLinear)
        method.SetOptimizerAsRegularStepGradientDescent(0.05, 0.001, 1500)
        method.SetOptimizerScales([1.0] * 3 + [1.0 / self.translation_scale] * 3)
        center = fixed.index_to_lps @ np.append((np.array(fixed.size) - 1) / 2, 1.0)
        initial = sitk.VersorRigid3DTransform()
        initial.SetCenter(center[:3].tolist())
        if start == "unknown":
            initial.SetTranslation((_center(moving) - _center(fixed)).tolist())
        method.SetInitialTransform(initial, inPlace=True)
        method.Execute(*images)
        return Answer(initial)


@dataclass(frozen=True, eq=False)
class Peer:
    """A peer in a process of its own; with an unknown header it centers the images, which is what it offers."""

    name: str
    method: Callable[[Grid, Grid, bool], NDArray[np.float64]]

    def solve(self, fixed: Volume, moving: Volume, start: str) -> Answer:
        """See `System.solve`."""
        pose = isolated(self.method, _grid(fixed), _grid(moving), start == "unknown")
        return Answer(to_transform(pose))


OTHERS: dict[str, System] = {
    "brainsfit": BRAINSFitSettings(),
    "elastix": Peer("elastix", elastix),
    "ants": Peer("ANTs", ants),
}
PACKAGES = {"elastix": "itk", "ants": "ants"}


def systems(names: list[str], model: str | None = None, device: DeviceName = "auto") -> list[System]:
    """Systems by their short names, those of this project with a model on a device.

    Raises:
        InputError: a name is unknown, or an extra is missing.
    """
    options = RegisterOptions(model=model, device=device)
    known: dict[str, System] = {
        "sspe": Ours("SSPE", options),
        "sspe-affine": Ours("SSPE affine", replace(options, transform_type="affine")),
        "sspe-plain": Ours("SSPE without expansion", replace(options, expand=False)),
        "sspe-one-sided": Ours("SSPE, one side expanded", options, grown="fixed"),
        "sspe-local": Ours("SSPE without wide search", options, wide=False),
        "sspe-unpolished": Ours("SSPE without last refinement", options, backend=Unpolished()),
        **OTHERS,
    }
    for name in names:
        if name not in known:
            raise InputError(f"The system {name!r} is unknown. Choose among {', '.join(known)}.")
        if name in PACKAGES:
            _check_installed(PACKAGES[name])
    return [known[name] for name in names]


def _check_installed(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise InputError(f"The package {package} is not installed. Run: pip install 'sspe[benchmark]'")


def _centered(fixed: Volume, moving: Volume) -> sitk.Transform:
    """Lays the center of one body on that of the other."""
    shift = body_points(moving).mean(axis=0) - body_points(fixed).mean(axis=0)
    return to_transform(about(np.eye(3), np.zeros(3), shift), "rigid", np.zeros(3))


def _center(volume: Volume) -> NDArray[np.float64]:
    middle = np.append((np.array(volume.size) - 1) / 2, 1.0)
    return np.asarray((volume.index_to_lps @ middle)[:3])


def _grid(volume: Volume) -> Grid:
    return Grid(volume.array.astype(np.float32), volume.spacing, volume.origin, np.array(volume.direction))
