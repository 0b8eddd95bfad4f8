"""What a report on a merged or stitched volume is about, and the report for programs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .. import __version__
from ..merging.merge import LEGEND
from ..options import MergeOptions
from ..poses import Matrix, matrix_of
from ..stitching import Link
from ..verdict import Verdict, finite
from ..volume import Volume
from ..volume.overlap import overlap_along_axis_mm, upper_of
from .summary import FORMAT, RESEARCH_USE, as_json

if TYPE_CHECKING:
    from ..alignment import Alignment
    from ..merging import Merged
    from ..tasks import Stitched


@dataclass(frozen=True, eq=False)
class Pair:
    """Two parts that were registered.

    Attributes:
        first, second: their places in the list of parts.
        verdict: on the registration.
        overlap_mm: real overlap along the body, negative for a gap.
        used: whether it holds the two together.
        matrix: (4, 4) that was found, points of the first to points of the second, LPS mm.
    """

    first: int
    second: int
    verdict: Verdict
    overlap_mm: float
    used: bool
    matrix: Matrix

    @classmethod
    def of(cls, link: Link, used: bool) -> Pair:
        """A pair of parts that were stitched."""
        verdict = Verdict(
            link.reliable, finite(link.expected_error_mm), finite(link.error_bound_mm), tuple(link.reasons)
        )
        return cls(link.first, link.second, verdict, link.overlap_mm, used, link.matrix)


@dataclass(frozen=True, eq=False)
class Assembly:
    """One volume of several.

    Attributes:
        heading: of the report.
        volume: the result.
        sources: (z, y, x) where each of its voxels comes from.
        legend: what these values mean.
        parts: as they were given.
        names: their files.
        roles: what they are called.
        output: the file of the result.
        poses: of each part that belongs, (4, 4) from points of the result to its points; that of the first is identity.
        errors: of each part that belongs, how far its body is off against the first: expected error and bound, mm.
        order: places of the parts, from the head down.
        pairs: all that were registered.
        disagreement_mm: how far pairs contradict each other after the adjustment.
        verdict: on all that the result rests on.
        options: how it was merged.
        warnings: all warnings that the user was given.
        who: the patient, as the header of the first scan says; empty where it does not.
    """

    heading: str
    volume: Volume
    sources: NDArray[np.uint8]
    legend: Mapping[int, str]
    parts: Sequence[Volume]
    names: Sequence[str]
    roles: Sequence[str]
    output: str
    poses: Mapping[int, Matrix]
    errors: Mapping[int, tuple[float, float]]
    order: Sequence[int]
    pairs: Sequence[Pair]
    disagreement_mm: float
    verdict: Verdict
    options: MergeOptions
    warnings: Sequence[str]
    who: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_merged(
        cls,
        merged: Merged,
        parts: tuple[Volume, Volume],
        alignment: Alignment,
        options: MergeOptions,
        names: Sequence[str],
        output: str,
        who: Mapping[str, str],
    ) -> Assembly:
        """Two volumes that were merged under an alignment."""
        matrix = matrix_of(alignment.transform)
        verdict = merged.verdict or alignment.verdict
        overlap = overlap_along_axis_mm(*parts, matrix)
        return cls(
            heading="Report on a merged volume",
            volume=merged.volume,
            sources=merged.sources,
            legend=LEGEND,
            parts=parts,
            names=names,
            roles=("fixed", "moving"),
            output=output,
            poses={0: np.eye(4), 1: matrix},
            errors={0: (0.0, 0.0), 1: (_known(verdict.expected_error_mm), _known(verdict.error_bound_mm))},
            order=(0, 1) if upper_of(*parts, matrix) == "fixed" else (1, 0),
            pairs=(Pair(0, 1, verdict, overlap, True, matrix),),
            disagreement_mm=0.0,
            verdict=verdict,
            options=options,
            warnings=merged.warnings,
            who=who,
        )

    @classmethod
    def of_stitched(
        cls,
        done: Stitched,
        parts: Sequence[Volume],
        options: MergeOptions,
        names: Sequence[str],
        output: str,
        who: Mapping[str, str],
    ) -> Assembly:
        """Parts that were stitched."""
        network = done.network
        return cls(
            heading="Report on a stitched volume",
            volume=done.joined.volume,
            sources=done.joined.sources,
            legend=done.joined.legend,
            parts=parts,
            names=names,
            roles=[f"part {index + 1}" for index in range(len(names))],
            output=output,
            poses=network.poses,
            errors=network.errors,
            order=network.downward(parts),
            pairs=[Pair.of(link, any(link is one for one in network.used)) for link in done.links],
            disagreement_mm=network.disagreement_mm,
            verdict=network.verdict,
            options=options,
            warnings=done.warnings,
            who=who,
        )

    @property
    def left_out(self) -> list[int]:
        """Places of the parts that fit nowhere."""
        return [index for index in range(len(self.parts)) if index not in self.poses]

    def called(self, index: int) -> str:
        """The name of a part without its folder, with what it is called where another one has that name, too."""
        files = [Path(name).name for name in self.names]
        return files[index] if files.count(files[index]) == 1 else f"{files[index]} ({self.roles[index]})"


def summary_of_assembly(about: Assembly) -> str:
    """Return the report as JSON text; lengths in mm, matrices (4, 4) in LPS."""
    names = about.names
    summary = {
        "format": FORMAT,
        "sspe_version": __version__,
        "research_use": RESEARCH_USE,
        "parts": list(names),
        "output": about.output,
        "from_head_to_feet": [about.called(index) for index in about.order],
        "fixed": names[next(iter(about.poses))],
        "matrix_fixed_to_part_lps": {names[index]: pose.tolist() for index, pose in about.poses.items()},
        "error_of_part_mm": {
            names[index]: {"expected_error_mm": finite(expected), "error_bound_mm": finite(bound)}
            for index, (expected, bound) in about.errors.items()
        },
        "left_out": [names[index] for index in about.left_out],
        "disagreement_mm": about.disagreement_mm,
        "verdict": {**about.verdict.as_dict(), "sentence": about.verdict.sentence},
        "pairs": [
            {
                "fixed": names[pair.first],
                "moving": names[pair.second],
                "used": pair.used,
                "overlap_mm": pair.overlap_mm,
                **pair.verdict.as_dict(),
                "matrix_fixed_to_moving_lps": pair.matrix.tolist(),
            }
            for pair in about.pairs
        ],
        "sources": {str(value): words for value, words in about.legend.items()},
        "options": about.options.as_dict(),
        "warnings": list(about.warnings),
    }
    return as_json(summary)


def _known(mm: float | None) -> float:
    return math.inf if mm is None else mm
