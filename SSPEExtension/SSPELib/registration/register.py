"""Registration: from two CTs to a judged transform."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import SimpleITK as sitk

from ..errors import RegistrationError
from ..options import DeviceName, TransformType
from ..progress import Progress, silent
from ..volume import Volume, synthetic_mm
from .backends import Backend, SimpleITKBackend
from .confidence import judge
from .images import ImagePyramid
from .result import Registration

if TYPE_CHECKING:
    from .search_range import Start


def register(
    fixed: Volume,
    moving: Volume,
    *,
    start: Start,
    transform_type: TransformType,
    tolerance_mm: float,
    backend: Backend | None = None,
    device: DeviceName = "auto",
    progress: Progress = silent,
) -> Registration:
    """Find the transform from fixed points to moving points.

    Args:
        fixed, moving: partial volumes, expanded or not.
        start: "header" looks around the pose of the headers, "unknown" along the whole body axis in both orders; a
            linear SimpleITK transform (fixed to moving) is looked around closely.
        transform_type: "affine" is spent only where real overlap supports it.
        tolerance_mm: the result is called reliable where its error bound is at most this.
        backend: does the last refinement on real voxels; SimpleITK where none is given.
        device: where to search and to refine.
        progress: told of every stage; may raise `Cancelled`.

    Raises:
        RegistrationError: a volume shows no body, or the start is no linear transform.
        DeviceError: the device is not there.
    """
    # Here because the search needs torch, which takes seconds to load and which Slicer installs on demand.
    from ..model.device import choose_device
    from .solver import Solver

    started = time.monotonic()
    if start not in ("header", "unknown") and not isinstance(start, sitk.Transform):
        raise RegistrationError(f"The start {start!r} is unknown. Choose header, unknown, or give a linear transform.")
    images = ImagePyramid(fixed), ImagePyramid(moving)
    solver = Solver(*images, start, backend or SimpleITKBackend(), choose_device(device)[0])
    found = solver.solve(transform_type, progress)
    confidence = judge(found.findings, tolerance_mm)
    progress(1.0, "Registered")
    return Registration(
        transform=found.transform,
        transform_type=found.transform_type,
        start=start if isinstance(start, str) else "transform",
        backend=found.backend,
        overlap_mm=found.overlap_mm,
        synthetic_mm={"fixed": synthetic_mm(fixed), "moving": synthetic_mm(moving)},
        metric=found.correlation,
        metric_name=found.correlation_name,
        expected_error_mm=confidence.body.expected_mm,
        error_bound_mm=confidence.body.bound_mm,
        junction=confidence.junction,
        far_end=confidence.far_end,
        reliable=confidence.reliable,
        findings=found.findings,
        reasons=(*confidence.reasons, *found.notes),
        seconds=time.monotonic() - started,
        candidates=found.candidates,
    )
