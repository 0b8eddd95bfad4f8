"""Variants of a registration case, so that no score rests on voxels that are the same on both sides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from SSPELib.errors import InputError
from SSPELib.volume import AIR_HU, Volume, body_axis, body_mask

from .cases import Case, with_voxels

AFFINE = "affine"
# Cases that are as they were made.
UNCHANGED = ("plain", AFFINE)
VARIANTS = (*UNCHANGED, "spacing", "contrast", "table", "field of view", "deformed")
COARSER = 1.35
BLUR_MM = 2.0
CONTRAST_HU = (60.0, 160.0)
SOFT_TISSUE_HU = (20.0, 300.0)
TABLE_HU = -150.0
VIEW_SHARE = 0.8
DEFORMATION_MM = 5.0
DEFORMATION_GRID_MM = 60.0


def vary(case: Case, variant: str, seed: int) -> Case:
    """Change the moving part of a case; the truth stays.

    Args:
        variant: one of VARIANTS. "spacing": coarser slices and voxels and a blur, as of another reconstruction.
            "contrast": smooth regions of soft tissue brightened. "table": a table behind the body. "field of view":
            the sides of the body cut off. "deformed": bent smoothly by up to 5 mm. "affine": nothing more is changed,
            the motion of such a case is affine.

    Raises:
        InputError: the variant is unknown.
    """
    check_variants([variant])
    if variant in UNCHANGED:
        return case
    random = np.random.default_rng(seed)
    return replace(case, moving=_CHANGES[variant](case.moving, random))


def check_variants(variants: Sequence[str]) -> None:
    """Raise InputError where a variant is unknown."""
    for variant in variants:
        if variant not in VARIANTS:
            raise InputError(f"The variant {variant!r} is unknown. Choose among {', '.join(VARIANTS)}.")


def _spacing(volume: Volume, random: np.random.Generator) -> Volume:
    image = sitk.SmoothingRecursiveGaussian(sitk.Cast(volume.to_image(), sitk.sitkFloat32), BLUR_MM / 2.355)
    x, y, z = (s * COARSER for s in volume.spacing)
    size = [max(2, int(n / COARSER)) for n in volume.size]
    moved = sitk.Resample(
        image,
        size,
        sitk.Transform(3, sitk.sitkIdentity),
        sitk.sitkLinear,
        volume.origin,
        (x, y, z),
        volume.direction.ravel().tolist(),
        AIR_HU,
    )
    array = np.rint(sitk.GetArrayFromImage(moved)).astype(np.int16)
    return replace(
        volume, array=array, spacing=(x, y, z), origin=moved.GetOrigin(), direction=np.array(moved.GetDirection())
    )


def _contrast(volume: Volume, random: np.random.Generator) -> Volume:
    # Soft tissue where a smooth random field is high stands for vessels and organs that take up the agent.
    field = smooth_field(volume, random, 25.0)
    soft = (volume.array > SOFT_TISSUE_HU[0]) & (volume.array < SOFT_TISSUE_HU[1]) & (field > np.quantile(field, 0.75))
    return with_voxels(volume, np.where(soft, volume.array + random.uniform(*CONTRAST_HU), volume.array))


def _table(volume: Volume, random: np.random.Generator) -> Volume:
    mask = body_mask(volume)
    index = np.stack(np.meshgrid(*(np.arange(n) for n in volume.array.shape), indexing="ij"), axis=-1)[..., ::-1]
    lps = index @ volume.index_to_lps[:3, :3].T + volume.index_to_lps[:3, 3]
    back = np.quantile(lps[..., 1][mask], 0.999)
    middle = lps[..., 0][mask].mean()
    slab = (lps[..., 1] > back + 4) & (lps[..., 1] < back + 24) & (np.abs(lps[..., 0] - middle) < 200) & ~mask
    return with_voxels(volume, np.where(slab, TABLE_HU, volume.array))


def _field_of_view(volume: Volume, random: np.random.Generator) -> Volume:
    """Crop the index axis nearest to left-right to a share of the body's width."""
    axis = body_axis(volume).index
    side = max((i for i in range(3) if i != axis), key=lambda i: abs(volume.direction[0, i]))
    array_axis = 2 - side
    inside = np.flatnonzero(body_mask(volume).any(axis=tuple(i for i in range(3) if i != array_axis)))
    lost = int((1 - VIEW_SHARE) / 2 * inside.size)
    window = [slice(None)] * 3
    window[array_axis] = slice(int(inside[0]) + lost, int(inside[-1]) + 1 - lost)
    start = np.zeros(3)
    start[side] = inside[0] + lost
    origin = volume.index_to_lps[:3, :3] @ start + np.array(volume.origin)
    return replace(volume, array=np.ascontiguousarray(volume.array[tuple(window)]), origin=tuple(origin))


def _deformed(volume: Volume, random: np.random.Generator) -> Volume:
    shifts = np.stack([smooth_field(volume, random, DEFORMATION_GRID_MM) for _ in range(3)], axis=-1)
    longest = np.linalg.norm(shifts, axis=-1).max()
    field = sitk.GetImageFromArray(shifts / longest * DEFORMATION_MM, isVector=True)
    field.CopyInformation(volume.to_image())
    warp = sitk.DisplacementFieldTransform(sitk.Cast(field, sitk.sitkVectorFloat64))
    image = volume.to_image()
    bent = sitk.Resample(image, image, warp, sitk.sitkBSpline, float(AIR_HU), sitk.sitkFloat32)
    return with_voxels(volume, sitk.GetArrayFromImage(bent))


def smooth_field(volume: Volume, random: np.random.Generator, length_mm: float) -> NDArray[np.float64]:
    """Smooth noise (z, y, x) of zero mean that changes over about length_mm."""
    counts = [max(4, int(n * s / length_mm) + 3) for n, s in zip(volume.size, volume.spacing, strict=True)]
    coarse = sitk.GetImageFromArray(random.normal(size=counts[::-1]))
    extents = [(n - 1) * s for n, s in zip(volume.size, volume.spacing, strict=True)]
    coarse.SetSpacing([e / (c - 1) for e, c in zip(extents, counts, strict=True)])
    like = sitk.Image(list(volume.size), sitk.sitkUInt8)
    like.SetSpacing(volume.spacing)
    fine = sitk.Resample(coarse, like, sitk.Transform(3, sitk.sitkIdentity), sitk.sitkBSpline, 0.0)
    return np.asarray(sitk.GetArrayFromImage(fine), dtype=np.float64)


_CHANGES: dict[str, Callable[[Volume, np.random.Generator], Volume]] = {
    "spacing": _spacing,
    "contrast": _contrast,
    "table": _table,
    "field of view": _field_of_view,
    "deformed": _deformed,
}
