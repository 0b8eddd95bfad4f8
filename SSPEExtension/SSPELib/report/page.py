"""The report on a registration for people."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from ..poses import matrix_of
from ..registration.confidence import ErrorEstimate
from ..stages import stage
from ..volume import End
from ..volume.overlap import overlap_words
from .document import details, document, figure_section, matrix_block, section
from .figures import before_and_after, candidates, checkerboard, real_and_synthetic
from .subject import Subject


@stage("report")
def page_of(subject: Subject) -> str:
    """Return the report as one self-contained HTML page."""
    found = subject.registration
    return document(
        "Registration report",
        {role: subject.files[role] for role in ("fixed", "moving")},
        who=subject.who,
        verdict=found.verdict,
        reasons=found.reasons,
        facts=_facts(subject),
        first_figure=figure_section(
            "Before and after",
            "Real voxels only, fixed in magenta and moving in green; gray where they agree. Across the tiles' edges of "
            "the checkerboard, outlines and vertebrae run on where the registration is right.",
            before_and_after(subject),
        ),
        warnings=subject.warnings,
        body="".join(_sections(subject)),
    )


def _facts(subject: Subject) -> list[tuple[str, str]]:
    found = subject.registration
    return [
        ("9 of 10 within, at the junction", _bound(found.junction)),
        ("9 of 10 within, at the far end", _bound(found.far_end)),
        ("Real overlap along the body", overlap_words(found.overlap_mm)),
        ("Transform", found.transform_type),
        ("Synthetic, fixed", _synthetic(found.synthetic_mm.get("fixed", {}))),
        ("Synthetic, moving", _synthetic(found.synthetic_mm.get("moving", {}))),
        ("Time", f"{found.seconds:.0f} s"),
    ]


def _bound(error: ErrorEstimate) -> str:
    return f"{error.bound_mm:.0f} mm" if math.isfinite(error.bound_mm) else "unknown"


def _synthetic(by_end: Mapping[End, float]) -> str:
    return ", ".join(f"{mm:.0f} mm {end}" for end, mm in by_end.items() if mm > 0) or "none"


def _details(subject: Subject) -> list[tuple[str, str]]:
    found = subject.registration
    return [
        *((role, path) for role, path in subject.files.items()),
        ("start", found.start),
        ("last refinement by", found.backend),
        ("generator", subject.model or "none (no expansion)"),
        ("metric", f"{found.metric:.4f} ({found.metric_name})"),
    ]


def _sections(subject: Subject) -> Iterable[str]:
    yield figure_section(
        "Checkerboard",
        "Tiles from both volumes in turn where both have voxels: outlines and vertebrae run on across the tiles' edges "
        "where the registration is right.",
        checkerboard(subject),
    )
    if subject.model is not None:
        yield figure_section(
            "Where real and synthetic voxels met",
            "Synthetic slices are tinted. They guide the search; where enough real voxels overlap, these alone decide.",
            real_and_synthetic(subject),
        )
    if subject.registration.candidates:
        yield figure_section(
            "Candidates",
            "Positions that were refined and weighed. One that stands far above the others is a good sign.",
            candidates(subject),
        )
    matrix = matrix_of(subject.registration.transform)
    yield section(
        "Details",
        details(_details(subject)) + matrix_block("Matrix from fixed to moving points, LPS, mm", matrix),
    )
