"""Which region of the body a slice shows, from lung, bone and size of its cross-section and from their order.

A rule for reports, not anatomy: head (skull and jaw, much bone), neck (up to the shoulders, above the lungs), chest
(lung in view), abdomen (below the lungs, little bone), pelvis (more bone again, well below the lungs), thighs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from SSPELib.expansion.working_grid import to_working
from SSPELib.volume import Volume, body_axis

REGIONS = ("thighs", "pelvis", "abdomen", "chest", "neck", "head")
"""From the feet to the head."""

GRID_MM = 4.0
LUNG_BELOW_HU, BONE_ABOVE_HU = -500, 200
CHEST_LUNG_CM2 = 50.0
PELVIS_BONE, HEAD_BONE = 0.05, 0.12
# Kidneys full of contrast agent are as bright as bone, but nearer to the lungs than any pelvis.
LUNG_TO_PELVIS_MM = 160.0
DOUBT_OF_THIGHS = 0.1
TORSO_CM2, NECK_CM2, HEAD_CM2 = 350.0, 450.0, 350.0


def regions(volume: Volume) -> list[str]:
    """The region of every slice of a volume, in the order of its body axis."""
    working = to_working(volume, GRID_MM, "inferior")
    found = regions_of_slices(working.array, working.mask)
    axis = body_axis(volume)
    count = volume.size[axis.index]
    # Working slices begin at the inferior end, as the grid is anchored there.
    places = ((np.arange(count) + 0.5) * volume.spacing[axis.index] // GRID_MM).astype(int).clip(max=len(found) - 1)
    upward = [found[place] for place in places]
    return upward if axis.superior > 0 else upward[::-1]


def regions_of_slices(array: NDArray[Any], body: NDArray[np.bool_]) -> list[str]:
    """The region of every slice (z, y, x), z toward the head, on a grid of 4 mm.

    Regions follow each other from the feet to the head; of all ways to divide the slices so, that with the least sum of
    contradictions to what each slice shows.
    """
    costs = np.array([_contradictions(slice_hu, inside) for slice_hu, inside in zip(array, body, strict=True)])
    lung = np.flatnonzero(costs[:, REGIONS.index("chest")] == 0)
    if lung.size:
        near = max(0, int(lung[0] - LUNG_TO_PELVIS_MM / GRID_MM))
        costs[near:, : REGIONS.index("abdomen")] += costs.max()
    total = costs.copy()
    came = np.zeros(costs.shape, dtype=int)
    for z in range(1, len(costs)):
        for region in range(len(REGIONS)):
            # From the same region or from one nearer to the feet.
            came[z, region] = int(np.argmin(total[z - 1, : region + 1]))
            total[z, region] = costs[z, region] + total[z - 1, came[z, region]]
    path = [int(np.argmin(total[-1]))]
    for z in range(len(costs) - 1, 0, -1):
        path.append(int(came[z, path[-1]]))
    return [REGIONS[region] for region in reversed(path)]


def most_of(found: Sequence[str]) -> str:
    """The region of most slices."""
    return max(REGIONS, key=lambda region: sum(one == region for one in found))


def _contradictions(hu: NDArray[Any], body: NDArray[np.bool_]) -> list[float]:
    """How much a slice contradicts each region; 0 for not at all."""
    cm2 = (GRID_MM / 10) ** 2
    area = float(body.sum()) * cm2
    lung = float(((hu < LUNG_BELOW_HU) & body).sum()) * cm2 / CHEST_LUNG_CM2
    bone = float(((hu > BONE_ABOVE_HU) & body).sum()) * cm2 / max(area, 1.0)

    def lacking(value: float, wanted: float, unit: float) -> float:
        return max(0.0, (wanted - value) / unit)

    small = lacking(area, TORSO_CM2, 150.0)
    # However bright, a slice without lung is no chest.
    little_bone = lung + min(0.9, lacking(-bone, -PELVIS_BONE, 0.03)) + small
    return [
        little_bone + DOUBT_OF_THIGHS,
        lung + lacking(bone, PELVIS_BONE, 0.03) + small,
        little_bone,
        lacking(lung, 1.0, 1.0),
        lung + lacking(-bone, -HEAD_BONE, 0.05) + lacking(-area, -NECK_CM2, 300.0),
        lung + lacking(bone, HEAD_BONE, 0.04) + lacking(-area, -HEAD_CM2, 100.0),
    ]
