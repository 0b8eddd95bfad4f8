"""Cases for all ways to continue a volume: what is known, and what follows it on its own and on the working grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from SSPELib.errors import InputError
from SSPELib.expansion.expander import scope_at_end
from SSPELib.expansion.window import body_window
from SSPELib.expansion.working_grid import End, WorkingVolume, to_working
from SSPELib.model.bundle import ModelCard
from SSPELib.volume import AIR_HU, Volume, body_axis
from SSPELib.volume.body import mask_of_slices, outside_to_air
from SSPELib.volume.resampling import resample_averaged

from .hiding import Cut, hidden_body, hide
from .regions import REGIONS, most_of, regions

MULTIPLE = 16


@dataclass(frozen=True)
class Frame:
    """Sizes that all compared models have in common.

    Attributes:
        spacing_mm: voxel size of the working grid.
        size: slices, least rows and columns of a scope.
        step: new slices a step.
    """

    spacing_mm: float
    size: tuple[int, int, int]
    step: int

    @property
    def step_mm(self) -> float:
        """Length of a step."""
        return self.step * self.spacing_mm


@dataclass(frozen=True, eq=False)
class HiddenCase:
    """One end of one volume, cut off.

    Attributes:
        name: the patient.
        end, cut: which end, and where it was cut.
        part: what is known.
        truth: (n, row, column) HU, the slices that follow on the own grid, away from the edge.
        body: the same shape, the body in them.
        working: the part on the working grid.
        scope: (z, y, x) HU, the scope at the edge, X[t].
        following: the same shape, the scope one step further on, X[t + delta].
        region: region of the body that most of the hidden slices show.
        rows, columns: where the scope lies in plane on the working grid.
    """

    name: str
    end: End
    cut: Cut
    part: Volume
    truth: NDArray[Any]
    body: NDArray[np.bool_]
    working: WorkingVolume
    scope: NDArray[np.float32]
    following: NDArray[np.float32]
    region: str
    rows: slice
    columns: slice

    @property
    def spacing_mm(self) -> float:
        """Distance of the hidden slices on the own grid."""
        return self.spacings_mm[0]

    @property
    def spacings_mm(self) -> tuple[float, float, float]:
        """Voxel size along the three axes of truth, mm."""
        along = body_axis(self.part).index
        across = [self.part.spacing[axis] for axis in (2, 1, 0) if axis != along]
        return self.part.spacing[along], across[0], across[1]


def common_frame(cards: Sequence[ModelCard]) -> Frame:
    """The frame in which models can be compared.

    Raises:
        InputError: they differ in working grid, length of the scope or step.
    """
    kinds = {(card.spacing_mm, card.scope[0], card.step) for card in cards}
    if len(kinds) != 1:
        raise InputError(
            "The models differ in working grid, length of the scope or step; evaluate those together that share them."
        )
    first = cards[0]
    rows, columns = (max(card.scope[axis] for card in cards) for axis in (1, 2))
    return Frame(first.spacing_mm, (first.scope[0], rows, columns), first.step)


def make_case(
    volume: Volume,
    name: str,
    end: End,
    cut: Cut,
    distance_mm: float,
    frame: Frame,
    shown: Sequence[str] | None = None,
) -> HiddenCase | None:
    """Cut off one end of a volume; None where it is too short for that or no body is in the hidden slices.

    Args:
        volume, name: the patient.
        end, cut: which end, and where.
        distance_mm: what is hidden.
        frame: working grid, scope and step.
        shown: region of every slice, where that is known already.
    """
    hidden = hide(volume, end, distance_mm, cut)
    if hidden is None:
        return None
    part, truth = hidden
    body = hidden_body(volume, truth, end, cut)
    working = to_working(part, frame.spacing_mm, end)
    if not body.any() or not working.mask.any():
        return None
    depth = frame.size[0]
    rows, columns = body_window(working.outward(working.mask)[-depth:], frame.size[1:], MULTIPLE)
    scope = scope_at_end(working, depth, rows, columns)
    following = scope_at_end(_longer(volume, working, frame.step), depth, rows, columns)
    region = _hidden_region(volume, shown or regions(volume), end, cut, distance_mm)
    return HiddenCase(name, end, cut, part, truth, body, working, scope, following, region, rows, columns)


def make_cases(
    volume: Volume, name: str, frame: Frame, distances_mm: Sequence[float], steps: int
) -> Iterator[tuple[str, HiddenCase]]:
    """All cases of a volume, each with its purpose: a distance, or "steps" for as many steps as it is long enough for.

    Cuts at the end and in the middle are made for every distance, both ends of the body for everything.
    """
    ends: tuple[End, End] = ("inferior", "superior")
    cuts: tuple[Cut, Cut] = ("end", "middle")
    shown = regions(volume)
    for end in ends:
        for distance in distances_mm:
            for cut in cuts:
                case = make_case(volume, name, end, cut, distance, frame, shown)
                if case is not None:
                    yield f"{distance:g} mm", case
        for count in range(steps, 0, -1):
            case = make_case(volume, name, end, "end", count * frame.step_mm, frame, shown)
            if case is not None:
                yield "steps", case
                break


def _hidden_region(volume: Volume, shown: Sequence[str], end: End, cut: Cut, distance_mm: float) -> str:
    """The region of most of the slices that `hide` cuts off."""
    numbers = np.array([REGIONS.index(region) for region in shown], dtype=np.uint8)
    place = [1, 1, 1]
    place[body_axis(volume).numpy_axis] = -1
    found = hide(volume.like(np.broadcast_to(numbers.reshape(place), volume.array.shape)), end, distance_mm, cut)
    assert found is not None
    return most_of([REGIONS[number] for number in found[1][:, 0, 0]])


def _longer(volume: Volume, working: WorkingVolume, count: int) -> WorkingVolume:
    """The whole volume on the working grid of its part, which is longer by some slices at its anchored end."""
    size = list(working.reference.GetSize())
    first = -count if working.end == "inferior" else 0
    reference = sitk.Image([*size[:2], size[2] + count], sitk.sitkUInt8)
    reference.SetSpacing(working.reference.GetSpacing())
    reference.SetDirection(working.reference.GetDirection())
    reference.SetOrigin(working.reference.TransformIndexToPhysicalPoint([0, 0, first]))
    upright = sitk.DICOMOrient(volume.to_image(), "LPS")
    array = sitk.GetArrayFromImage(resample_averaged(upright, reference, AIR_HU))
    mask = mask_of_slices(array, [working.spacing_mm, working.spacing_mm])
    return WorkingVolume(outside_to_air(array, mask), mask, reference, working.end)
