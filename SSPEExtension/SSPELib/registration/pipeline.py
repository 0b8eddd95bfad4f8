"""Registration from volumes or expansions to a judged transform."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from ..errors import RegistrationError
from ..progress import Progress, part, silent
from ..volume import Volume
from .backends import Backend, SimpleITKBackend
from .overlap import upper_of
from .poses import from_transform
from .result import Registration, TransformType

if TYPE_CHECKING:
    from ..expansion.expander import Direction, Expander, Expansion
    from .start import Start


def register(
    fixed: Volume | Expansion,
    moving: Volume | Expansion,
    *,
    start: Start = "header",
    transform_type: TransformType = "affine",
    backend: Backend | None = None,
    progress: Progress = silent,
) -> Registration:
    """Find the transform from fixed points to moving points.

    Args:
        fixed, moving: partial volumes, or what expanding them gave.
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
        synthetic_mm={"fixed": _synthetic_mm(fixed), "moving": _synthetic_mm(moving)},
        metric=found.correlation,
        metric_name=found.correlation_name,
        confidence=verdict.confidence,
        reliable=verdict.reliable,
        findings=found.findings,
        reasons=(*verdict.reasons, *found.notes),
        seconds=time.monotonic() - started,
        candidates=found.candidates,
        warnings=tuple(dict.fromkeys((*_warnings(fixed), *_warnings(moving)))),
    )


def expand_toward(
    fixed: Volume,
    moving: Volume,
    expander: Expander,
    distance_mm: float = 64.0,
    start: Start = "header",
    progress: Progress = silent,
) -> tuple[Expansion, Expansion]:
    """Expand two volumes toward each other: the upper one downwards, the lower one upwards.

    With an unknown start the headers do not tell which is which, so that both grow at both ends.
    """
    fixed_direction: Direction = "both"
    moving_direction: Direction = "both"
    if start != "unknown":
        pose = from_transform(start) if isinstance(start, sitk.Transform) else np.eye(4)
        fixed_is_upper = upper_of(fixed, moving, pose) == "fixed"
        fixed_direction = "inferior" if fixed_is_upper else "superior"
        moving_direction = "superior" if fixed_is_upper else "inferior"
    grown_fixed = expander.expand(fixed, fixed_direction, distance_mm, part(progress, 0.0, 0.5))
    grown_moving = expander.expand(moving, moving_direction, distance_mm, part(progress, 0.5, 1.0))
    return grown_fixed, grown_moving


def _synthetic_mm(source: Volume | Expansion) -> dict[str, float]:
    if isinstance(source, Volume):
        return {"inferior": 0.0, "superior": 0.0}
    return dict(source.synthetic_mm)


def _warnings(source: Volume | Expansion) -> tuple[str, ...]:
    return () if isinstance(source, Volume) else source.warnings
