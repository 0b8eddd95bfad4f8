"""Is this volume a CT in Hounsfield units with a body in view, and enough of it?"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .axis import BodyAxis, body_axis, body_length_mm, in_plane_mm
from .body import BODY_THRESHOLD_HU, body_mask
from .volume import Volume

LARGEST_VOXEL_MM = 60.0
SHORTEST_MM = 30.0
PLANES_SAMPLED = 48
ROWS_SAMPLED = 256

LABELS_AT_MOST = 100
NEGATIVE_HU = (-1100.0, -30.0)
NEGATIVE_SHARE = 0.01
SOFT_TISSUE_HU = (-250.0, 250.0)
SOFT_TISSUE_SHARE = 0.4
STORED_TISSUE = (850.0, 1300.0)
STORED_SHARE = 0.2
RANGE_AT_LEAST_HU = 250.0
CLIPPED_ABOVE_HU = -500.0
CLIPPED_SHARE = 0.05
BODY_AREA_MM2 = 2000.0

CUT_LENGTH_MM = 20.0
CUT_SLICES = 0.1
RING = (0.95, 0.985)
RING_SHARE = 0.05

Kind = Literal["hu", "empty", "labels", "no negative", "stored", "narrow", "clipped", "no tissue"]

_NO_HU = {
    "labels": "holds only a few whole numbers from zero up, as a label map does; choose the CT itself",
    "no negative": (
        "has no voxels of air or fat (below -30 HU), so its values are no Hounsfield units but those of an MR or "
        "another kind of image; choose a CT"
    ),
    "stored": (
        "has its soft tissue near 1000 instead of 0 HU, so it holds stored values without the rescale slope and "
        "intercept (or it is an MR); export the CT again with the rescale applied"
    ),
    "narrow": (
        "spans only {span:.4g} units from its darkest to its brightest voxels, so it is scaled and not in Hounsfield "
        "units; export the CT again without normalization"
    ),
    "clipped": (
        "is cut off at {lowest:.4g} (a display window was burnt in), so air and lungs are lost; export the CT again in "
        "full Hounsfield units"
    ),
    "no tissue": (
        "has hardly any voxels of soft tissue (-250 to 250 HU), so its values are no Hounsfield units; check the "
        "rescale slope and intercept and export the CT again"
    ),
}


def check_ct(volume: Volume) -> list[str]:
    """Make sure that a volume is a CT in HU that shows at least 30 mm of a body.

    The values pass as Hounsfield units when they have what every CT of a body has and nothing else has together:

    - air, lung or fat: at least 1 % of the voxels between -1100 and -30. Every CT seen had 60 % and more; a crop that
      lies wholly inside the body still has fat. An MR has none.
    - soft tissue: of the voxels above -350, at least 40 % between -250 and 250 (79 to 96 % in every CT seen, metal and
      bone included). Values with a wrong slope or intercept fail here.
    - hardly any tissue near 1000: of the voxels above -350, less than 20 % between 850 and 1300 (bone and metal make up
      3 %). Stored values without the intercept of -1024 fail here even where their padding looks like air.
    - a span of at least 250 between the 1st and the 99th percentile: a normalized volume fails.
    - no pile of voxels at a lowest value above -500: a burnt-in display window fails.
    - more than a few values: a label map fails.

    Returns:
        Warnings that do not stop the work: what was remarked when it was read, and for example a body cut by the field
        of view.

    Raises:
        InputError: too short, voxels that are not finite, no HU, or no body in view.
    """
    check_length(volume)
    check_finite(volume)
    axis = body_axis(volume)
    stack = np.moveaxis(volume.array, axis.numpy_axis, 0)
    sample = _sample(stack)
    kind = kind_of_values(sample)
    if kind in _NO_HU:
        low, high = np.percentile(sample, [1, 99])
        reason = _NO_HU[kind].format(span=high - low, lowest=float(sample.min()))
        raise InputError(f"{volume.name} {reason}.")
    mask = np.moveaxis(body_mask(volume), axis.numpy_axis, 0)
    _check_body(volume, axis, mask if kind == "hu" else np.zeros_like(mask))
    return [*volume.remarks, *_field_of_view_warnings(volume, axis, stack, mask)]


def check_length(volume: Volume) -> None:
    """Raise InputError where a volume is shorter than 30 mm along the body, or its voxels are larger than any CT's."""
    if max(volume.spacing) > LARGEST_VOXEL_MM:
        size = " x ".join(f"{value:.4g}" for value in volume.spacing)
        raise InputError(
            f"{volume.name} has voxels of {size} mm, which no CT has; its header gives another unit than it should. "
            "Export it again in mm."
        )
    length = body_length_mm(volume)
    if length < SHORTEST_MM - 1e-3:
        slices = volume.size[body_axis(volume).index]
        raise InputError(
            f"{volume.name} is only {length:.1f} mm long along the body (slices: {slices}), and at least "
            f"{SHORTEST_MM:.0f} mm are needed; choose the whole series."
        )


def check_finite(volume: Volume) -> None:
    """Raise InputError where voxels are NaN or infinite."""
    if not np.issubdtype(volume.array.dtype, np.floating):
        return
    # The sum is finite for nearly every good volume and costs no second array.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(np.sum(volume.array, dtype=np.float64)):
            return
    raise_not_finite(volume.name, int(volume.array.size - np.count_nonzero(np.isfinite(volume.array))))


