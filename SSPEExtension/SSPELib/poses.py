"""Rigid and affine poses as (4, 4) matrices that map fixed points to moving points, LPS mm; transforms, landmarks."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from .errors import InputError, RegistrationError
from .options import TransformType

Matrix = NDArray[np.floating[Any]]
"""A matrix or points; float64 in practice."""

ORIGIN = np.zeros(3)
FEWEST_LANDMARKS = 3
LEAST_SPREAD_MM = 5.0


def rotation_matrix(vector: NDArray[np.floating[Any]]) -> Matrix:
    """(3, 3) rotation about the direction of vector by its length in radians (Rodrigues)."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = np.asarray(vector, dtype=np.float64) / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)


def rotation_angle(matrix: Matrix) -> float:
    """Angle in degrees of the rotation nearest to the linear part of a pose."""
    left, _, right = np.linalg.svd(matrix[:3, :3])
    cosine = (np.trace(left @ right) - 1) / 2
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))


def about(linear: Matrix, center: NDArray[np.floating[Any]], shift: NDArray[np.floating[Any]]) -> Matrix:
    """(4, 4) matrix of p -> linear (p - center) + center + shift."""
    pose = np.eye(4)
    pose[:3, :3] = linear
    pose[:3, 3] = center + shift - linear @ center
    return pose


def apply(pose: Matrix, points: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Map points (n, 3) by a pose."""
    return points @ pose[:3, :3].T + pose[:3, 3]


def mean_distance(one: Matrix, other: Matrix, points: NDArray[np.floating[Any]]) -> float:
    """Mean distance in mm between where two poses take the points (n, 3)."""
    return float(np.linalg.norm(apply(one, points) - apply(other, points), axis=1).mean())


def to_transform(
    pose: Matrix, kind: TransformType = "affine", center: NDArray[np.floating[Any]] = ORIGIN
) -> sitk.Transform:
    """A plain VersorRigid3DTransform ("rigid") or AffineTransform ("affine") about a center, never a composite."""
    transform: sitk.Transform
    transform = sitk.VersorRigid3DTransform() if kind == "rigid" else sitk.AffineTransform(3)
    transform.SetCenter(np.asarray(center, dtype=float).tolist())
    linear = nearest_rotation(pose[:3, :3]) if kind == "rigid" else pose[:3, :3]
    transform.SetMatrix(linear.ravel().tolist())
    transform.SetTranslation((pose[:3, :3] @ center + pose[:3, 3] - center).tolist())
    return transform


def matrix_of(transform: sitk.Transform) -> NDArray[np.float64]:
    """(4, 4) matrix of any linear transform (composites of linear transforms too), LPS mm.

    Raises:
        RegistrationError: the transform is not linear, so that it cannot start a linear registration.
    """
    if not transform.IsLinear():
        raise RegistrationError(
            f"The start transform is a {transform.GetName()}, which bends space. Give a rigid or affine transform."
        )
    pose = np.eye(4)
    zero = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    for column, unit in enumerate(np.eye(3)):
        # A long lever keeps the digits of the linear part.
        pose[:3, column] = (np.array(transform.TransformPoint((unit * 1000.0).tolist())) - zero) / 1000.0
    pose[:3, 3] = zero
    return pose


def nearest_rotation(linear: Matrix) -> Matrix:
    """The proper rotation (3, 3) nearest to a linear map."""
    left, _, right = np.linalg.svd(linear)
    flip = np.diag([1.0, 1.0, float(np.sign(np.linalg.det(left @ right)))])
    result: Matrix = left @ flip @ right
    return result


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
