"""Ways to continue a volume that are compared: models, and the two baselines that need no network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from SSPELib.errors import InputError
from SSPELib.expansion.expander import Expander
from SSPELib.expansion.working_grid import append_to_own_grid
from SSPELib.volume import AIR_HU

from .hidden_case import Frame, HiddenCase
from .hiding import outward

BODY_ABOVE_HU = -500.0
COARSE, COARSE_SLICES, STRIDE = 3, 2, 3
SHORTEST_SLAB = 8
CONTRAST_HU = (-1000.0, 500.0)


class Continuation(Protocol):
    """A way to continue a volume."""

    name: str

    def new_slices(self, case: HiddenCase) -> NDArray[Any]:
        """HU of the hidden slices on the own grid, in the order of the case's truth."""

    def next_scope(self, case: HiddenCase) -> NDArray[np.floating]:
        """The whole scope one step further on, (z, y, x) HU on the working grid."""


@dataclass
class Model:
    """A generator, applied step by step."""

    name: str
    expander: Expander

    def new_slices(self, case: HiddenCase) -> NDArray[Any]:
        length_mm = len(case.truth) * case.spacing_mm
        grown, _ = self.expander.expand(case.part, case.end, length_mm)
        return outward(grown, case.end)[-len(case.truth) :]

    def next_scope(self, case: HiddenCase) -> NDArray[np.floating]:
        return self.expander.predict_scope(case.scope)


@dataclass
class RepeatedEdge:
    """The edge slice again and again."""

    frame: Frame
    name: str = "repeat the edge slice"

    def new_slices(self, case: HiddenCase) -> NDArray[Any]:
        return np.broadcast_to(outward(case.part, case.end)[-1], case.truth.shape)

    def next_scope(self, case: HiddenCase) -> NDArray[np.floating]:
        return np.concatenate([case.scope[self.frame.step :], case.scope[-1:].repeat(self.frame.step, axis=0)])