def raise_not_finite(name: str, count: int) -> None:
    """Raise InputError where count, the number of NaN and infinite voxels, is not 0."""
    if count:
        raise InputError(
            f"{name} has values that are NaN or infinite (voxels: {count}); replace them, for example by -1000 HU, "
            "and try again."
        )


def kind_of_values(sample: NDArray[Any]) -> Kind:
    """Say what the values of a sample of voxels look like; the criterion is explained in `check_ct`."""
    values = sample.ravel()
    lowest, highest = float(values.min()), float(values.max())
    if lowest == highest:
        return "empty"
    if lowest >= 0 and _few_whole_numbers(values):
        return "labels"
    in_body = values[values > BODY_THRESHOLD_HU]
    if in_body.size < 1e-4 * values.size:
        return "empty"
    if np.mean((in_body > STORED_TISSUE[0]) & (in_body < STORED_TISSUE[1])) > STORED_SHARE:
        return "stored"
    low, high = np.percentile(values, [1, 99])
    negative = np.mean((values > NEGATIVE_HU[0]) & (values < NEGATIVE_HU[1]))
    if negative < NEGATIVE_SHARE:
        return "narrow" if lowest < 0 and high - low < RANGE_AT_LEAST_HU else "no negative"
    if high - low < RANGE_AT_LEAST_HU:
        return "narrow"
    if lowest > CLIPPED_ABOVE_HU and np.mean(values == lowest) > CLIPPED_SHARE:
        return "clipped"
    soft = np.mean((in_body > SOFT_TISSUE_HU[0]) & (in_body < SOFT_TISSUE_HU[1]))
    return "hu" if soft >= SOFT_TISSUE_SHARE else "no tissue"


def _sample(stack: NDArray[Any]) -> NDArray[Any]:
    """Whole slices are thinned, never cropped: what is rare (metal) must stay rare."""
    planes, rows, columns = (
        max(1, size // wanted)
        for size, wanted in zip(stack.shape, (PLANES_SAMPLED, ROWS_SAMPLED, ROWS_SAMPLED), strict=True)
    )
    return stack[::planes, ::rows, ::columns]


def _few_whole_numbers(values: NDArray[Any]) -> bool:
    if np.issubdtype(values.dtype, np.floating) and not np.array_equal(values, np.round(values)):
        return False
    return np.unique(values).size <= LABELS_AT_MOST


def _check_body(volume: Volume, axis: BodyAxis, mask: NDArray[np.bool_]) -> None:
    spacing = [volume.spacing[index] for index in range(3) if index != axis.index]
    areas = mask.sum(axis=(1, 2)) * spacing[0] * spacing[1]
    length = np.count_nonzero(areas >= BODY_AREA_MM2) * volume.spacing[axis.index]
    if length >= SHORTEST_MM - 1e-3:
        return
    found = f"only {length:.0f} mm of a body are in view" if length > 0 else "no body is in view"
    raise InputError(
        f"{volume.name}: {found} (tissue above {BODY_THRESHOLD_HU} HU, at least {BODY_AREA_MM2 / 100:.0f} cm2 a slice "
        f"over {SHORTEST_MM:.0f} mm); choose a CT of a patient."
    )


def _field_of_view_warnings(volume: Volume, axis: BodyAxis, stack: NDArray[Any], mask: NDArray[np.bool_]) -> list[str]:
    rows_mm, columns_mm = in_plane_mm(volume)
    borders = {
        "first row": mask[:, 0].sum(axis=1) * columns_mm,
        "last row": mask[:, -1].sum(axis=1) * columns_mm,
        "first column": mask[:, :, 0].sum(axis=1) * rows_mm,
        "last column": mask[:, :, -1].sum(axis=1) * rows_mm,
    }
    cut = np.any([lengths > CUT_LENGTH_MM for lengths in borders.values()], axis=0)
    cut |= _cut_by_circle(stack, mask, rows_mm, columns_mm)
    share = float(np.mean(cut))
    if share < CUT_SLICES:
        return []
    return [
        f"{volume.name}: the field of view cuts the body in {share:.0%} of the slices; the expansion continues the cut "
        "outline, and the registration rests on what is inside."
    ]


def _cut_by_circle(
    stack: NDArray[Any], mask: NDArray[np.bool_], rows_mm: float, columns_mm: float
) -> NDArray[np.bool_]:
    """Slices (n,) in which the body reaches the circle of reconstruction, outside of which all is padding."""
    _, rows, columns = stack.shape
    none = np.zeros(len(stack), dtype=bool)
    if abs(rows * rows_mm - columns * columns_mm) > 0.02 * rows * rows_mm:
        return none
    y, x = np.ogrid[:rows, :columns]
    radius = np.hypot((y - (rows - 1) / 2) / (rows / 2), (x - (columns - 1) / 2) / (columns / 2))
    outside = stack[:: max(1, len(stack) // 8)][:, radius > 1.02]
    if outside.size == 0 or np.mean(outside == outside.min()) < 0.99:
        return none
    ring = (radius > RING[0]) & (radius < RING[1])
    return np.asarray(mask[:, ring].mean(axis=1) > RING_SHARE)
