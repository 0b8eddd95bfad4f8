"""Registration from volumes to a judged transform."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import SimpleITK as sitk

from ..errors import RegistrationError
from ..progress import Progress, silent
from ..volume import Volume, synthetic_mm
from .backends import Backend, SimpleITKBackend
from .result import Registration, TransformType

if TYPE_CHECKING:
    from .start import Start


def register(
    fixed: Volume,
    moving: Volume,
    *,
    start: Start,
    transform_type: TransformType,
    backend: Backend | None = None,
    progress: Progress = silent,
) -> Registration:
    """Find the transform from fixed points to moving points.

    Args:
        fixed, moving: partial volumes, expanded or not.
        start: "header" looks around the pose of the headers, "unknown" along the whole body axis in both orders; a
            linear SimpleITK transform (fixed to moving) is looked around closely.
        transform_type: "affine" is spent only where real overlap supports it.
        backend: does the last refinement on real voxels; SimpleITK where none is given.
        progress: told of every stage; may raise `Cancelled`.

    Raises:
        RegistrationError: a volume shows no body, or the start is no linear transform.
    """
    # Here because the search needs torch, which takes seconds to load and which Slicer installs on demand.
    from .solver import Solver

    started = time.monotonic()
    if start not in ("header", "unknown") and not isinstance(start, sitk.Transform):
        raise RegistrationError(f"The start {start!r} is unknown. Choose header, unknown, or give a linear transform.")
    solver = Solver(fixed, moving, start, backend or SimpleITKBackend())
    found = solver.solve(transform_type, progress)
    verdict = found.verdict
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
        confidence=verdict.confidence,
        reliable=verdict.reliable,
        findings=found.findings,
        reasons=(*verdict.reasons, *found.notes),
        seconds=time.monotonic() - started,
        candidates=found.candidates,
    )