class NearestPatient:
    """What follows in the training volume whose slab is most like the scope, moved until the bodies lie on each other.

    The slab is found by masked correlation over all training volumes and all places along the body; every further step
    searches again, from what was copied last.

    Args:
        volumes: training volumes (z, y, x), HU, z toward the head, on the working grid, outside set to air.
        frame: working grid, scope and step.

    Raises:
        InputError: no volume is longer than a step.
    """

    name = "nearest training patient"

    def __init__(self, volumes: Sequence[NDArray[np.int16]], frame: Frame) -> None:
        self.frame = frame
        tall = [volume for volume in volumes if len(volume) >= frame.step + SHORTEST_SLAB]
        if not tall:
            raise InputError("No training volume is long enough to be copied from. Give longer ones.")
        self.candidates: dict[str, list[_Candidate]] = {
            "superior": [_Candidate.of(volume) for volume in tall],
            "inferior": [_Candidate.of(volume[::-1]) for volume in tall],
        }
        self._latest: tuple[HiddenCase, NDArray[np.float32]] | None = None

    def new_slices(self, case: HiddenCase) -> NDArray[Any]:
        length = math.ceil(len(case.truth) * case.spacing_mm / self.frame.spacing_mm)
        pieces = [self._first_step(case)]
        while len(pieces) * self.frame.step < length:
            known = np.concatenate([self._known(case), *pieces])[-self.frame.size[0] :]
            pieces.append(self._follow(known, case.end))
        grown = np.concatenate(pieces)
        appended = append_to_own_grid(case.part, case.working, grown, len(case.truth))
        return outward(replace(case.part, array=appended), case.end)

    def next_scope(self, case: HiddenCase) -> NDArray[np.floating]:
        new = _moved(self._first_step(case), (-case.rows.start, -case.columns.start), case.scope.shape[1:])
        return np.concatenate([case.scope[self.frame.step :], new])

    def _first_step(self, case: HiddenCase) -> NDArray[np.float32]:
        if self._latest is None or self._latest[0] is not case:
            self._latest = case, self._follow(self._known(case), case.end)
        return self._latest[1]

    def _known(self, case: HiddenCase) -> NDArray[np.float32]:
        return case.working.outward(case.working.array)[-self.frame.size[0] :]

    def _follow(self, slab: NDArray[np.float32], end: str) -> NDArray[np.float32]:
        """The next step of slices (z, y, x) after a slab of the same plane, z in the direction of growth."""
        wanted = _Candidate.of(slab)
        edges = [
            (candidate, edge)
            for candidate in self.candidates[end]
            for edge in range(min(len(slab), len(candidate.volume) - self.frame.step), self._last(candidate), STRIDE)
        ]
        candidate, middle = max(edges, key=lambda place: _likeness(wanted, *place))
        near = range(max(SHORTEST_SLAB, middle - STRIDE + 1), min(self._last(candidate), middle + STRIDE))
        edge = max(near, key=lambda place: _likeness(wanted, candidate, place))
        used = min(len(slab), edge)
        shift = wanted.center(len(slab), used) - candidate.center(edge, used)
        copied = candidate.volume[edge : edge + self.frame.step]
        return _moved(copied, (round(shift[0]), round(shift[1])), slab.shape[1:])

    def _last(self, candidate: _Candidate) -> int:
        """One past the last slice of a volume that a step follows."""
        return len(candidate.volume) - self.frame.step + 1


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A volume (z, y, x) with z in the direction of growth, the same coarser in plane, and where its body is."""

    volume: NDArray[Any]
    coarse: NDArray[Any]
    centers: NDArray[np.float64]

    @classmethod
    def of(cls, volume: NDArray[Any]) -> _Candidate:
        return cls(volume, np.ascontiguousarray(volume[:, ::COARSE, ::COARSE]), _centers(volume))

    def center(self, edge: int, count: int) -> NDArray[np.float64]:
        """Mean row and column of the middle of the body in some slices before an edge."""
        return np.asarray(self.centers[edge - count : edge].mean(axis=0))


def _likeness(wanted: _Candidate, candidate: _Candidate, edge: int) -> float:
    """Masked correlation of a slab with what lies before an edge of a candidate, the bodies laid on each other."""
    count = min(len(wanted.volume), edge)
    shift = (wanted.center(len(wanted.volume), count) - candidate.center(edge, count)) / COARSE
    one = wanted.coarse[-count:][::-COARSE_SLICES]
    other = candidate.coarse[edge - count : edge][::-COARSE_SLICES]
    return _masked_correlation(one, _moved(other, (round(shift[0]), round(shift[1])), one.shape[1:]))


def _centers(volume: NDArray[Any]) -> NDArray[np.float64]:
    """Row and column of the middle of the body in every slice, (z, 2); where there is none, the middle of the plane."""
    found = np.tile((np.array(volume.shape[1:]) - 1) / 2, (len(volume), 1))
    body = volume > BODY_ABOVE_HU
    for axis in (0, 1):
        profile: NDArray[np.bool_] = np.any(body, axis=2 - axis)
        some = profile.any(axis=1)
        low = profile.argmax(axis=1)
        high = profile.shape[1] - 1 - profile[:, ::-1].argmax(axis=1)
        found[some, axis] = ((low + high) / 2)[some]
    return found


def _moved(volume: NDArray[Any], shift: tuple[int, int], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A volume (z, y, x) moved by whole rows and columns, in a plane of a given shape."""
    moved = np.full((len(volume), *shape), AIR_HU, dtype=np.float32)
    spans = []
    for offset, source, target in zip(shift, volume.shape[1:], shape, strict=True):
        low, high = max(0, offset), min(target, source + offset)
        spans.append((slice(low, max(low, high)), slice(low - offset, max(low, high) - offset)))
    moved[:, spans[0][0], spans[1][0]] = volume[:, spans[0][1], spans[1][1]]
    return moved


def _masked_correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Correlation over the voxels where either has a body."""
    mask = (one > BODY_ABOVE_HU) | (other > BODY_ABOVE_HU)
    if np.count_nonzero(mask) < 2:
        return -1.0
    a, b = (part[mask].clip(*CONTRAST_HU) for part in (one, other))
    a, b = a - a.mean(), b - b.mean()
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / size if size > 0 else -1.0
