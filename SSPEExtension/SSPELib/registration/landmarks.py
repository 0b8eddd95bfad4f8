"""A start from landmarks that a person has set on both volumes."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..errors import InputError

FEWEST_LANDMARKS = 3
LEAST_SPREAD_MM = 5.0


def landmark_transform(
    fixed: NDArray[np.float64], moving: NDArray[np.float64], names: tuple[str, str]
) -> sitk.Transform:
    """Return the rigid transform, fixed points to moving points, that brings two lists of landmarks together.

    Args:
        fixed, moving: (n, 3) the same landmarks in the same order, LPS mm.
        names: of the two lists, for messages.

    Raises:
        InputError: fewer than three, lists of different length, or landmarks on one line.
    """
    if len(fixed) != len(moving) or len(fixed) < FEWEST_LANDMARKS:
        raise InputError(
            f"{names[0]} has {len(fixed)} landmarks and {names[1]} {len(moving)}; both need the same "
            f"{FEWEST_LANDMARKS} or more, in the same order."
        )
    for name, points in zip(names, (fixed, moving), strict=True):
        if np.linalg.svd(points - points.mean(axis=0), compute_uv=False)[1] < LEAST_SPREAD_MM:
            raise InputError(f"The landmarks of {name} lie on one line. Add one beside it.")
    return sitk.LandmarkBasedTransformInitializer(
        sitk.VersorRigid3DTransform(), fixed.ravel().tolist(), moving.ravel().tolist()
    )
